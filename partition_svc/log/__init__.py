"""Partition logs with Kafka's rules: offsets, producers, high watermark, fetching, looking up.

One loop, one writer: between reading and moving a log's next offset nothing is awaited, so no log
needs a lock. Knows neither gRPC nor the Kafka wire protocol.
"""
