"""`replace` does what `dataclasses.replace` does, for every class of records and for classes it leaves to it."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector import evidence, ports, records
from connector.frozen import _slots, replace
from connector.protocol.machine import Position, Side

CLASSES = [
    each
    for module in (records, evidence, ports)
    for each in vars(module).values()
    if inspect.isclass(each) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_record_comes_out_as_the_standard_library_would_make_it(cls: type[Any]) -> None:
    names = [each.name for each in dataclasses.fields(cls)]
    before = cls(**{name: f"{name} before" for name in names})
    for name in names:
        after = replace(before, **{name: "changed"})
        assert after == dataclasses.replace(before, **{name: "changed"})
        assert type(after) is cls
        assert all(getattr(after, other) is getattr(before, other) for other in names if other != name)
    assert replace(before) == before
    assert replace(before) is not before


def test_what_came_out_is_as_frozen_and_as_hashable_as_what_went_in() -> None:
    after: Any = replace(Position(Side.CONSUMER), waiting=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.waiting = False
    assert hash(after) == hash(Position(Side.CONSUMER, waiting=True))


@pytest.mark.parametrize("cls", [records.Negotiation, records.Place, records.Step, Position])
def test_the_records_of_a_conversation_take_the_quick_way(cls: type[Any]) -> None:
    assert _slots(cls) is not None


@dataclass(frozen=True)
class Loose:
    a: int
    b: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    a: int
    b: int = 0

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("a is negative")


@dataclass(frozen=True, slots=True)
class Counted:
    a: int
    b: int = field(default=7, init=False)


def test_a_class_that_has_to_be_made_by_its_init_is_made_by_it() -> None:
    assert replace(Loose(1), b=2) == Loose(1, 2)
    with pytest.raises(ValueError, match="negative"):
        replace(Checked(1), a=-1)
    assert replace(Counted(1), a=2) == Counted(2)


def test_a_field_that_does_not_exist_is_refused() -> None:
    unknown: dict[str, Any] = {"nothing": 1}
    for value in (Position(Side.CONSUMER), Loose(1)):
        with pytest.raises(TypeError):
            replace(value, **unknown)
    with pytest.raises(TypeError):
        replace(Position, waiting=True)  # type: ignore[type-var]
