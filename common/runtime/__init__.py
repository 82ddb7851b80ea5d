"""Process-wide utilities: startup and signals, failpoints, cooperative work, pauses of threads."""
