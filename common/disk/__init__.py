"""Data directories: exclusive use, reserved space, and what survived the last shutdown."""
