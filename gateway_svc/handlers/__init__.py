"""Handlers of Kafka's APIs: one module or package per API.

Handlers see messages and the ports of `common`; no bytes, no sockets, no gRPC.
"""
