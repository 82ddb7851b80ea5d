"""Appends over long-lived streams, and their buffers while a partition moves."""
