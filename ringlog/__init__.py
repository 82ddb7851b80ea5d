"""The `ringlog` command, the standalone broker, and a broker for tests."""
