"""Path templates: the closed language in which a grant names attributes (grants.md 2).

    materials/BatteryMaterials/*/BatteryMaterialMass     one leaf, in every element of the list
    circularity/**                                       everything below

A part key, then names at the newest patch; `*` stands for any list element, a final `**` for everything below.  There
is no filter, no pattern and no negation, and list positions never carry meaning: they shift under redaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from submodels.errors import Invalid
from submodels.table import PARTS

ANY = "*"
BELOW = "**"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_INDEX = re.compile(r"[0-9]{1,9}")
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Template:
    """A part and segments: names, "*", and "**" at the end only."""

    part: str
    segments: tuple[str, ...]

    @property
    def pointer(self) -> str:
        """As a grant holds it under its part: `/BatteryMaterials/*/BatteryMaterialMass`."""
        return "/" + "/".join(self.segments)

    def __str__(self) -> str:
        return self.part + self.pointer


@lru_cache(maxsize=4096)
def parse(text: str) -> Template:
    """Read a template; Invalid for anything the language does not have."""
    part, slash, rest = text.partition("/")
    if part not in PARTS:
        near = get_close_matches(part, PARTS, 1)
        raise Invalid(text[:200], f"{part[:80]!r} is no part of a battery passport", _did_you_mean(near) or "parts are " + ", ".join(PARTS))
    if not slash:
        raise Invalid(text[:200], "names a part but no path", f"write {part}/** for everything in it")
    segments = tuple(rest.split("/"))
    if len(segments) > _DEEPEST:
        raise Invalid(text[:200], f"has more than {_DEEPEST} segments")
    for place, segment in enumerate(segments):
        if segment == BELOW and place < len(segments) - 1:
            raise Invalid(text[:200], "has ** before the end", "** stands at the end only; * is any list element")
        if segment not in (ANY, BELOW) and not _NAME.fullmatch(segment):
            raise Invalid(text[:200], f"has a segment that is no name: {segment[:80]!r}", "a segment is a name, * or a final **")
    return Template(part, segments)


def _did_you_mean(near: Sequence[str]) -> str:
    return f"did you mean {near[0]}?" if near else ""


def of_pointer(part: str, pointer: str) -> Template:
    """The template of a pointer inside a part (`/BatteryMaterials/*`)."""
    if not pointer.startswith("/"):
        raise Invalid(pointer[:200], "is no pointer", "a pointer begins with /")
    return parse(part + pointer)


def segments_of(path: str | Sequence[str]) -> tuple[str, ...]:
    """The segments of a path given as pointer (`/a/0/b`, `a/0/b`) or as segments."""
    if isinstance(path, str):
        return tuple(path.removeprefix("/").split("/")) if path not in ("", "/") else ()
    return tuple(path)


def anywhere(path: Sequence[str]) -> tuple[str, ...]:
    """The path with "*" for every list position."""
    return tuple(ANY if _INDEX.fullmatch(segment) else segment for segment in path)


def covers(template: Template, part: str, path: Sequence[str]) -> bool:
    """Whether the template names this path; positions in the path are digits or "*"."""
    if part != template.part:
        return False
    wanted, given = template.segments, anywhere(path)
    if wanted[-1] == BELOW:
        return len(given) >= len(wanted) and given[: len(wanted) - 1] == wanted[:-1]
    return given == wanted


def contains(wider: Template, narrower: Template) -> bool:
    """Whether every path that `narrower` covers is covered by `wider`."""
    if narrower.segments[-1] != BELOW:
        return covers(wider, narrower.part, narrower.segments)
    prefix, below = wider.segments[:-1], narrower.segments[:-1]
    return wider.part == narrower.part and wider.segments[-1] == BELOW and below[: len(prefix)] == prefix
