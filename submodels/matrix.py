"""The law as a matrix: every element, document kind and telling list entry against the three audiences of Art. 77(2).

Derived from the element table, the lattice and the states of data points; nothing is written down here.  A change of the law is a
change of a row there, and this table changes with every exit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from submodels.audience import class_of, may_see
from submodels.documents import KINDS, Kind
from submodels.paths import covers, parse
from submodels.points import DOCUMENTS, Point, listed, pending, points, tells
from submodels.table import Audience, Element, every_element, rows
from submodels.value import Tree, walk

AUDIENCES = ("public", "legitimate-interest", "authorities")
YES, NO, PENDING = "yes", "no", "pending"
HANDOVER = "handover/Documents/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that a passport can hold, and who may see it."""

    place: str  # path template, or `documents/<kind>`
    when: str = ""  # for entries of a list that a sibling tells apart
    points: tuple[int, ...] = ()
    annex: tuple[str, ...] = ()
    audience: Audience | None = None
    sees: Mapping[str, str]  # audience -> yes, no, pending
    decided: str  # where: a point of Annex XIII, a source without one, or our own decision


def matrix(category: str, day: date) -> tuple[Line, ...]:
    """A line for each, in the order of the element table, documents last; handover entries go with their document."""
    waiting = [points()[number] for number in pending(category, day)]
    entries = [_of_entries(point, place) for point in waiting for place in point.holds if point.entry.startswith(f"{place}/")]
    lines: list[Line] = []
    for element in every_element():
        here = [each for each in entries if element.template.startswith(f"{each.place}/")]
        entries = [each for each in entries if each not in here]
        lines += here if element.by_document else [*here, *_of_element(element, waiting)]
    return (*lines, *(_of_kind(kind, waiting) for kind in KINDS.values()))


def counts(lines: Sequence[Line]) -> dict[str, dict[str, int]]:
    """Audience -> how many lines it sees, does not see, and nobody sees yet."""
    return {who: {answer: sum(line.sees[who] == answer for line in lines) for answer in (YES, NO, PENDING)} for who in AUDIENCES}


def tally(parts: Mapping[str, Tree], kinds: Iterable[str], waiting: Iterable[int]) -> Counter[tuple[str, str]]:
    """How many values a passport, or a view of it, has at each line's place and condition; entries that wait count as one."""
    shut = [points()[number] for number in waiting if points()[number].entry]
    found: Counter[tuple[str, str]] = Counter((f"{DOCUMENTS}/{kind}", "") for kind in kinds)
    for part, tree in parts.items():
        entries: set[str] = set()
        for path, element, _ in walk(part, tree):
            if element is None or element.by_document:
                continue
            waits = next((point for point in shut if _within(point, part, path, tree)), None)
            if waits is None:
                found[element.template, _when(element, _at(tree, path[:-1]))] += 1
            elif (entry := f"{listed(waits)}{path[1]}") not in entries:
                entries.add(entry)
                found[f"{listed(waits)}*", _entry_words(waits)] += 1
    return found


def _within(point: Point, part: str, path: Sequence[str], tree: Tree) -> bool:
    """Whether a leaf stands in an entry that a pending point's words tell."""
    list_part, name = point.entry.split("/")[:2]
    if part != list_part or path[0] != name or len(path) < 3:
        return False
    entry = _at(tree, path[:2])
    said = entry.get(point.entry.rpartition("/")[2]) if isinstance(entry, dict) else None
    return type(said) is str and tells(point.words, said)


def _at(found: Tree, path: Sequence[str]) -> Tree:
    for step in path:
        found = found[int(step)] if isinstance(found, list) else found.get(step) if isinstance(found, dict) else None
    return found


def _when(element: Element, siblings: Tree) -> str:
    """The condition of the line that a leaf beside these siblings belongs to."""
    if element.public_when is None:
        return ""
    name, value = element.public_when
    holds = class_of(element, siblings if isinstance(siblings, dict) else {}) is Audience.PUBLIC
    return f"{'where' if holds else 'elsewhere than'} {name} = {str(value).lower()}"


def _entry_words(point: Point) -> str:
    return f"where {point.entry.rpartition('/')[2]} names {' or '.join(point.words)}"


def _of_element(element: Element, waiting: Sequence[Point]) -> Iterator[Line]:
    late = any(_holds(point, element) for point in waiting)
    line = Line(
        place=element.template,
        points=_points_at().get(element.template, ()),
        annex=element.annex,
        audience=element.audience,
        sees=_sees(element.audience, late),
        decided=_decided(element),
    )
    if element.public_when is None:
        yield line
        return
    name, value = element.public_when
    when = f"{name} = {str(value).lower()}"
    yield replace(line, when=f"where {when}", audience=Audience.PUBLIC, sees=_sees(Audience.PUBLIC, late))
    yield replace(line, when=f"elsewhere than {when}")


def _of_entries(point: Point, place: str) -> Line:
    return Line(
        place=place,
        when=_entry_words(point),
        points=(point.number,),
        annex=(point.clause.rpartition(" ")[2],),
        audience=Audience.PUBLIC,
        sees=_sees(Audience.PUBLIC, True),
        decided=f"Annex {point.clause}",
    )


def _of_kind(kind: Kind, waiting: Sequence[Point]) -> Line:
    place = f"{DOCUMENTS}/{kind.key}"
    late = any(place in point.holds for point in waiting)
    where = f"Annex XIII {', '.join(kind.annex)}" if kind.annex else "longlist, without a point of Annex XIII"
    return Line(
        place=place, points=_points_at().get(place, ()), annex=kind.annex, audience=kind.audience, sees=_sees(kind.audience, late),
        decided=where,
    )  # fmt: skip


def _sees(audience: Audience | None, late: bool) -> dict[str, str]:
    return {who: (PENDING if late else YES) if may_see(who, audience) else NO for who in AUDIENCES}


def _holds(point: Point, element: Element) -> bool:
    """Whether a pending point holds every leaf at a place; one told by its entries holds only those."""
    templates = (place for place in point.holds if not place.startswith(f"{DOCUMENTS}/") and not point.entry.startswith(f"{place}/"))
    return any(covers(parse(place), element.part, element.path) for place in templates)


@cache
def _points_at() -> Mapping[str, tuple[int, ...]]:
    """Place -> the data points it says; a document says what the element says that refers to its kind."""
    found: dict[str, set[int]] = {}
    refers = {element.template: f"{DOCUMENTS}/{element.refers}" for element in every_element() if element.refers}
    for point in points().values():
        for place in (*point.places, *(refers[place] for place in point.places if place in refers)):
            found.setdefault(place, set()).add(point.number)
    return {place: tuple(sorted(numbers)) for place, numbers in found.items()}


@cache
def _reasons() -> Mapping[str, str]:
    return {row["part"] + row["path"]: row["why"] for row in rows("decided.csv")}


def _decided(element: Element) -> str:
    if element.annex:
        return f"Annex XIII {', '.join(element.annex)}" + (" · own element" if element.own else "")
    why = _reasons().get(element.template)
    return f"our decision: {why}" if why else "longlist, without a point of Annex XIII"
