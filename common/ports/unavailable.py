"""The one exception that crosses a port."""


class BackendUnavailable(Exception):
    """The service behind a port did not answer: unreachable, draining, or out of time.

    Says nothing about whether the call took effect. Handlers turn it into a retriable Kafka error.
    """
