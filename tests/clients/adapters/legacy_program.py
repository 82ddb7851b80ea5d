"""Runs one action with the kafka-python in PYTHONPATH: a JSON request on stdin, JSON on stdout.

It imports no module of ringlog, because the process has only the old client.
"""

import base64
import json
import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def produce(request):
    producer = KafkaProducer(
        compression_type=None if request["codec"] == "none" else request["codec"],
        acks="all" if request["acks"] == -1 else request["acks"],
        linger_ms=5,
        max_request_size=10_000_000,
        **_connection(request),
    )
    futures = []
    for key, value, timestamp_ms, headers in request["records"]:
        options = {"headers": [(name, _bytes(text)) for name, text in headers]} if headers else {}
        futures.append(
            producer.send(
                request["topic"],
                key=_bytes(key),
                value=_bytes(value),
                partition=request["partition"],
                timestamp_ms=timestamp_ms,
                **options,
            )
        )
    offsets = [future.get(timeout=request["within_s"]).offset for future in futures]
    producer.close()
    return [-1 if offset is None else offset for offset in offsets]


def consume(request):
    consumer, target = _consumer(request)
    consumer.assign([target])
    consumer.seek(target, request["offset"])
    records, deadline = [], time.monotonic() + request["within_s"]
    while len(records) < request["count"]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(records)} of {request['count']} records")
        missing = request["count"] - len(records)
        records += consumer.poll(timeout_ms=1000, max_records=missing).get(target, [])
    consumer.close()
    return [_as_json(record) for record in records]


def offset_for_time(request):
    consumer, target = _consumer(request)
    found = consumer.offsets_for_times({target: request["timestamp_ms"]})[target]
    consumer.close()
    return None if found is None else found.offset


def bounds(request):
    consumer, target = _consumer(request)
    low = consumer.beginning_offsets([target])[target]
    high = consumer.end_offsets([target])[target]
    consumer.close()
    return [low, high]


def topics(request):
    consumer = KafkaConsumer(group_id=None, **_connection(request))
    names = sorted(consumer.topics())
    consumer.close()
    return names


def _consumer(request):
    consumer = KafkaConsumer(group_id=None, auto_offset_reset="none", **_connection(request))
    return consumer, TopicPartition(request["topic"], request["partition"])


def _connection(request):
    version = request["api_version"]
    return {
        "bootstrap_servers": request["address"],
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
    request = json.load(sys.stdin)
    result = {
        "produce": produce,
        "consume": consume,
        "offset_for_time": offset_for_time,
        "bounds": bounds,
        "topics": topics,
    }[request["action"]](request)
    json.dump(result, sys.stdout)
