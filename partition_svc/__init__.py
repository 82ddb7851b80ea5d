"""The partition service: owns partition logs and keeps them in RocksDB.

The way of a request: `servicer` (protobuf) → `core` (the port) → `log` (Kafka's rules) → `store`.
"""
