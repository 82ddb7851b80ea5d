"""The connection to one owner, as routing uses it."""

from collections.abc import Callable
from typing import Protocol

from common.client.append.append_call import AppendChannel, RejectHandler
from common.client.connections import MemberConnection, MemberConnections
from common.ports.coordinators import Coordinators
from common.ports.partitions import Partitions


class OwnerConnection(Partitions, AppendChannel, MemberConnection, Protocol):
    """A connection to the logs of one partition service and to its group coordinators."""

    @property
    def coordinators(self) -> Coordinators: ...

    @property
    def ends_waits(self) -> bool:
        """True if `FetchQuery.end_of_wait` has an effect; False until that is known."""
        ...


OwnerConnections = MemberConnections[OwnerConnection]

#: Connects to an owner by its name and address (host:port); rejected appends go to the handler.
ConnectOwner = Callable[[str, str, RejectHandler | None], OwnerConnection]
