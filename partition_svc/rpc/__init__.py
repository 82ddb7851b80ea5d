"""The gRPC services of a partition service: servicers, streams, and their limits."""
