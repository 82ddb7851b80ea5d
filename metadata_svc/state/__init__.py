"""The state of the cluster: mutations, and the rows in which they are stored."""
