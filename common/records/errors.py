"""The exceptions of `common.records`."""


class CorruptRecords(Exception):
    """Raised when bytes are truncated, fail their CRC, or contradict themselves."""


class UnsupportedRecords(Exception):
    """Raised when valid records cannot be read or written in the requested format or codec."""


class RecordsTooLarge(Exception):
    """Raised when a message has more bytes than its topic accepts; it was not decoded."""
