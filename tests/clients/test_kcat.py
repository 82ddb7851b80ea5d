"""kcat, the command line client that people reach for first."""

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
        done = subprocess.run(
            [KCAT, "-b", broker.address, "-q", *arguments],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def read_json(output):
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("codec", ALL_CODECS)
def test_produced_records_are_consumed_unchanged(codec, kcat, topic):
    kcat("-P", "-t", topic, "-p", "0", "-z", codec, "-K:", "-H", "kind=test", lines=LINES)
    messages = read_json(kcat("-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-J"))
    assert [f"{one['key']}:{one['payload']}" for one in messages] == LINES
    assert [message["offset"] for message in messages] == list(range(200))
    assert messages[0]["headers"] == ["kind", "test"]


def test_it_reads_from_an_offset_and_the_last_few(kcat, topic):
    kcat("-P", "-t", topic, "-p", "0", lines=[str(n) for n in range(100)])
    assert kcat("-C", "-t", topic, "-p", "0", "-o", "90", "-e").split() == [
        str(n) for n in range(90, 100)
    ]
    assert kcat("-C", "-t", topic, "-p", "0", "-o", "-3", "-e").split() == ["97", "98", "99"]


def test_it_reads_from_a_time(kcat, client, broker, topic):
    times = [1_700_000_000_000 + n * 1000 for n in range(10)]
    records = [Record(b"%d" % n, timestamp_ms=time) for n, time in enumerate(times)]
    client.produce(broker.address, topic, records)
    found = kcat("-C", "-t", topic, "-p", "0", "-o", f"s@{times[6]}", "-e")
    assert found.split() == ["6", "7", "8", "9"]
    assert kcat("-Q", "-t", f"{topic}:0:{times[4]}").split() == [topic, "[0]", "offset", "4"]


def test_it_lists_the_cluster(kcat, broker, topic):
    listed = json.loads(kcat("-L", "-J", "-t", topic))
    assert [one["name"] for one in listed["brokers"]] == [broker.address]
    assert [one["topic"] for one in listed["topics"]] == [topic]


def test_a_deleted_key_is_a_null_value(kcat, topic):
    kcat("-P", "-t", topic, "-p", "0", "-K:", "-Z", lines=["gone:"])
    (message,) = read_json(kcat("-C", "-t", topic, "-p", "0", "-e", "-J"))
    assert (message["key"], message["payload"]) == ("gone", None)
