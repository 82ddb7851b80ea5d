"""The front door: the command line, and all three services in one process."""
