"""The Commission's 71 data points of a battery passport as data: what each is, where it stands, what is asked of it and when.

`elements/points.csv` says what a point is and where a passport has it; `elements/states.csv` what the guidance asks of it by
category from a day on.  A change of the law is a row there.  Knows nothing of findings: `submodels.judge` judges.

    where     groups joined by " & ", each of alternatives joined by " | ": one leaf of every group must have a value
    entry     of a list whose entries mean different things: the leaf that tells, and the `words` (whole ones) it tells by
    none      lists that say "there is none" when they are there and empty
    holds     what is withheld while the point is pending; where it is blank, what `where` names
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache

from submodels.documents import PassportDocument, kinds_of, kinds_referred, kinds_stated
from submodels.errors import Invalid
from submodels.table import PARTS, rows, split
from submodels.value import Tree, walk

DOCUMENTS = "documents"  # of a place: documents/<kind>
MODEL = "passport/model"  # the model's id, which no element carries

CATEGORIES: Mapping[str, str] = {"ev": "ev", "lmt": "lmt", "industrial": "industrial", "stationary": "industrial"}
"""Category of a passport -> the column it is judged by: the guidance has three, and stationary storage is industrial."""


class Status(StrEnum):
    """What is asked of a point."""

    MANDATORY = "mandatory"
    OPTIONAL = "optional"
    CONDITIONAL = "conditional"
    PENDING = "pending"  # must not be shown yet
    NOT_TO_BE_FILLED = "not-to-be-filled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One data point; templates are `part/path` with * for any list element, or `documents/<kind>`."""

    number: int
    name: str
    clause: str  # "XIII 1(h)"
    seen_by: str  # the class it has by the guidance
    behaviour: str  # static | dynamic
    level: str  # model | batch | item: from which level down it may be told
    homes: tuple[tuple[str, ...], ...]  # groups of alternatives; empty: no place
    entry: str = ""
    words: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    condition: str = ""  # of a conditional point, in our reading
    note: str = ""

    @property
    def section(self) -> str:
        """The clause without its letter: "XIII 1", "VI A", "Art. 77"."""
        return self.clause.partition("(")[0]

    @property
    def places(self) -> tuple[str, ...]:
        """Every template the point may stand at."""
        return tuple(dict.fromkeys(place for group in self.homes for place in group))


@cache
def points() -> Mapping[int, Point]:
    """Every data point by its number."""
    return {point.number: point for point in map(_point, rows("points.csv"))}


def _point(row: Mapping[str, str]) -> Point:
    homes = tuple(split(group) for group in row["where"].split(" & ") if group)
    return Point(
        number=int(row["point"]),
        name=row["name"],
        clause=row["clause"],
        seen_by=row["seen_by"],
        behaviour=row["behaviour"],
        level=row["level"],
        homes=homes,
        entry=row["entry"],
        words=split(row["words"]),
        none=split(row["none"]),
        holds=split(row["holds"]) or tuple(place for group in homes for place in group),
        condition=row["condition"],
        note=row["note"],
    )


# --- what is asked ---------------------------------------------------------------------------------


@cache
def _states() -> Mapping[int, Sequence[tuple[date, Mapping[str, str]]]]:
    found: dict[int, list[tuple[date, Mapping[str, str]]]] = {}
    for row in rows("states.csv"):
        found.setdefault(int(row["point"]), []).append((date.fromisoformat(row["from"]), row))
    return {number: sorted(states, key=lambda state: state[0]) for number, states in found.items()}


@cache
def applies_from() -> date:
    """The first day for which anything is asked: the passport's own (Art. 77(1))."""
    return min(states[0][0] for states in _states().values())


def column(category: str) -> str:
    """The category that a passport's is judged as; Invalid when the guidance knows none."""
    try:
        return CATEGORIES[category.lower()]
    except KeyError:
        raise Invalid("category", f"{category[:40]!r} is no category", f"one of {', '.join(CATEGORIES)}") from None


def status(number: int, category: str, day: date) -> Status:
    """What is asked of a point on a day; before its first day the same, for who publishes early is held to it too."""
    states = _states()[number]
    in_force = [row for since, row in states if since <= day] or [states[0][1]]
    return Status(in_force[-1][column(category)])


def changes(number: int, category: str, day: date) -> Iterator[tuple[date, Status]]:
    """What will be asked of a point later than a day and is not asked yet, as far as it is known."""
    now = status(number, category, day)
    for since, row in _states()[number]:
        if since > day and (later := Status(row[column(category)])) is not now:
            now = later
            yield since, later


@lru_cache(maxsize=64)
def pending(category: str, day: date) -> tuple[int, ...]:
    """The points of which nothing may be shown on this day; of an unknown category: those pending for any."""
    known = (category,) if category.lower() in CATEGORIES else tuple(CATEGORIES)
    return tuple(number for number in points() if any(status(number, each, day) is Status.PENDING for each in known))


# --- where a passport has it -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """What a passport has, arranged by place: template -> (path with list positions, value) of each leaf with a value."""

    leaves: Mapping[str, Sequence[tuple[str, Tree]]]
    empty: frozenset[str]  # lists that are there and empty
    kinds: frozenset[str]  # of its documents
    model: str


def held(parts: Mapping[str, Tree], documents: Sequence[PassportDocument] = (), model: str = "") -> Held:
    """Parts and documents arranged for looking points up in them."""
    leaves: dict[str, list[tuple[str, Tree]]] = {}
    for part in PARTS:
        for path, element, value in walk(part, parts.get(part)):
            if element is not None and says_something(value):
                leaves.setdefault(element.template, []).append(("/".join((part, *path)), value))
    known = (kinds_referred(parts), kinds_stated(documents))
    kinds = [kinds_of([each.identifier], *known) for each in documents]
    empty = {place for point in points().values() for place in point.none if _at(parts, place) == []}
    return Held(leaves, frozenset(empty), frozenset(next(iter(each)) for each in kinds if len(each) == 1), model)


def says_something(value: Tree) -> bool:
    """Whether a leaf has a value: no null, no blank text, no text in no language."""
    if isinstance(value, list):
        return any(isinstance(each, dict) and any(map(says_something, each.values())) for each in value)
    if isinstance(value, dict):
        return says_something(value.get("value"))
    return value is not None and (not isinstance(value, str) or bool(value.strip()))


def found(point: Point, has: Held) -> tuple[str, ...]:
    """Where the point stands: paths with list positions, `documents/<kind>`, or a list that says there is none."""
    return tuple(dict.fromkeys(path for group in point.homes for path in _of_group(point, group, has))) or _none(point, has)


def lacks(point: Point, has: Held) -> tuple[tuple[str, ...], ...]:
    """The groups of alternatives of which no leaf has a value; none when the point is there."""
    if _none(point, has):
        return ()
    return tuple(group for group in point.homes if not _of_group(point, group, has))


def _none(point: Point, has: Held) -> tuple[str, ...]:
    return tuple(place for place in point.none if place in has.empty)


def _of_group(point: Point, group: Sequence[str], has: Held) -> list[str]:
    return [path for place in group for path in _of_place(point, place, has)]


def _of_place(point: Point, place: str, has: Held) -> list[str]:
    if place == MODEL:
        return [MODEL] if has.model else []
    if place.startswith(f"{DOCUMENTS}/"):
        return [place] if place.partition("/")[2] in has.kinds else []
    paths = [path for path, _ in has.leaves.get(place, ())]
    chosen = entries(point, has)
    if chosen is None or not place.startswith(listed(point)):
        return paths
    return [path for path in paths if path[: len(listed(point))] + _position(path, point) in chosen]


def listed(point: Point) -> str:
    """Of a point told by its entries: the list they stand in, as `nameplate/Markings/`."""
    return point.entry.rpartition("*")[0]


def entries(point: Point, has: Held) -> frozenset[str] | None:
    """The list entries that mean this point (`nameplate/Markings/1`); None when entries do not matter to it."""
    if not point.entry:
        return None
    return frozenset(
        path[: len(listed(point))] + _position(path, point)
        for path, value in has.leaves.get(point.entry, ())
        if type(value) is str and tells(point.words, value)
    )


def _position(path: str, point: Point) -> str:
    return path[len(listed(point)) :].partition("/")[0]


def tells(words: Sequence[str], text: str) -> bool:
    """Whether a text holds one of these words as a whole, whatever its letters' case."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in words)


def _at(parts: Mapping[str, Tree], place: str) -> Tree:
    value: Tree = dict(parts)
    for name in place.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value
