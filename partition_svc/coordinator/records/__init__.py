"""Records of `__consumer_offsets`: values, Kafka's byte formats, and results that carry them."""
