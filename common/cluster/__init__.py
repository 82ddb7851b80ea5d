"""One process's view of the cluster: members, topics, the ring, and the watch that updates it."""
