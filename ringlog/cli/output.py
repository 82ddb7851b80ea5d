"""The output of commands: tables of text, and lines of JSON for scripts."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a line for the head and for each row, in aligned columns; the last is not padded."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "".join(f"{line}\n" for line in padded)


def json_line(value: Mapping[str, Any]) -> str:
    """Returns an object as one line of JSON."""
    return json.dumps(value) + "\n"


def uuid_text(topic_id: bytes) -> str:
    """Returns a topic id as Kafka's own tools print it (org.apache.kafka.common.Uuid)."""
    return urlsafe_b64encode(topic_id).rstrip(b"=").decode()
