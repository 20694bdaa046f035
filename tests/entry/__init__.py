"""Turning text, files and networks into servers."""
