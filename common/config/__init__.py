"""Settings and their sources, Kafka configuration types, and the table of topic configs."""
