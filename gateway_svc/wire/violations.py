"""The exception for violations of the protocol by a peer."""


class ProtocolViolation(Exception):
    """The peer sent bytes that are not Kafka's protocol. Its connection ends; nothing else does.

    The message names the field and the sizes, for one line in a log.
    """
