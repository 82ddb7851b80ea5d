"""Committed offsets of a group, and the rules for changing them. Pure."""
