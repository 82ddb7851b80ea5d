"""Microbenchmarks of single components: codec, records, the ring."""
