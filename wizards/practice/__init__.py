"""The embedded practice yard: practice nodes over real SSH and a practice Kubernetes API."""
