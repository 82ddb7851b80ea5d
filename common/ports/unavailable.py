"""The exceptions that cross a port."""


class BackendUnavailable(Exception):
    """The service behind a port did not answer: unreachable, draining, or out of time.

    Says nothing about whether the call took effect. Handlers turn it into a retriable Kafka error.
    """


class CallNotSent(BackendUnavailable):
    """The call did not leave this process, so it certainly had no effect and may be made again."""


class RegistrationRefused(Exception):
    """The metadata service does not take this gateway or partition service, and says why.

    Trying again would not help: the volume is another's or empty, or a later process has the name.
    """
