"""etcd over its own gRPC API: calls to the endpoint that responds, and leader election by lease.

All calls block, and belong into threads; one client may be used by several threads.
"""
