"""Screens: console, wizard, review, run, health."""
