"""Fetch: the handler, its partitions, its records, and divergence detection."""
