"""Programs and clients that a machine may lack."""

import os

import pytest


def need(is_available: object, what: str) -> None:
    """Skips the test if `what` is missing, or fails it if all tools are required."""
    if not is_available:
        assert "TEST_REQUIRE_TOOLS" not in os.environ, f"{what} is missing"
        pytest.skip(f"{what} is missing")
