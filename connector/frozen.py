"""`replace` for frozen dataclasses with slots, three times faster than the standard one: a message changes records a hundred times.

The standard one runs `__init__`, which goes through `object.__setattr__` for each field of a frozen class.  This one copies the
slots and writes over those that change.  To a type checker it is `dataclasses.replace`, so that names and types are checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple

__all__ = ["replace"]


class _Slots(NamedTuple):
    """How to read and write all fields of a class at once."""

    read: Callable[[Any], tuple[Any, ...]]
    write: tuple[Callable[[Any, Any], None], ...]
    place: Mapping[str, int]


if TYPE_CHECKING:
    from dataclasses import replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """The value with these fields changed; TypeError for a field that it does not have."""
        slots = _slots(type(value))
        if slots is None or not slots.place.keys() >= changes.keys():
            return dataclasses.replace(value, **changes)  # it knows better, or says what is wrong
        values = list(slots.read(value))
        for name, new in changes.items():
            values[slots.place[name]] = new
        made = object.__new__(type(value))
        for write, held in zip(slots.write, values, strict=False):
            write(made, held)
        return made


@cache
def _slots(cls: type[Any]) -> _Slots | None:
    """None for a class that has to be made by its `__init__`."""
    if not dataclasses.is_dataclass(cls) or hasattr(cls, "__post_init__"):
        return None
    fields = dataclasses.fields(cls)
    names = [field.name for field in fields]
    members = [each for name in names if isinstance(each := getattr(cls, name, None), MemberDescriptorType)]
    if len(names) < 2 or len(members) < len(names) or not all(field.init for field in fields):
        return None
    return _Slots(attrgetter(*names), tuple(each.__set__ for each in members), {name: n for n, name in enumerate(names)})
