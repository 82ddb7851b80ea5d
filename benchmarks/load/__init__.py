"""Load clients: Kafka requests built before a measurement, sent at full speed."""
