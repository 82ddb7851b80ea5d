"""Brokers and other child processes that benchmarks start and measure."""
