"""Widgets: they show values and post messages; they decide nothing."""
