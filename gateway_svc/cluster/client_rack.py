"""The rack of a client, as its client id names it."""


def client_rack(client_id: str | None) -> str | None:
    """Returns NAME of the part `rack=NAME` in a client id, or None.

    Clients name their rack in no request but Fetch. The parts of the id are separated by commas or
    semicolons, so the client "orders,rack=a" is in rack "a".
    """
    for part in (client_id or "").replace(";", ",").split(","):
        name, has_value, rack = part.partition("=")
        if has_value and name.strip() == "rack":
            return rack.strip() or None
    return None
