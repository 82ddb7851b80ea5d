"""Benchmarks that `make bench` runs: throughput, latency, startup, in rounds."""
