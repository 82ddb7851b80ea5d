"""What the gateway answers: one file per API, and the way from a frame to the right one.

Handlers see messages and the ports of `common`; no bytes, no sockets, no gRPC.
"""
