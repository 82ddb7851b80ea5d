import pytest

from common.config.topic_names import (
    TOPIC_NAME_LENGTH_MAX,
    can_collide,
    collision_key,
    invalid_name_reason,
    is_internal,
)


def test_topics_that_only_coordinators_write_are_internal():
    names = ["__consumer_offsets", "__transaction_state", "__share_group_state"]
    assert all(map(is_internal, names))
    assert not any(map(is_internal, ["orders", "__consumer_offset", "__CONSUMER_OFFSETS", ""]))


@pytest.mark.parametrize(
    "name", ["a", "A-z.0_9", "...", ".a", "-", "__consumer_offsets", "x" * TOPIC_NAME_LENGTH_MAX]
)
def test_a_valid_name_is_accepted(name):
    assert invalid_name_reason(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(".", "'.' is not allowed", id="dot"),
        pytest.param("..", "'..' is not allowed", id="two dots"),
        pytest.param("x" * 250, "250 characters, at most 249", id="too long"),
        pytest.param("a b", "characters other than", id="blank"),
        pytest.param("a/b", "characters other than", id="slash"),
        pytest.param("a\n", "characters other than", id="line end"),
        pytest.param("é", "characters other than", id="letter that is not ASCII"),
        pytest.param("\u0661", "characters other than", id="digit that is not ASCII"),
    ],
)
def test_an_invalid_name_is_refused_with_the_reason(name, reason):
    assert reason in invalid_name_reason(name)


def test_the_error_for_a_very_long_name_does_not_repeat_it():
    assert len(invalid_name_reason("x" * 10_000_000)) < 200


def test_names_that_differ_in_dots_and_underscores_collide_and_others_do_not():
    assert collision_key("a.b_c") == collision_key("a_b.c")
    assert collision_key("a.b") != collision_key("a-b")


def test_only_names_with_dots_or_underscores_can_collide():
    assert [can_collide(name) for name in ("a.b", "a_b", "a-b", "ab")] == [True, True, False, False]
