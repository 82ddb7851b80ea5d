"""Benchmarks of several members: dead members, moves, watches, metadata stores."""
