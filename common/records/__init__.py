"""Kafka's record formats, without I/O.

`batch` reads and writes the header of a v2 batch, which is all that most produce and fetch requests
need. `records` decodes and encodes the records. `message_set` converts between v2 batches and the
formats of Kafka 0.8 (magic 0) and 0.10 (magic 1).
"""
