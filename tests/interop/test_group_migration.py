"""Groups in which libraries of the classic protocol meet Java's consumer of KIP-848."""

from contextlib import ExitStack

from tests.interop.libraries import LIBRARIES, SHARING
from tests.interop.test_interop import appended, member
from tests.support.waiting import eventually

KAFKA_CLIENTS = LIBRARIES[0]
PARTITIONS = 8


def wait_until_shared(members):
    """Waits until each partition has one owner and each member has some."""

    def is_shared():
        dealt = sorted(one for each in members for one in each.assigned)
        return dealt == list(range(PARTITIONS)) and all(each.assigned for each in members)

    try:
        eventually(is_shared, within_s=240, what="one owner for each partition")
    except AssertionError as error:
        seen = "\n".join(f"{one.assignments}\n{one.tail}" for one in members)
        raise AssertionError(f"{error}\n{seen}") from None


def test_members_of_both_protocols_share_a_group(broker, raw):
    topic = raw.create_topic(partitions=PARTITIONS)
    with ExitStack() as stack:
        classic = [stack.enter_context(member(one, broker, topic, "range")) for one in SHARING]
        wait_until_shared(classic)
        with member(KAFKA_CLIENTS, broker, topic, "consumer") as new:
            wait_until_shared([*classic, new])
            before = appended(raw, topic, PARTITIONS)
            for one in (*classic, new):
                one.wait_for_records(place for place in before if place.partition in one.assigned)
        wait_until_shared(classic)
        after = appended(raw, topic, PARTITIONS)
        for one in classic:
            one.wait_for_records(place for place in after if place.partition in one.assigned)
    read = [place for one in (*classic, new) for place in one.read]
    assert sorted(read) == sorted(before + after)


def test_javas_members_change_protocol_one_by_one_and_back(broker, raw):
    classic = "cooperative-sticky"
    topic = raw.create_topic(partitions=PARTITIONS)
    with ExitStack() as stack:

        def join(protocol):
            return stack.enter_context(member(KAFKA_CLIENTS, broker, topic, protocol))

        members = [join(classic), join(classic)]
        wait_until_shared(members)
        gone, everything = [], []
        for protocol in ("consumer", "consumer", classic, classic):
            members.append(join(protocol))
            wait_until_shared(members)
            everything += appended(raw, topic, PARTITIONS)
            gone.append(members.pop(0))
            gone[-1].end_input()
            wait_until_shared(members)
        eventually(
            lambda: set(everything) <= {place for one in (*gone, *members) for place in one.read},
            within_s=240,
            what="all records",
        )
