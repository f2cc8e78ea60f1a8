"""The twelve kinds of documents that a passport may carry, and which kind a document is of.

A kind decides who may have the document (`elements/documents.csv`, each kind with its Annex XIII point).  A document is
of the kind of the element that refers to its identifier, or of the kind stated at import; two kinds or none: withheld.
The VDI 2770 class does not tell (declaration and test reports share one), so it is never asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from submodels.table import Audience, Element, class_of_points, every_element, rows, split
from submodels.value import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of document: its key, what it is called, where Annex XIII has it, and its class."""

    key: str
    title: str
    annex: tuple[str, ...]
    audience: Audience


@cache
def _kinds() -> Mapping[str, Kind]:
    return {
        row["kind"]: Kind(
            key=row["kind"],
            title=row["title"],
            annex=split(row["annex"]),
            audience=class_of_points(split(row["annex"])) or Audience(row["access"]),
        )
        for row in rows("documents.csv")
    }


KINDS: Mapping[str, Kind] = _kinds()

MEDIA_TYPES: Mapping[str, str] = {
    "application/pdf": ".pdf",
    "application/json": ".json",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "model/step": ".step",
    "video/mp4": ".mp4",
}
"""Media types a document may have, with the suffix of a copy.  None that a browser would run (no HTML, no SVG)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassportDocument:
    """A file of a passport; `identifier` is the DocumentIdentifier that elements refer to."""

    id: str
    identifier: str
    kind: str = ""  # stated at import; "" unknown
    title: str
    filename: str
    media_type: str
    language: str = ""
    size: int
    sha256: str


def kinds_referred(parts: Mapping[str, Tree]) -> dict[str, frozenset[str]]:
    """DocumentIdentifier -> the kinds of the elements that refer to it."""
    found: dict[str, set[str]] = {}
    for element in _referring():
        for identifier in _texts_at(parts.get(element.part), element.path):
            found.setdefault(identifier, set()).add(element.refers)
    return {identifier: frozenset(kinds) for identifier, kinds in found.items()}


def kinds_of(identifiers: Iterable[str], *known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Every kind that these identifiers are known by (`kinds_referred`, `kinds_stated`); a document needs exactly one."""
    nothing: frozenset[str] = frozenset()
    return nothing.union(*(kinds.get(each, nothing) for each in identifiers for kinds in known))


def kinds_stated(documents: Iterable[PassportDocument]) -> dict[str, frozenset[str]]:
    """DocumentIdentifier -> the kinds stated for it at import."""
    found: dict[str, set[str]] = {}
    for document in documents:
        if document.kind:
            found.setdefault(document.identifier, set()).add(document.kind)
    return {identifier: frozenset(kinds) for identifier, kinds in found.items()}


def entry_identifiers(entry: Tree) -> tuple[str, ...]:
    """The DocumentIdentifiers of one handover entry."""
    return tuple(_texts_at(entry, ("DocumentIds", "*", "DocumentIdentifier")))


@cache
def _referring() -> tuple[Element, ...]:
    return tuple(each for each in every_element() if each.refers)


def _texts_at(value: Tree, path: tuple[str, ...]) -> Iterator[str]:
    if not path:
        if type(value) is str:
            yield value
    elif path[0] == "*":
        for item in value if isinstance(value, list) else ():
            yield from _texts_at(item, path[1:])
    elif isinstance(value, dict):
        yield from _texts_at(value.get(path[0]), path[1:])
