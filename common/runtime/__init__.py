"""Utilities for every process: startup and signals, backoff, failpoints, cooperative work."""
