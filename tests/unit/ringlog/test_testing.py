"""Tests of the broker fixture that applications use in their own tests."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ringlog.testing import BrokerDidNotStart, ringlog_broker, running_broker

__all__ = ["ringlog_broker"]


def test_fixture_runs_a_broker_that_stores_records(ringlog_broker):
    producer = Producer({"bootstrap.servers": ringlog_broker.kafka})
    producer.produce("greetings", b"hello")
    assert producer.flush(30) == 0
    consumer = Consumer(
        {
            "bootstrap.servers": ringlog_broker.kafka,
            "group.id": "unused",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition("greetings", 0, 0)])
    message = consumer.poll(30)
    consumer.close()
    assert message.value() == b"hello"


def test_running_broker_passes_settings_and_keeps_data(tmp_path):
    for _ in range(2):
        with running_broker(tmp_path, {"num.partitions": "3"}) as addresses:
            producer = Producer({"bootstrap.servers": addresses.kafka})
            topics = producer.list_topics("kept", timeout=30).topics
    assert len(topics["kept"].partitions) == 3


def test_running_broker_raises_if_the_broker_cannot_start(tmp_path):
    second = running_broker(tmp_path)
    with running_broker(tmp_path), pytest.raises(BrokerDidNotStart, match="status 1"), second:
        pass


def test_running_broker_raises_for_an_invalid_setting(tmp_path):
    broker = running_broker(tmp_path, {"num.partitions": "0"})
    with pytest.raises(BrokerDidNotStart, match="status 2"), broker:
        pass
