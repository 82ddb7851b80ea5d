"""gRPC as every service uses it: how a server is started, and how others are called."""
