"""Exceptions that cross a port."""


class BackendUnavailable(Exception):
    """Raised when the service behind a port does not respond: unreachable, draining, too slow.

    The call may have taken effect. Handlers turn the exception into a retriable Kafka error.
    """


class CallNotSent(BackendUnavailable):
    """Raised when the call did not leave this process: it had no effect and may be retried."""


class ProcessReplaced(BackendUnavailable):
    """Raised when the caller is not the registered process of its member.

    A retry helps a process that is about to register again. A process that was replaced learns it
    from its next registration, which is rejected.
    """


class OwnerLost(CallNotSent):
    """Raised when there is no connection to the owner, and waiting for one would delay others."""


class RegistrationRefused(Exception):
    """Raised when the metadata service rejects this gateway or partition service; has the reason.

    A retry does not help: the volume is another member's or empty, or a later process has the name.
    """
