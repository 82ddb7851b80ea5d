"""Reads of a log: fetches, look-ups of offsets and epochs, descriptions, the tail cache."""
