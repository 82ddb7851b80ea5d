"""Data directories: exclusive use, reserved space, and the outcome of the last shutdown."""
