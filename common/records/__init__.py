"""Kafka's record formats: bytes in, bytes or records out, and no I/O.

`batch` knows the header of a v2 batch and nothing of the records inside; it is all that the path
of a produce or fetch request needs. `records` opens batches. `message_set` converts the formats of
Kafka 0.8 (magic 0) and 0.10 (magic 1) to v2 batches, and `down_conversion` the other way.
"""
