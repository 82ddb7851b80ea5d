"""Small durable state as key → value, behind one port: RocksDB on disk, or memory for tests."""
