"""The cluster as Kafka clients see it: brokers, leaders, racks, configs and new topics."""
