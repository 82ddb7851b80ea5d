"""Conversion between protobuf messages and the types of the ports, both ends in one place."""
