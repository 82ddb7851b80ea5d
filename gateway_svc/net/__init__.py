"""Sockets: accepts clients, cuts their bytes into frames, and sends responses in order.

Frames and responses are bytes here; `dispatch` gives them a meaning.
"""
