"""The services behind the gateway: the ports of `common` over gRPC, routing, producer ids."""
