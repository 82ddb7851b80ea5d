"""Group commit: from a staged append to one atomic write and at most one sync."""
