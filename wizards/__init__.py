"""All that the screens do: questions, provisioning, health. Knows no screen."""
