"""The runtime of coordinators: shards, loading, writing, timers, expiration."""
