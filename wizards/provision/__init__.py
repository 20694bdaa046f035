"""From checked answers to a running job: inventory, plan, supervisor, journal, progress."""
