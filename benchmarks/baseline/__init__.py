"""A reference broker with the design of ringlog and none of its features, as a baseline."""
