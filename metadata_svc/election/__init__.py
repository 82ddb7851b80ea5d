"""Leader election among metadata services, on etcd."""
