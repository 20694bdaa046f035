"""End to end: the real thing, as far as it goes on one machine."""
