"""Dispatch of requests: from a frame to the handler of its API, and back to the bytes."""
