"""Produce: the handler, its records, and the fast path for a single batch."""
