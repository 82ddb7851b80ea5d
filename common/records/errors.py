"""What can be wrong with the bytes of records, as exceptions: three, and no other."""


class CorruptRecords(Exception):
    """The bytes are not what they claim to be: cut, failing their CRC, or garbage inside."""


class UnsupportedRecords(Exception):
    """The records are sound, but cannot be read or written in the form that was asked for."""


class RecordsTooLarge(Exception):
    """A message has more bytes than its topic accepts; it was not opened."""
