"""The exceptions that cross a port."""


class BackendUnavailable(Exception):
    """The service behind a port did not answer: unreachable, draining, or out of time.

    Says nothing about whether the call took effect. Handlers turn it into a retriable Kafka error.
    """


class CallNotSent(BackendUnavailable):
    """The call did not leave this process, so it certainly had no effect and may be made again."""


class ProcessReplaced(BackendUnavailable):
    """The caller is not the registered process of its member; another one may have its place.

    Retrying helps a process that is about to register again. One that was replaced learns it from
    its next registration, which is refused.
    """


class OwnerLost(CallNotSent):
    """There is no connection to the owner, and waiting for one would delay others."""


class RegistrationRefused(Exception):
    """The metadata service does not take this gateway or partition service, and says why.

    Trying again would not help: the volume is another's or empty, or a later process has the name.
    """
