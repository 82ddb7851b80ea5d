"""Reads of logs: fetches, lookups of offsets and epochs, descriptions, sizes."""
