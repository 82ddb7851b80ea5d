"""Registrations by their identity: what makes two of them the same gateway or service."""

from common.ports.metadata import Member, Registration


def identity(registration: Registration) -> str:
    """As in "gateway/0" and "member/partition-0": two live ones never share it."""
    if isinstance(registration, Member):
        return f"member/{registration.name}"
    return f"gateway/{registration.node_id}"


def describe(registration: Registration) -> str:
    """For log lines: "gateway 0 (127.0.0.1:9092)"."""
    if isinstance(registration, Member):
        return f"partition service {registration.name} ({registration.address})"
    places = ", ".join(f"{one.host}:{one.port}" for one in registration.endpoints)
    return f"gateway {registration.node_id} ({places})"
