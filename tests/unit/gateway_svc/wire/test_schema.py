from dataclasses import fields

import pytest

from gateway_svc.wire.schema import (
    BOOL,
    BYTES,
    INT16,
    INT32,
    INT64,
    RECORDS,
    STRING,
    UUID,
    ArrayOf,
    layout,
    message,
    size_min,
    wire,
)


@message
class Inner:
    number: int = wire(INT16)
    old: str = wire(STRING, until=2, default="gone")


@message
class Outer:
    name: str | None = wire(STRING, nullable_since=2)
    late: int = wire(INT64, since=3, default=-1)
    inners: list[Inner] = wire(ArrayOf(Inner))
    second: int = wire(INT32, since=2, tag=7, default=0)
    first: int = wire(INT32, since=2, tag=1, default=0)


def test_a_message_is_made_of_named_values_and_compared_by_them():
    assert Inner(number=1) == Inner(number=1, old="gone") != Inner(number=2)
    assert [field.name for field in fields(Inner)] == ["number", "old"]
    with pytest.raises(TypeError):
        Inner(1)
    with pytest.raises(TypeError):
        Inner()


def test_a_message_has_no_room_for_a_misspelt_field():
    with pytest.raises(AttributeError):
        Inner(number=1).numbr = 2


@pytest.mark.parametrize("placed", [{"since": 1}, {"until": 4}, {"tag": 0}], ids=str)
def test_a_field_that_some_version_lacks_must_have_a_default(placed):
    with pytest.raises(TypeError, match="needs a default"):
        wire(INT32, **placed)
    wire(INT32, default=0, **placed)


def test_a_layout_has_the_fields_of_its_version_in_order():
    shape = layout(Outer, 3)
    assert [one.name for one in shape.present] == ["name", "late", "inners"]
    assert [one.name for one in layout(Outer, 1).present] == ["name", "inners"]
    assert [one.name for one in layout(Outer, 1).absent] == ["late", "second", "first"]
    assert shape.absent == ()


def test_tagged_fields_come_in_the_order_of_their_tags():
    assert [(tag, item.name) for tag, item in layout(Outer, 2).tagged.items()] == [
        (1, "first"),
        (7, "second"),
    ]


def test_a_field_is_nullable_from_a_version_on():
    assert [layout(Outer, version).present[0].is_nullable for version in (1, 2, 3)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("wire_type", "classic", "flexible"),
    [
        pytest.param(INT64, 8, 8, id="number"),
        pytest.param(BOOL, 1, 1, id="bool"),
        pytest.param(UUID, 16, 16, id="uuid"),
        pytest.param(STRING, 2, 1, id="string"),
        pytest.param(BYTES, 4, 1, id="bytes"),
        pytest.param(RECORDS, 4, 1, id="records"),
        pytest.param(ArrayOf(INT64), 4, 1, id="array"),
        pytest.param(Inner, 4, 4, id="message: a number, a string, and tags where flexible"),
    ],
)
def test_the_least_size_of_a_value(wire_type, classic, flexible):
    assert size_min(wire_type, 1, flexible=False) == classic
    assert size_min(wire_type, 1, flexible=True) == flexible
