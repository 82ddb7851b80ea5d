"""Groups with members of the classic protocol and Java consumers of KIP-848."""

from contextlib import ExitStack

from tests.interop.libraries import LIBRARIES, RANGE_LIBRARIES
from tests.interop.test_interop import append_records, group_of, start_member
from tests.support.waiting import eventually
from tests.support.wire.group_apis import OFFSET_FETCH
from tests.support.wire.kio_client import ask

KAFKA_CLIENTS = LIBRARIES[0]
PARTITIONS = 8


def wait_until_shared(members):
    """Waits until each partition has one owner and each member has a partition."""

    def is_shared():
        assigned = sorted(partition for member in members for partition in member.assigned)
        is_complete = assigned == list(range(PARTITIONS))
        return is_complete and all(member.assigned for member in members)

    try:
        eventually(is_shared, within_s=240, what="one owner for each partition")
    except AssertionError as error:
        states = "\n".join(f"{member.assignments}\n{member.tail}" for member in members)
        raise AssertionError(f"{error}\n{states}") from None


def wait_for_own_records(member, positions):
    """Waits until a member has read the records of the partitions that it owns."""
    member.wait_for_records(item for item in positions if item.partition in member.assigned)


def wait_until_committed(raw, topic, positions):
    """Waits until the group has committed the records at `positions`.

    Members print records before they commit them. If a rebalance comes in between, franz-go does
    not commit them, and the next owner of the partition rightly reads them again.
    """
    group = {"group_id": group_of(topic), "topics": None, "require_stable": False}
    expected = {}
    for item in positions:
        expected[item.partition] = max(expected.get(item.partition, 0), item.offset + 1)

    def are_committed():
        response = ask(raw, OFFSET_FETCH, 7, group)
        return expected == {
            partition.partition_index: partition.committed_offset
            for committed in response.topics
            for partition in committed.partitions
        }

    eventually(are_committed, within_s=240, what="commits of all records")


def test_members_of_both_protocols_share_a_group(broker, raw):
    topic = raw.create_topic(partitions=PARTITIONS)
    with ExitStack() as stack:
        classic = [
            stack.enter_context(start_member(library, broker, topic, "range"))
            for library in RANGE_LIBRARIES
        ]
        wait_until_shared(classic)
        with start_member(KAFKA_CLIENTS, broker, topic, "consumer") as consumer:
            wait_until_shared([*classic, consumer])
            before = append_records(raw, topic, PARTITIONS)
            for member in (*classic, consumer):
                wait_for_own_records(member, before)
            wait_until_committed(raw, topic, before)
        wait_until_shared(classic)
        after = append_records(raw, topic, PARTITIONS)
        for member in classic:
            wait_for_own_records(member, after)
        wait_until_committed(raw, topic, after)
    read = [position for member in (*classic, consumer) for position in member.positions]
    assert sorted(read) == sorted(before + after)


def test_java_members_change_protocol_one_by_one_and_back(broker, raw):
    classic = "cooperative-sticky"
    topic = raw.create_topic(partitions=PARTITIONS)
    with ExitStack() as stack:

        def join(protocol):
            return stack.enter_context(start_member(KAFKA_CLIENTS, broker, topic, protocol))

        members = [join(classic), join(classic)]
        wait_until_shared(members)
        stopped, appended = [], []
        for protocol in ("consumer", "consumer", classic, classic):
            members.append(join(protocol))
            wait_until_shared(members)
            appended += append_records(raw, topic, PARTITIONS)
            stopped.append(members.pop(0))
            stopped[-1].end_input()
            wait_until_shared(members)
        eventually(
            lambda: (
                set(appended)
                <= {position for member in (*stopped, *members) for position in member.positions}
            ),
            within_s=240,
            what="all records",
        )
