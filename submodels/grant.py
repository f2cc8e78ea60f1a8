"""AttributeGrant: which attributes of a passport a contract grants, as immutable canonical bytes.

The grant is allow-list only: path templates per part, document kinds, and a ceiling.  A leaf is granted when a path
names it *and* its class is within the ceiling (grants.md 3).  The bytes are canonical JSON (RFC 8785); their digest is
part of the dataset's id.  Equal meaning in another spelling is another grant.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Any

import rfc8785

from submodels.documents import KINDS
from submodels.errors import Invalid
from submodels.paths import BELOW, anywhere, contains, covers, of_pointer, parse, segments_of
from submodels.table import CEILINGS, PARTS, SEES, Audience, Element, elements, every_element, tree
from submodels.value import read_json

_MOST_PATHS = 1000
_FIELDS = ("ceiling", "documents", "parts", "proofs", "signature", "version")


@dataclass(frozen=True)
class AttributeGrant:
    """Part key -> pointer templates, document kinds, ceiling.  Invalid when made of anything else."""

    parts: Mapping[str, tuple[str, ...]]
    documents: tuple[str, ...]
    ceiling: str
    proofs: tuple[str, ...] = ()
    signature: str = "none"
    version: int = 1

    def __post_init__(self) -> None:
        for part, pointers in self.parts.items():
            if not pointers or tuple(sorted(set(pointers))) != tuple(pointers):
                raise Invalid(f"parts/{part}", "paths are not sorted and unique, or there are none")
            for pointer in pointers:
                of_pointer(part, pointer)
        if sum(map(len, self.parts.values())) > _MOST_PATHS:
            raise Invalid("parts", f"more than {_MOST_PATHS} paths")
        unknown = [kind for kind in self.documents if kind not in KINDS]
        if unknown:
            raise Invalid("documents", f"no such kind of document: {unknown[0][:80]!r}", _near(unknown[0], KINDS))
        if tuple(sorted(set(self.documents))) != tuple(self.documents):
            raise Invalid("documents", "kinds are not sorted and unique")
        if self.ceiling not in CEILINGS:
            raise Invalid("ceiling", f"no such ceiling: {self.ceiling[:80]!r}", "ceilings are " + ", ".join(CEILINGS))
        if self.version != 1 or self.signature != "none" or self.proofs:
            raise Invalid("version", "a grant with proofs, a signature form or a version that is not known here", "update this node")
        object.__setattr__(self, "parts", {part: tuple(self.parts[part]) for part in sorted(self.parts)})

    def __hash__(self) -> int:
        return hash(self.digest)

    def canonical(self) -> str:
        """The canonical text (RFC 8785) that the digest is taken of."""
        return self._canonical

    @cached_property
    def _canonical(self) -> str:
        fields: dict[str, Any] = {
            "ceiling": self.ceiling,
            "documents": list(self.documents),
            "parts": {part: list(pointers) for part, pointers in self.parts.items()},
            "proofs": list(self.proofs),
            "signature": self.signature,
            "version": self.version,
        }
        return rfc8785.dumps(fields).decode()

    @cached_property
    def digest(self) -> str:
        """base64url(SHA-256) of the canonical text: 43 characters."""
        return base64.urlsafe_b64encode(hashlib.sha256(self._canonical.encode()).digest()).rstrip(b"=").decode()

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """The leaves that can leave under this grant, apart from handover entries (they travel with their document)."""
        return tuple(
            each
            for part, pointers in self.parts.items()
            for each in elements(part)
            if _within(each, self.ceiling) and any(covers(of_pointer(part, pointer), part, each.path) for pointer in pointers)
        )

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of documents that can leave: granted and within the ceiling."""
        return frozenset(kind for kind in self.documents if KINDS[kind].audience in SEES[self.ceiling])

    @cached_property
    def reach(self) -> frozenset[tuple[str, ...]]:
        """Every path, part first, at which something can leave: the granted leaves and the containers around them."""
        leaves = [*self.elements, *(elements("handover") if self.kinds else ())]
        return frozenset((leaf.part, *leaf.path[:depth]) for leaf in leaves for depth in range(len(leaf.path) + 1))

    def allows(self, part: str, path: str | Sequence[str]) -> bool:
        """Whether something can leave at this path, told from path and grant alone: data is never looked at.

        A leaf must be named and within the ceiling; a container must hold such a leaf.  Handover entries travel with
        their document, so documents decide there, not paths.  Names that the table does not have: no.
        """
        return (part, *anywhere(segments_of(path))) in self.reach

    def contains(self, other: AttributeGrant) -> bool:
        """Whether everything that `other` lets out, this grant lets out too."""
        return (
            SEES[other.ceiling] <= SEES[self.ceiling]
            and set(other.documents) <= set(self.documents)
            and all(
                any(contains(of_pointer(part, wider), of_pointer(part, pointer)) for wider in self.parts.get(part, ()))
                for part, pointers in other.parts.items()
                for pointer in pointers
            )
        )


def _within(element: Element, ceiling: str) -> bool:
    classes = {element.audience, Audience.PUBLIC if element.public_when else None} - {None}
    return not classes.isdisjoint(SEES[ceiling])


def _near(text: str, known: Iterable[str]) -> str:
    near = get_close_matches(text, list(known), 1, 0.5)
    return f"did you mean {near[0]}?" if near else ""


def parse_grant(data: str | bytes) -> AttributeGrant:
    """Read a grant's canonical bytes; anything that is not exactly canonical is Invalid."""
    try:
        return _parsed(data if isinstance(data, str) else bytes(data).decode())
    except UnicodeDecodeError:
        raise Invalid("grant", "not UTF-8") from None


@lru_cache(maxsize=256)
def _parsed(text: str) -> AttributeGrant:
    # Cached, so that every pull under an agreement uses one grant and what was compiled from it.
    found = read_json(text, where="grant", max_bytes=64 * 1024)
    if not isinstance(found, dict) or tuple(sorted(found)) != _FIELDS:
        raise Invalid("grant", "is not an attribute grant", "its fields are " + ", ".join(_FIELDS))
    parts, version = found["parts"], found["version"]
    if not isinstance(parts, dict) or not isinstance(found["ceiling"], str) or not isinstance(found["signature"], str) or version != "1":
        raise Invalid("grant", "has a field of the wrong type or an unknown version")
    grant = AttributeGrant(
        parts={part: _strings(pointers, f"parts/{part}") for part, pointers in parts.items()},
        documents=_strings(found["documents"], "documents"),
        ceiling=found["ceiling"],
        proofs=_strings(found["proofs"], "proofs"),
        signature=found["signature"],
    )
    if grant.canonical() != text:
        raise Invalid("grant", "is not in canonical form (RFC 8785)", "send the bytes whose digest is in the dataset's id")
    return grant


def _strings(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(type(item) is str for item in value):
        raise Invalid(where, "is not a list of texts")
    return tuple(value)


def make_grant(paths: Iterable[str], documents: Iterable[str], ceiling: str) -> AttributeGrant:
    """A grant of these templates (`materials/BatteryChemistry/**`), each checked against the element table."""
    parts: dict[str, set[str]] = {}
    for text in paths:
        template = parse(text)
        if not any(covers(template, template.part, each.path) for each in elements(template.part)):
            raise Invalid(text, "matches no element of a battery passport", _instead(text))
        parts.setdefault(template.part, set()).add(template.pointer)
    kinds = tuple(sorted(set(documents)))
    if not parts and not kinds:
        raise Invalid("grant", "grants nothing", "name at least one path or kind of document")
    return AttributeGrant(
        parts={part: tuple(sorted(parts[part])) for part in PARTS if part in parts},
        documents=kinds,
        ceiling=ceiling,
    )


def _instead(text: str) -> str:
    template = parse(text)
    newest = _newest(template.part, template.segments)
    if newest and newest != template.segments:
        return f"its newest name is {template.part}/{'/'.join(newest)}"
    if newest and template.segments[-1] != BELOW:
        return f"it is a container: write {text}/** for everything in it"
    return _near(text, [each.template for each in every_element()]) or f"{template.part} has " + ", ".join(tree(template.part).children)


def _newest(part: str, segments: Sequence[str]) -> tuple[str, ...] | None:
    """The segments with aliases replaced by names; None when they lead nowhere."""
    node, found = tree(part), []
    for segment in segments:
        name = node.aliases.get(segment, segment)
        found.append(name)
        below = node.step(name)
        if below is None:
            return tuple(found) if name == BELOW else None
        node = below
    return tuple(found)
