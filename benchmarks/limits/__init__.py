"""Limits of the machine without ringlog, which benchmarks are compared with."""
