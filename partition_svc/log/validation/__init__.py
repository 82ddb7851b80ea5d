"""Validation of record batches (Kafka's LogValidator)."""
