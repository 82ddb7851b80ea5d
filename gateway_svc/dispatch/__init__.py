"""The way of a request from its frame to a handler, and of the response back to bytes."""
