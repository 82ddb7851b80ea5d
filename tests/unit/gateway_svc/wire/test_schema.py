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
    old: str = wire(STRING, until=2, default="removed")


@message
class Outer:
    name: str | None = wire(STRING, nullable_since=2)
    late: int = wire(INT64, since=3, default=-1)
    inners: list[Inner] = wire(ArrayOf(Inner))
    second: int = wire(INT32, since=2, tag=7, default=0)
    first: int = wire(INT32, since=2, tag=1, default=0)


def test_message_takes_keywords_and_is_compared_by_value():
    assert Inner(number=1) == Inner(number=1, old="removed") != Inner(number=2)
    assert [field.name for field in fields(Inner)] == ["number", "old"]
    with pytest.raises(TypeError):
        Inner(1)
    with pytest.raises(TypeError):
        Inner()


def test_message_has_no_hash_and_differs_from_other_classes():
    @message
    class Other:
        number: int = wire(INT16)
        old: str = wire(STRING, until=2, default="removed")

    assert Inner(number=1) != Other(number=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Inner(number=1))


def test_repr_of_a_message_names_its_fields():
    outer = Outer(name=None, inners=[Inner(number=1)])
    inner = "Inner(number=1, old='removed')"
    assert repr(outer) == f"Outer(name=None, late=-1, inners=[{inner}], second=0, first=0)"


def test_message_rejects_an_unknown_attribute():
    with pytest.raises(AttributeError):
        Inner(number=1).numbr = 2


@pytest.mark.parametrize("limits", [{"since": 1}, {"until": 4}, {"tag": 0}], ids=str)
def test_field_missing_in_some_version_requires_a_default(limits):
    with pytest.raises(TypeError, match="needs a default"):
        wire(INT32, **limits)
    wire(INT32, default=0, **limits)


def test_layout_has_the_fields_of_its_version_in_order():
    shape = layout(Outer, 3)
    assert [field.name for field in shape.present] == ["name", "late", "inners"]
    assert [field.name for field in layout(Outer, 1).present] == ["name", "inners"]
    assert [field.name for field in layout(Outer, 1).absent] == ["late", "second", "first"]
    assert shape.absent == ()


def test_tagged_fields_are_ordered_by_tag():
    assert [(tag, item.name) for tag, item in layout(Outer, 2).tagged.items()] == [
        (1, "first"),
        (7, "second"),
    ]


def test_field_is_nullable_since_its_version():
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
        pytest.param(Inner, 4, 4, id="message"),
    ],
)
def test_size_min_returns_the_smallest_size_of_a_value(wire_type, classic, flexible):
    assert size_min(wire_type, 1, flexible=False) == classic
    assert size_min(wire_type, 1, flexible=True) == flexible
