"""Moves of partition logs to this member: one task per move, step by step."""
