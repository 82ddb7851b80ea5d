from common.ports.metadata import ClusterChange, Placement, Topic
from common.rpc.messages.metadata import change_from_message, change_to_message
from metadata_svc.watch import messages as watch_messages
from metadata_svc.watch.messages import KEPT_MAX, ChangeMessages


def topic(number):
    return Topic(bytes([number]) * 16, f"t{number}", (Placement("p", 0),))


def snapshot(revision, *topics):
    return ClusterChange(revision, "c", is_snapshot=True, topics=topics, broker_configs={"a": "1"})


def change(revision, **parts):
    return ClusterChange(revision, "c", **parts)


def test_a_message_has_its_change_and_the_lease():
    messages = ChangeMessages(lease_ms=7)
    for cluster_change in (snapshot(1, topic(1), topic(2)), change(2, topics=(topic(3),))):
        assert messages.of(cluster_change) == change_to_message(cluster_change, lease_ms=7)
        assert change_from_message(messages.of(cluster_change)) == cluster_change


def test_all_watchers_get_the_same_message():
    messages = ChangeMessages(lease_ms=7)
    for cluster_change in (snapshot(5, topic(1)), change(5, topics=(topic(1),)), change(6)):
        assert messages.of(cluster_change) is messages.of(cluster_change)
    assert messages.of(snapshot(5, topic(1))).is_snapshot
    assert not messages.of(change(5)).is_snapshot


def test_a_few_messages_are_kept_and_one_snapshot():
    messages = ChangeMessages(lease_ms=7)
    first, large = messages.of(change(0)), messages.of(snapshot(1))
    assert messages.of(change(0)) is first
    messages.of(snapshot(2))
    assert messages.of(snapshot(1)) is not large
    for revision in range(10, 10 + KEPT_MAX):
        messages.of(change(revision))
    assert messages.of(change(0)) is not first


def test_a_later_snapshot_encodes_only_changed_topics(monkeypatch):
    encoded = []

    def counting_encoder(topic):
        encoded.append(topic.name)
        return original(topic)

    original = watch_messages.topic_to_message
    monkeypatch.setattr(watch_messages, "topic_to_message", counting_encoder)
    messages, first, second = ChangeMessages(lease_ms=7), topic(1), topic(2)
    messages.of(snapshot(1, first, second))
    changed = Topic(second.topic_id, second.name, (Placement("q", 1),))
    later = snapshot(2, first, changed, topic(3))
    assert messages.of(later) == change_to_message(later, lease_ms=7)
    assert encoded == ["t1", "t2", "t2", "t3"]
    assert change_from_message(messages.of(snapshot(3))).topics == ()
