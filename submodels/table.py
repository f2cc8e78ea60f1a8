"""The element table of a battery passport: IDTA 02035-1..7 and 02099-1 as data, one row per leaf and container.

The rows are `elements/<part>.csv` (names at the newest patch of the templates; older spellings and SAMM names beside
them as aliases for reading values), `elements/own.csv` (what the law asks of an item and no template has a place for),
`elements/submodels.csv` and `elements/decided.csv` (classes that no source gives).  Everything that walks a passport
walks the `Node` tree built here.  Knows nothing of grants or values.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files

PARTS = ("nameplate", "handover", "carbon", "technical", "condition", "materials", "circularity", "metadata")

COLLECTION = "SubmodelElementCollection"
LIST = "SubmodelElementList"


class Audience(StrEnum):
    """The class of a leaf: for whom Annex XIII (Regulation (EU) 2023/1542) opens it."""

    PUBLIC = "public"  # point 1
    BOTH = "legitimate-interest+authorities"  # point 2: Art. 77(2)(a) and (b)
    LEGITIMATE = "legitimate-interest"  # point 4, and what is legitimate interest without a point: never for authorities
    AUTHORITIES = "authorities"  # point 3: never for legitimate interest


CEILINGS = ("public", "legitimate-interest", "authorities", "contract")

SEES: Mapping[str, frozenset[Audience]] = {
    "public": frozenset({Audience.PUBLIC}),
    "legitimate-interest": frozenset({Audience.PUBLIC, Audience.BOTH, Audience.LEGITIMATE}),
    "authorities": frozenset({Audience.PUBLIC, Audience.BOTH, Audience.AUTHORITIES}),
    "contract": frozenset(Audience),
}
"""The lattice of Art. 77(2): which classes are within a ceiling.  One line to change when the law is read otherwise."""

_CLASS_OF_POINT = {"1": Audience.PUBLIC, "2": Audience.BOTH, "3": Audience.AUTHORITIES, "4": Audience.LEGITIMATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One leaf or container of a part; `path` holds names and "*" for any list element."""

    part: str
    path: tuple[str, ...]
    kind: str  # AAS model type
    value_type: str = ""  # xs:...; of a list: the type of its Property children
    unit: str = ""
    cardinality: str = ""  # One, ZeroToOne, OneToMany, ZeroToMany; "" where the template does not say
    semantic_id: str = ""
    samm_name: str = ""  # the SAMM schema's name of the last segment; the same name when SAMM does not differ
    annex: tuple[str, ...] = ()  # points of Annex XIII: "2(a)"
    audience: Audience | None = None  # None: no class (withheld), or by document (`by_document`)
    by_document: bool = False  # the leaf takes the class of the document it describes
    level: str = ""  # model | individual
    behaviour: str = ""  # static | dynamic
    public_when: tuple[str, object] | None = None  # public when this sibling has this value
    refers: str = ""  # the kind of the document whose identifier the leaf holds
    item_kind: str = ""  # of a list: model type of its children
    ordered: bool = True  # of a list: whether order carries meaning
    aliases: tuple[str, ...] = ()  # other names of the last segment, for reading values only
    own: bool = False  # no template has it: an element of ours for a data point without a place (`elements/own.csv`)

    @property
    def container(self) -> bool:
        return self.kind in (COLLECTION, LIST)

    @property
    def pointer(self) -> str:
        """The path inside the part: `/BatteryMaterials/*/BatteryMaterialName`."""
        return "/" + "/".join(self.path)

    @property
    def template(self) -> str:
        """The path with its part, as a grant's author writes it: `materials/BatteryMaterials/*/BatteryMaterialName`."""
        return self.part + self.pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodel:
    """One part: how it is called and recognised in an AAS environment."""

    part: str
    title: str
    id_short: str
    semantic_id: str
    supplemental: tuple[str, ...]  # written beside the semantic id
    template_id: str
    known: tuple[str, ...]  # further ids it is recognised by


@dataclass(slots=True)
class Node:
    """A place in a part's tree: its element (None at the root), children by name, the child of a list, names by alias."""

    element: Element | None = None
    children: dict[str, Node] = field(default_factory=dict)
    item: Node | None = None
    aliases: dict[str, str] = field(default_factory=dict)

    def step(self, segment: str) -> Node | None:
        """The node one segment down; digits and "*" step into a list.  Aliases are not names."""
        return self.item if segment == "*" or (segment.isascii() and segment.isdecimal()) else self.children.get(segment)


@cache
def _decided() -> dict[tuple[str, str], str]:
    return {(row["part"], row["path"]): row["class"] for row in rows("decided.csv")}


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one data file of `elements/`."""
    text = (files("submodels") / "elements" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def split(text: str) -> tuple[str, ...]:
    """The values of a cell that holds several: "1(q) | 1(s)"."""
    return tuple(value.strip() for value in text.split("|") if value.strip())


def class_of_points(annex: Sequence[str]) -> Audience | None:
    """The class of Annex XIII points; None for none, and for points of different classes (withheld until decided)."""
    classes = {_CLASS_OF_POINT.get(point[:1]) for point in annex}
    return classes.pop() if len(classes) == 1 else None


def _element(part: str, row: Mapping[str, str]) -> Element:
    path = tuple(row["path"][1:].split("/"))
    annex = split(row["annex"])
    decided = _decided().get((part, row["path"]), "")
    named = row["access"] or (decided if decided != "document" else "")
    sibling, _, value = row.get("public_when", "").partition("=")
    return Element(
        part=part,
        path=path,
        kind=row["kind"],
        value_type=row["value_type"],
        unit=row["unit"],
        cardinality=row["cardinality"],
        semantic_id=row["semantic_id"],
        samm_name=row.get("samm") or path[-1],
        annex=annex,
        audience=class_of_points(annex) if annex else Audience(named) if named else None,
        by_document=decided == "document",
        level=row["level"],
        behaviour=row["behaviour"],
        public_when=(sibling, {"true": True, "false": False}.get(value, value)) if sibling else None,
        refers=row.get("refers", ""),
        item_kind=row.get("of", ""),
        ordered=row.get("ordered") != "no",
        aliases=tuple(dict.fromkeys((*split(row.get("aliases", "")), *split(row.get("samm", ""))))),
        own="why" in row,
    )


@cache
def _rows_of(part: str) -> tuple[Element, ...]:
    own = (row for row in rows("own.csv") if row["part"] == part)
    return tuple(_element(part, row) for row in (*rows(f"{part}.csv"), *own))


@cache
def elements(part: str) -> tuple[Element, ...]:
    """The leaves of a part, in the template's order."""
    return tuple(each for each in _rows_of(part) if not each.container)


@cache
def containers(part: str) -> tuple[Element, ...]:
    """The collections and lists of a part, in the template's order."""
    return tuple(each for each in _rows_of(part) if each.container)


def every_element() -> Iterator[Element]:
    """Every leaf of every part."""
    return (each for part in PARTS for each in elements(part))


@cache
def tree(part: str) -> Node:
    """The part's elements as a tree; not to be changed."""
    root = Node()
    for each in _rows_of(part):
        node = root
        for segment in each.path[:-1]:
            below = node.step(segment)
            if below is None:
                raise LookupError(f"{each.template} stands before its container")
            node = below
        last = each.path[-1]
        if last == "*":
            node.item = Node(each)
        else:
            node.children[last] = Node(each)
            node.aliases.update(dict.fromkeys(each.aliases, last))
    return root


def find(part: str, path: Sequence[str]) -> Node | None:
    """The node at a path (digits and "*" stand for any list element); None when the table has no such place."""
    node: Node | None = tree(part) if part in PARTS else None
    for segment in path:
        if node is None:
            return None
        node = node.step(segment)
    return node


def element(part: str, path: Sequence[str]) -> Element | None:
    """The leaf or container at a path, by its newest name only; None when there is none."""
    node = find(part, path)
    return node.element if node else None


@cache
def submodels() -> Mapping[str, Submodel]:
    """Part key -> its submodel."""
    return {
        row["part"]: Submodel(
            part=row["part"],
            title=row["title"],
            id_short=row["id_short"],
            semantic_id=row["semantic_id"],
            supplemental=split(row["supplemental"]),
            template_id=row["template_id"],
            known=split(row["known"]),
        )
        for row in rows("submodels.csv")
    }


def submodel(part: str) -> Submodel:
    """How a part is called in AAS: semantic id, idShort, supplemental ids."""
    return submodels()[part]


def part_of(*semantic_ids: str) -> str | None:
    """The part that any of these semantic ids names, whatever its patch version; None when none does."""
    known = _parts_by_id()
    return next((known[_versionless(each)] for each in semantic_ids if _versionless(each) in known), None)


@cache
def _parts_by_id() -> dict[str, str]:
    return {_versionless(each): one.part for one in submodels().values() for each in (one.semantic_id, *one.supplemental, *one.known)}


def _versionless(semantic_id: str) -> str:
    # The templates contradict themselves in the patch (1.0.0 at the root, 1.0.1 inside, 1.0.2 in the newest).
    return re.sub(r"(?<=:)(\d+\.\d+)\.\d+(?=#|$)", r"\1", semantic_id.strip())
