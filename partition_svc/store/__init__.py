"""The store of partition logs: one RocksDB for each partition service.

`keys` documents every key. Nothing here knows what a record, a producer or an offset rule is.
"""
