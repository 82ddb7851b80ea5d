from common.ports.metadata import Gateway, Member, Placement, PlacementChange, Topic
from common.ports.moves import Move, MovePhase, RingState
from metadata_svc.state.mutation import Mutation


def test_a_change_for_watchers_has_all_parts_except_those_of_the_service_alone():
    topic = Topic(bytes(16), "t", (Placement("p", 0),))
    moved = PlacementChange(bytes(16), 0, Placement("q", 1))
    move = Move(7, bytes(16), 0, "p", "q", 0, MovePhase.COMMIT)
    mutation = Mutation(
        topics=[topic],
        deleted_topics=[topic],
        placements=[moved],
        gateways=[Gateway(0, ())],
        removed_gateways=[1],
        members=[Member("p", "a:1")],
        removed_members=["q"],
        moves=[move],
        ended_moves=[8],
        ring_states={"p": RingState.JOINED},
        live={"member/p"},
    )
    change = mutation.as_change(revision=9, cluster_id="c")
    assert (change.revision, change.cluster_id, change.is_snapshot) == (9, "c", False)
    assert (change.topics, change.deleted_topics) == ([topic], [bytes(16)])
    assert (change.placements, change.moves, change.ended_moves) == ([moved], [move], [8])
    assert (change.gateways, change.removed_gateways) == ([Gateway(0, ())], [1])
    assert (change.members, change.removed_members) == ([Member("p", "a:1")], ["q"])
    assert change.broker_configs is None
