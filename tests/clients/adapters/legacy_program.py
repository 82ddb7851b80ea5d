"""Runs one action with the kafka-python that PYTHONPATH names: JSON in on stdin, JSON out.

Imports nothing of ours: the process sees the old client alone.
"""

import base64
import json
import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def produce(asked):
    producer = KafkaProducer(
        compression_type=None if asked["codec"] == "none" else asked["codec"],
        acks="all" if asked["acks"] == -1 else asked["acks"],
        linger_ms=5,
        max_request_size=10_000_000,
        **_connection(asked),
    )
    answers = []
    for key, value, timestamp_ms, headers in asked["records"]:
        more = {"headers": [(name, _bytes(text)) for name, text in headers]} if headers else {}
        answers.append(
            producer.send(
                asked["topic"],
                key=_bytes(key),
                value=_bytes(value),
                partition=asked["partition"],
                timestamp_ms=timestamp_ms,
                **more,
            )
        )
    offsets = [answer.get(timeout=asked["within_s"]).offset for answer in answers]
    producer.close()
    return [-1 if offset is None else offset for offset in offsets]


def consume(asked):
    consumer, target = _consumer(asked)
    consumer.assign([target])
    consumer.seek(target, asked["offset"])
    records, deadline = [], time.monotonic() + asked["within_s"]
    while len(records) < asked["count"]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(records)} of {asked['count']} records")
        missing = asked["count"] - len(records)
        records += consumer.poll(timeout_ms=1000, max_records=missing).get(target, [])
    consumer.close()
    return [_as_json(record) for record in records]


def offset_for_time(asked):
    consumer, target = _consumer(asked)
    found = consumer.offsets_for_times({target: asked["timestamp_ms"]})[target]
    consumer.close()
    return None if found is None else found.offset


def bounds(asked):
    consumer, target = _consumer(asked)
    low = consumer.beginning_offsets([target])[target]
    high = consumer.end_offsets([target])[target]
    consumer.close()
    return [low, high]


def topics(asked):
    consumer = KafkaConsumer(group_id=None, **_connection(asked))
    names = sorted(consumer.topics())
    consumer.close()
    return names


def _consumer(asked):
    consumer = KafkaConsumer(group_id=None, auto_offset_reset="none", **_connection(asked))
    return consumer, TopicPartition(asked["topic"], asked["partition"])


def _connection(asked):
    version = asked["api_version"]
    return {
        "bootstrap_servers": asked["address"],
        "api_version": None if version is None else tuple(version),
    }


def _as_json(record):
    headers = [[name, _text(value)] for name, value in record.headers]
    return [record.offset, _text(record.key), _text(record.value), record.timestamp, headers]


def _text(content):
    return None if content is None else base64.b64encode(content).decode()


def _bytes(text):
    return None if text is None else base64.b64decode(text)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    answer = {
        "produce": produce,
        "consume": consume,
        "offset_for_time": offset_for_time,
        "bounds": bounds,
        "topics": topics,
    }[asked["action"]](asked)
    json.dump(answer, sys.stdout)
