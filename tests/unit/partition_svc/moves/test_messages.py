from common.ports.moves import Move, MovePhase
from common.ports.partitions import LogId
from partition_svc.moves import messages
from partition_svc.store.keys import LogHead


def test_head_from_message_restores_all_fields_except_the_fence():
    head = LogHead(3, 10, 500, -1, -1, 7, 6)
    assert messages.head_from_message(messages.head_to_message(head)) == head._replace(
        fence_epoch=-1
    )


def test_rows_from_message_restores_rows_of_any_kind():
    rows = [(b"P", b"\0\1", b"value"), (b"?", b"", b"")]
    assert messages.rows_from_message(messages.rows_to_message(rows)) == rows


def test_a_moved_log_is_the_log_of_its_move():
    move = Move(9, b"t" * 16, 3, "a", "b", 5, MovePhase.PREPARE)
    message = messages.moved_log(move)
    assert messages.log_from_message(message) == LogId(b"t" * 16, 3)
    assert (message.move_id, message.leader_epoch) == (9, 5)
