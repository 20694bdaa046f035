"""Answers: the cluster specification, the catalog of choices, the rules between them, and the steps."""
