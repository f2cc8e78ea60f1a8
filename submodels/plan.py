"""A grant laid over the element table, compiled once per grant and set of pending points, so that a pull only walks.

For every place of the table the plan says whether a leaf there may leave, or why not: not in the view, not for this
ceiling, or of a data point that must not be shown yet.  `view.select` walks a passport along it; nothing else uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from submodels.audience import class_of, may_see
from submodels.documents import KINDS
from submodels.grant import AttributeGrant
from submodels.paths import Template, covers, of_pointer, parse
from submodels.points import DOCUMENTS, Point, points, tells
from submodels.table import PARTS, Audience, Element, Node, tree
from submodels.value import Tree

NOT_IN_VIEW = "not in this view"
NO_CLASS = "no class"
ONLY_FOR: Mapping[Audience | None, str] = {
    None: NO_CLASS,
    Audience.AUTHORITIES: "authorities only, Art. 77(2)(b)",
    Audience.LEGITIMATE: "legitimate interest only",
    Audience.BOTH: "legitimate interest and authorities only",
}


@dataclass(frozen=True, slots=True)
class Shut:
    """List entries that stay because of what one of their leaves says: those of a pending point."""

    leaf: tuple[str, ...]  # below the entry
    words: tuple[str, ...]
    annex: tuple[str, ...]
    reason: str

    def shuts(self, entry: Tree) -> bool:
        """Whether an entry is one of them."""
        for name in self.leaf:
            entry = entry.get(name) if isinstance(entry, dict) else None
        return type(entry) is str and tells(self.words, entry)


@dataclass(slots=True, eq=False)
class Place:
    """A node of the element table and what the grant says about a leaf there; `reason` is empty where it may leave."""

    part: str
    element: Element | None  # None at the root of a part
    children: dict[str, Place]
    item: Place | None
    leaf: bool = False
    kind: str = ""  # the leaf's model type, class and whether a sibling decides the class, beside the walker's hand
    audience: Audience | None = None
    conditional: bool = False
    named: bool = False  # a path of the grant names it
    reason: str = ""
    pending: str = ""  # why nothing here may be shown yet; it stands before every other reason
    shut: tuple[Shut, ...] = ()  # of a list's child: the entries that may not be shown yet

    def pointer(self, *below: str) -> str:
        """The pointer template of this place, or of a name below it."""
        return "/" + "/".join((*(self.element.path if self.element else ()), *below))


@dataclass(slots=True, eq=False)
class Plan:
    """Part key -> its root; kind of document -> why it stays ("" where it may leave), and an entry of that kind."""

    ceiling: str
    roots: dict[str, Place]
    kinds: dict[str, str]
    entries: dict[str, Place]


@lru_cache(maxsize=512)
def plan_of(grant: AttributeGrant, pending: tuple[int, ...] = ()) -> Plan:
    """The plan of a grant while these data points are pending; not to be changed."""
    entry = tree("handover").children["Documents"].item
    waiting = [points()[number] for number in pending]
    late = {place.partition("/")[2]: _why_late(point) for point in waiting for place in point.holds if place.startswith(f"{DOCUMENTS}/")}
    kinds = {key: late.get(key) or why_not(kind.audience, grant.ceiling, named=key in grant.documents) for key, kind in KINDS.items()}
    roots = {part: _place(part, tree(part), grant) for part in PARTS}
    for point in waiting:
        for place in point.holds:
            if not place.startswith(f"{DOCUMENTS}/"):
                _hold(roots, point, parse(place))
    return Plan(
        ceiling=grant.ceiling,
        roots=roots,
        kinds=kinds,
        entries={key: _entry(entry, KINDS[key].audience) for key, reason in kinds.items() if not reason and entry},
    )


def _why_late(point: Point) -> str:
    return f"pending, not to be shown yet (data point {point.number})"


def _hold(roots: Mapping[str, Place], point: Point, template: Template) -> None:
    """Shut what a pending point holds: every leaf its template covers, or the entries of a list that its words tell."""
    annex = (point.clause.rpartition(" ")[2],)
    if point.entry.startswith(f"{template}/"):
        found = _at(roots[template.part], template.segments)
        if found is not None:
            leaf = tuple(point.entry.removeprefix(f"{template}/").split("/"))
            found.shut = (*found.shut, Shut(leaf, point.words, annex, _why_late(point)))
        return
    for place in _leaves(roots[template.part]):
        if place.element is not None and covers(template, place.part, place.element.path):
            place.pending = place.reason = _why_late(point)


def _at(place: Place | None, segments: Sequence[str]) -> Place | None:
    for segment in segments:
        place = place and (place.item if segment == "*" else place.children.get(segment))
    return place


def _leaves(place: Place) -> Iterator[Place]:
    if place.leaf:
        yield place
    for below in (*place.children.values(), *([place.item] if place.item else [])):
        yield from _leaves(below)


def why_not(audience: Audience | None, ceiling: str, *, named: bool) -> str:
    """Why a leaf of this class stays under the ceiling; "" when it may leave.  The law's reason comes before ours."""
    if not may_see(ceiling, audience):
        return ONLY_FOR[audience]
    return "" if named else NOT_IN_VIEW


def beside(place: Place, siblings: Mapping[str, Tree], ceiling: str) -> tuple[str, Audience | None]:
    """Of a conditional place: why its leaf stays beside these siblings ("" when it may leave), and its class there."""
    audience = class_of(place.element, siblings) if place.element else None
    if place.pending:
        return place.pending, audience
    return why_not(audience, ceiling, named=place.named), audience


def _place(part: str, node: Node, grant: AttributeGrant) -> Place:
    children = {key: _place(part, below, grant) for key, below in node.children.items()}
    place = Place(part, node.element, children, _place(part, node.item, grant) if node.item else None)
    element = node.element
    if element is not None and not element.container:
        pointers = grant.parts.get(part, ())
        place.leaf, place.kind, place.audience = True, element.kind, element.audience
        place.conditional = element.public_when is not None
        place.named = any(covers(of_pointer(part, pointer), part, element.path) for pointer in pointers)
        place.reason = why_not(element.audience, grant.ceiling, named=place.named)
    return place


def _entry(node: Node, audience: Audience) -> Place:
    """A handover entry whose document may leave: every leaf of the table, with the class of the document."""
    children = {key: _entry(below, audience) for key, below in node.children.items()}
    place = Place("handover", node.element, children, _entry(node.item, audience) if node.item else None)
    if node.element is not None and not node.element.container:
        place.leaf, place.kind, place.audience, place.named = True, node.element.kind, audience, True
    return place
