"""Identities and descriptions of registered gateways and partition services."""

from common.ports.metadata import Member, Registration


def identity(registration: Registration) -> str:
    """Returns for instance "gateway/0" or "member/partition-0"; unique among live processes."""
    if isinstance(registration, Member):
        return f"member/{registration.name}"
    return f"gateway/{registration.node_id}"


def describe(registration: Registration) -> str:
    """Returns a text for log lines, for instance "gateway 0 (127.0.0.1:9092)"."""
    if isinstance(registration, Member):
        return f"partition service {registration.name} ({registration.address})"
    addresses = ", ".join(f"{endpoint.host}:{endpoint.port}" for endpoint in registration.endpoints)
    return f"gateway {registration.node_id} ({addresses})"
