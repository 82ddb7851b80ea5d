import pytest

from partition_svc.coordinator.subscription import subscribed_topics
from tests.support.driven_group import READS_T


def test_topics_are_read_whatever_comes_behind_them():
    two = b"\x00\x03" + b"\x00\x00\x00\x02" + b"\x00\x01t" + b"\x00\x02\xc3\xbc" + b"more"
    assert subscribed_topics(two) == {"t", "ü"}
    assert subscribed_topics(READS_T) == {"t"}


def test_no_topics_are_a_subscription_too():
    assert subscribed_topics(b"\x00\x00" + b"\x00\x00\x00\x00") == set()


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        READS_T[:5],
        READS_T[:7],
        READS_T[:8],
        b"\xff\xff" + READS_T[2:],
        b"\x00\x00" + b"\x00\x00\x00\x01" + b"\xff\xff",
        b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x01\xff",
        b"\x00\x00" + b"\x7f\xff\xff\xff" + b"\x00\x01t",
    ],
)
def test_what_is_not_a_subscription_is_not_read(metadata):
    assert subscribed_topics(metadata) is None
