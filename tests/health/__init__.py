"""Tests of the health view."""
