"""Calls to group coordinators: routing, retries, and the stream they share."""
