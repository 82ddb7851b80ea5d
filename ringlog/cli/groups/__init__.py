"""`ringlog groups`: consumer groups, for operators."""
