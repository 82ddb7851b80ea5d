"""The deadline of a timer that is not running, for both kinds of group."""

from typing import Final

#: Milliseconds on the monotonic clock of a group; later than any deadline.
NO_DEADLINE: Final = 2**63 - 1
