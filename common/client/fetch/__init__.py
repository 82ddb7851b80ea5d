"""Fetches over long-lived streams, and one long poll over several owners."""
