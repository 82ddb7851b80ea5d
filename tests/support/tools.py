"""Programs and clients that a machine may lack."""

import os

import pytest


def need(is_there: object, what: str) -> None:
    """Skips the test where `what` is missing, or fails it where all tools are required."""
    if not is_there:
        assert "TEST_REQUIRE_TOOLS" not in os.environ, f"{what} is missing"
        pytest.skip(f"{what} is missing")
