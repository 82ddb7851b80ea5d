"""`ringlog store`: the data directory of a partition service, for operators."""
