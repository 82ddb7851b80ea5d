"""The gateway: speaks Kafka to clients, and the ports of `common` to the services behind it."""
