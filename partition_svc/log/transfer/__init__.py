"""Copies of logs between partition services: the source's and the target's side."""
