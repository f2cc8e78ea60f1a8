"""A grant laid over the element table, compiled once per grant, so that a pull only walks.

For every place of the table the plan says whether a leaf there may leave, or why not.  `view.select` walks a passport
along it; nothing else uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from submodels.audience import class_of, may_see
from submodels.documents import KINDS
from submodels.grant import AttributeGrant
from submodels.paths import covers, of_pointer
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
def plan_of(grant: AttributeGrant) -> Plan:
    """The plan of a grant; not to be changed."""
    entry = tree("handover").children["Documents"].item
    kinds = {key: why_not(kind.audience, grant.ceiling, named=key in grant.documents) for key, kind in KINDS.items()}
    return Plan(
        ceiling=grant.ceiling,
        roots={part: _place(part, tree(part), grant) for part in PARTS},
        kinds=kinds,
        entries={key: _entry(entry, KINDS[key].audience) for key, reason in kinds.items() if not reason and entry},
    )


def why_not(audience: Audience | None, ceiling: str, *, named: bool) -> str:
    """Why a leaf of this class stays under the ceiling; "" when it may leave.  The law's reason comes before ours."""
    if not may_see(ceiling, audience):
        return ONLY_FOR[audience]
    return "" if named else NOT_IN_VIEW


def beside(place: Place, siblings: Mapping[str, Tree], ceiling: str) -> tuple[str, Audience | None]:
    """Of a conditional place: why its leaf stays beside these siblings ("" when it may leave), and its class there."""
    audience = class_of(place.element, siblings) if place.element else None
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
