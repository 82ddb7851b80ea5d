"""`ringlog ring`: the ring of partition services, for operators."""
