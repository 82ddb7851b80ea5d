"""etcd over its own gRPC API: calls that find an endpoint that answers, and leadership by lease.

Everything here blocks and belongs into threads; one client may be used by several at once.
"""
