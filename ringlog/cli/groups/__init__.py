"""`ringlog groups`: the consumer groups, for operators."""
