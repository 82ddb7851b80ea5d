from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, Topic, TopicRefusal
from metadata_svc.topics.delete import decide_deletion

A, B = (Topic(bytes([n]) * 16, name, (Placement("p", 0),)) for n, name in ((1, "a"), (2, "b")))


def decide(names, ids):
    view = ClusterView()
    view.apply(ClusterChange(revision=1, cluster_id="c", is_snapshot=True, topics=[A, B]))
    return decide_deletion(view, names, ids)


def test_results_are_for_the_names_then_for_the_ids():
    results = decide(["missing", "a"], [B.topic_id, bytes(16)])
    assert [(result.name, result.topic_id, result.topic, result.refusal) for result in results] == [
        ("missing", None, None, TopicRefusal.UNKNOWN_TOPIC),
        ("a", A.topic_id, A, None),
        ("b", B.topic_id, B, None),
        (None, bytes(16), None, TopicRefusal.UNKNOWN_TOPIC_ID),
    ]


def test_a_topic_named_more_than_once_is_not_deleted_and_the_others_are():
    for names, ids in ((["a", "a"], []), (["a"], [A.topic_id]), ([], [A.topic_id] * 2)):
        results = decide([*names, "b"], ids)
        by_name = {result.name: result.refusal for result in results}
        assert by_name == {"a": TopicRefusal.INVALID_REQUEST, "b": None}


def test_an_unknown_name_twice_is_unknown_twice():
    assert [result.refusal for result in decide(["x", "x"], [])] == [TopicRefusal.UNKNOWN_TOPIC] * 2


def test_an_id_of_the_wrong_length_is_unknown():
    assert decide([], [b"short"])[0].refusal is TopicRefusal.UNKNOWN_TOPIC_ID
