"""Idempotent producers of a log: sequence numbers, and their expiration."""
