"""Small durable state as keys and values behind one port: in RocksDB or in etcd."""
