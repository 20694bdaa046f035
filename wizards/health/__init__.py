"""Reading the Kubernetes API and judging what it says."""
