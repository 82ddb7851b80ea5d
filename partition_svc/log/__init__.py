"""Partition logs with Kafka's rules: offsets, producers, high watermark, fetches.

All writes run on one event loop, and nothing is awaited between reading and moving the next offset
of a log, so logs need no locks. Nothing here depends on gRPC or the Kafka wire protocol.
"""
