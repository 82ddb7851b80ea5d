"""The `ringlog` command, the standalone broker, and a broker for tests."""

#: The version of the distribution too (pyproject.toml).
__version__ = "0.1.0"
