"""Watches of the cluster: changes in order to every watcher, acknowledgements back."""
