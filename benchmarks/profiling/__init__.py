"""Sampling profiles of the broker under load."""
