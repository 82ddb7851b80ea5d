"""The cluster as Kafka clients see it: brokers, partition leaders, coordinators, configs."""
