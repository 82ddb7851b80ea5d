"""The state machine of one group, under either protocol. Pure."""
