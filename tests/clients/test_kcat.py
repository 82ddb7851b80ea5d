"""kcat, the common command line client."""

import json
import shutil
import subprocess

import pytest

from tests.clients.adapters.client import ALL_CODECS
from tests.support.tools import need
from tests.support.wire.records import Record

KCAT = shutil.which("kcat")
LINES = [f"key{n}:value {n} " + "again " * 20 for n in range(200)]


@pytest.fixture
def kcat(broker):
    need(KCAT, "kcat")

    def run(*arguments, lines=()):
        completed = subprocess.run(
            [KCAT, "-b", broker.address, "-q", *arguments],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    return run


def read_json(output):
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("codec", ALL_CODECS)
def test_produced_records_are_consumed_unchanged(codec, kcat, topic):
    kcat("-P", "-t", topic, "-p", "0", "-z", codec, "-K:", "-H", "kind=test", lines=LINES)
    messages = read_json(kcat("-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-J"))
    assert [f"{message['key']}:{message['payload']}" for message in messages] == LINES
    assert [message["offset"] for message in messages] == list(range(200))
    assert messages[0]["headers"] == ["kind", "test"]


def test_kcat_reads_from_an_offset_and_from_the_end(kcat, topic):
    kcat("-P", "-t", topic, "-p", "0", lines=[str(n) for n in range(100)])
    assert kcat("-C", "-t", topic, "-p", "0", "-o", "90", "-e").split() == [
        str(n) for n in range(90, 100)
    ]
    assert kcat("-C", "-t", topic, "-p", "0", "-o", "-3", "-e").split() == ["97", "98", "99"]


def test_kcat_reads_from_a_timestamp(kcat, client, broker, topic):
    times = [1_700_000_000_000 + n * 1000 for n in range(10)]
    records = [Record(b"%d" % n, timestamp_ms=time) for n, time in enumerate(times)]
    client.produce(broker.address, topic, records)
    output = kcat("-C", "-t", topic, "-p", "0", "-o", f"s@{times[6]}", "-e")
    assert output.split() == ["6", "7", "8", "9"]
    assert kcat("-Q", "-t", f"{topic}:0:{times[4]}").split() == [topic, "[0]", "offset", "4"]


def test_kcat_lists_brokers_and_topics(kcat, broker, topic):
    listed = json.loads(kcat("-L", "-J", "-t", topic))
    assert [listed_broker["name"] for listed_broker in listed["brokers"]] == [broker.address]
    assert [listed_topic["topic"] for listed_topic in listed["topics"]] == [topic]


def test_a_tombstone_is_read_as_a_null_value(kcat, topic):
    kcat("-P", "-t", topic, "-p", "0", "-K:", "-Z", lines=["deleted:"])
    (message,) = read_json(kcat("-C", "-t", topic, "-p", "0", "-e", "-J"))
    assert (message["key"], message["payload"]) == ("deleted", None)
