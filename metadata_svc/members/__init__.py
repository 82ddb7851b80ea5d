"""Registration and liveness of gateways and partition services."""
