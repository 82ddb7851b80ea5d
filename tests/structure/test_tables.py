"""Tables that must say the same thing: protos and Python, routes and files, code and documents."""

from pathlib import Path

import pytest

from common.ports.metadata import TopicRefusal
from common.ports.partitions import Refusal
from protos.metadata.v1 import metadata_pb2
from protos.partition.v1 import partition_pb2

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("python", "proto", "prefix"),
    [
        (Refusal, partition_pb2.Refusal, "REFUSAL_"),
        (TopicRefusal, metadata_pb2.TopicRefusal, "TOPIC_REFUSAL_"),
    ],
    ids=["Refusal", "TopicRefusal"],
)
def test_refusals_have_the_same_names_and_numbers_in_python_and_proto(python, proto, prefix):
    in_proto = {name.removeprefix(prefix): number for name, number in proto.items()}
    assert in_proto.pop("UNSPECIFIED") == 0
    assert in_proto == {one.name: one.value for one in python}
