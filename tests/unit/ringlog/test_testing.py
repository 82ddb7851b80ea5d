"""The broker that others use in their tests, used as they would."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ringlog.testing import BrokerDidNotStart, ringlog_broker, running_broker

__all__ = ["ringlog_broker"]


def test_the_fixture_is_a_broker_that_keeps_records(ringlog_broker):
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


def test_settings_are_passed_and_data_is_kept(tmp_path):
    for _ in range(2):
        with running_broker(tmp_path, {"num.partitions": "3"}) as addresses:
            producer = Producer({"bootstrap.servers": addresses.kafka})
            topics = producer.list_topics("kept", timeout=30).topics
    assert len(topics["kept"].partitions) == 3


def test_a_broker_that_cannot_start_is_an_error(tmp_path):
    second = running_broker(tmp_path)
    with running_broker(tmp_path), pytest.raises(BrokerDidNotStart, match="status 1"), second:
        pass


def test_an_invalid_setting_is_an_error(tmp_path):
    broker = running_broker(tmp_path, {"num.partitions": "0"})
    with pytest.raises(BrokerDidNotStart, match="status 2"), broker:
        pass
