"""Benchmarks of storage: layout, compaction, many producers."""
