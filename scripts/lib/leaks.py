"""The leak check: did anything cross the wire to somebody that no view of theirs, nor the public view, grants?

Unit: leaf.  What is forbidden to a receiver is worked out here from the whole passports and the grants, not from what
the node selected.  A text or number that nothing allowed contains is looked for by content, in every form it may travel
in (`scripts.lib.wire`); what has no value of its own (`true`, `DE`) is looked for by structure: no parsed body may hold
its path more often than what is allowed does (mostly: not at all).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from submodels.audience import PUBLIC_GRANT, class_of, may_see
from submodels.documents import KINDS, entry_identifiers
from submodels.grant import AttributeGrant
from submodels.points import Point, pending, points, tells
from submodels.table import Element
from submodels.value import Tree
from submodels.view import walk

from . import wire
from .recorder import Connection

SHORTEST_TEXT = 6  # characters a text leaf needs to be looked for by content
SHORTEST_NUMBER = 4  # digits a number needs
WINDOW = 48  # bytes of a document that are looked for at once
WINDOWS = 16  # places of a document that are looked for

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of one passport."""

    battery: str
    part: str
    path: tuple[str, ...]  # with list positions
    element: Element | None
    value: str
    texts: tuple[str, ...] = ()  # what of it could be read on a wire: each language of a text, the name of a file
    siblings: Mapping[str, Tree] = field(hash=False, compare=False, default_factory=dict)
    kind: str = ""  # of the document that a handover entry describes

    @property
    def template(self) -> str:
        return "/".join((self.part, *("*" if step.isdigit() else step for step in self.path)))


@dataclass(frozen=True, slots=True)
class Holding:
    """What a receiver may have: a grant over some batteries."""

    grant: AttributeGrant
    batteries: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """A forbidden value on the wire."""

    receiver: str
    battery: str
    what: str
    how: str  # content | structure | document


@dataclass(slots=True)
class Report:
    """What was looked for, in what, and what was found."""

    messages: int = 0
    bytes: int = 0
    by_content: int = 0
    by_structure: int = 0
    documents: int = 0
    found: list[Found] = field(default_factory=list)


@dataclass(slots=True)
class _Looked:
    """What has been looked for, over all receivers, each once."""

    content: set[tuple[str, str, str]] = field(default_factory=set)
    structure: set[tuple[str, str]] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)


def check(
    connections: Sequence[tuple[str, Connection]],
    passports: Mapping[str, Mapping[str, Tree]],
    documents: Mapping[str, tuple[str, bytes]],
    holdings: Mapping[str, Sequence[Holding]],
    kinds: Mapping[str, str],
) -> Report:
    """Look through `connections` (receiver, bytes).

    `passports`: battery -> part -> value, whole.  `documents`: id -> (kind, bytes).  `holdings`: receiver -> what it may have.
    `kinds`: document identifier -> kind of document.
    """
    report = Report(bytes=sum(len(each.sent) + len(each.answered) for _, each in connections))
    leaves = [leaf for battery, parts in passports.items() for leaf in _leaves(battery, parts, kinds)]
    looked = _Looked()
    for receiver in sorted({name for name, _ in connections}):
        streams = [each for name, each in connections if name == receiver]
        report.messages += sum(len(wire.http_bodies(bytes(raw))) for each in streams for raw in (each.sent, each.answered))
        heard = wire.read(streams)
        held = holdings.get(receiver, ())
        report.found += _leaves_found(receiver, leaves, held, heard, looked)
        report.found += _documents_found(receiver, documents, held, heard, looked)
    report.by_content, report.by_structure = len(looked.content), len(looked.structure)
    report.documents = len(looked.documents)
    return report


# --- leaves --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What a receiver may have, as far as the search must know it."""

    texts: str
    numbers: frozenset[Decimal]
    times: Mapping[tuple[str, str], int]  # (battery, template) -> how many leaves; battery '': the most that any has

    @classmethod
    def of(cls, leaves: Sequence[Leaf]) -> _Allowed:
        texts = {text for leaf in leaves for text in leaf.texts}
        times = Counter((leaf.battery, leaf.template) for leaf in leaves)
        for (_, template), number in list(times.items()):
            times["", template] = max(number, times["", template])
        return cls("\n".join(texts), frozenset(Decimal(text) for text in texts if _NUMBER.fullmatch(text)), times)

    def tells(self, text: str) -> bool:
        """Whether finding this text would prove a leak: it is distinctive, and nothing allowed contains it."""
        if _NUMBER.fullmatch(text):
            return sum(char.isdigit() for char in text) >= SHORTEST_NUMBER and Decimal(text) not in self.numbers
        return len(text) >= SHORTEST_TEXT and text not in self.texts


def _leaves_found(receiver: str, leaves: Sequence[Leaf], held: Sequence[Holding], heard: wire.Wire, looked: _Looked) -> Iterator[Found]:
    mine = [leaf for leaf in leaves if _may_have(leaf, held)]
    had, allowed = set(mine), _Allowed.of(mine)
    for leaf in leaves:
        if leaf in had:
            continue
        telling = [text for text in leaf.texts if allowed.tells(text)]
        for text in telling:
            looked.content.add((leaf.battery, leaf.template, text))
            if heard.counts(text) if _NUMBER.fullmatch(text) else heard.says(text):
                yield Found(receiver, leaf.battery, f"{leaf.template} = {text}", "content")
        if not telling:
            looked.structure.add((leaf.battery, leaf.template))
            if any(_too_often(body, leaf, allowed) for body in heard.bodies):
                yield Found(receiver, leaf.battery, leaf.template, "structure")


def _too_often(body: wire.Body, leaf: Leaf, allowed: _Allowed) -> bool:
    """Whether a body that may be of the leaf's battery holds its path more often than is allowed."""
    may = allowed.times.get((body.battery, leaf.template), 0)
    return body.battery in ("", leaf.battery) and times(body.value, leaf.part, leaf.path) > may


def times(body: Any, part: str, path: Sequence[str]) -> int:
    """How often an answer holds this path: it may be all parts, the parts inside an envelope, or the part itself."""
    if not isinstance(body, dict):
        return 0
    parts = body.get("parts")
    roots = [body.get(part), parts.get(part) if isinstance(parts, dict) else None, body]
    return max(_leads(root, path) for root in roots)


def _leads(here: Any, path: Sequence[str]) -> int:
    if not path:
        return 1
    step, rest = path[0], path[1:]
    if isinstance(here, list):
        return sum(_leads(inner, rest) for inner in here) if step.isdigit() else 0
    return _leads(here[step], rest) if isinstance(here, dict) and step in here else 0


# --- documents -----------------------------------------------------------------------------------


def _documents_found(
    receiver: str, documents: Mapping[str, tuple[str, bytes]], held: Sequence[Holding], heard: wire.Wire, looked: _Looked
) -> Iterator[Found]:
    for name, (kind, content) in documents.items():
        grants = [PUBLIC_GRANT, *(holding.grant for holding in held)]
        if any(kind in grant.documents and _kind_ok(grant, kind) for grant in grants):
            continue
        looked.documents.add(name)
        what = f"document {name} ({kind or 'no kind'})"
        if any(heard.holds(window) for window in fingerprints(content, [other for key, (_, other) in documents.items() if key != name])):
            yield Found(receiver, "", what, "document")
        elif heard.says(hashlib.sha256(content).hexdigest()):
            yield Found(receiver, "", f"SHA-256 of {what}", "document")


def fingerprints(content: bytes, others: Sequence[bytes]) -> list[bytes]:
    """Pieces from all over a document that no other one has; all of it when there are none."""
    windows = [content[start : start + WINDOW] for start in range(0, max(1, len(content) - WINDOW + 1), WINDOW)]
    own = [window for window in windows if not any(window in other for other in others)]
    return own[:: max(1, len(own) // WINDOWS)] or [content]


# --- what is allowed, said again without the code that selects -----------------------------------


def _may_have(leaf: Leaf, holdings: Iterable[Holding]) -> bool:
    grants = [PUBLIC_GRANT, *(holding.grant for holding in holdings if leaf.battery in holding.batteries)]
    return any(_granted(grant, leaf) for grant in grants)


def _granted(grant: AttributeGrant, leaf: Leaf) -> bool:
    if leaf.element is None or _late(leaf):
        return False
    if leaf.part == "handover":  # an entry travels with its document
        return bool(leaf.kind) and leaf.kind in grant.documents and _kind_ok(grant, leaf.kind)
    return grant.allows(leaf.part, leaf.element.path) and may_see(grant.ceiling, class_of(leaf.element, leaf.siblings))


def _kind_ok(grant: AttributeGrant, kind: str) -> bool:
    return kind in KINDS and kind not in late_kinds() and may_see(grant.ceiling, KINDS[kind].audience)


def late_kinds() -> frozenset[str]:
    """Kinds of documents that nobody may see yet, whatever a grant says: those of pending data points."""
    return frozenset(place.removeprefix("documents/") for point in _late_points() for place in point.holds)


def _late(leaf: Leaf) -> bool:
    """Whether a leaf is of a data point that nobody may see yet."""
    for point in _late_points():
        for place in point.holds:
            part, _, path = place.partition("/")
            inside = part == leaf.part and (path == "**" or leaf.template == place or leaf.template.startswith(f"{place}/"))
            if inside and point.entry.startswith(f"{place}/"):
                inside = tells(point.words, str(leaf.siblings.get(point.entry.rpartition("/")[2])))
            if inside:
                return True
    return False


def _late_points() -> list[Point]:
    return [points()[number] for number in pending("", datetime.now(UTC).date())]


def granted_leaves(parts: Mapping[str, Tree], grant: AttributeGrant | None, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(path template, value) of the leaves of some parts that a grant gives, or of all of them without one."""
    for leaf in _leaves("", parts, kinds):
        if grant is None or _granted(grant, leaf):
            yield leaf.template, leaf.value


def _leaves(battery: str, parts: Mapping[str, Tree], kinds: Mapping[str, str]) -> Iterator[Leaf]:
    for part, tree in parts.items():
        for path, element, value in walk(part, tree):
            parent = _at(tree, path[:-1])
            yield Leaf(
                battery, part, tuple(str(step) for step in path), element, _text(value), tuple(_texts(value)),
                parent if isinstance(parent, dict) else {}, _kind_of(tree, part, path, kinds),
            )  # fmt: skip


def _text(value: Tree) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(value: Tree) -> Iterator[str]:
    """What could be read of a leaf: a text's languages and a file's address, not the names of the members around them."""
    if isinstance(value, dict):
        yield from (text for key, inner in value.items() if key != "contentType" for text in _texts(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _texts(inner))
    elif value is not None:
        yield _text(value)


def _kind_of(tree: Tree, part: str, path: Sequence[Any], kinds: Mapping[str, str]) -> str:
    if part != "handover" or len(path) < 2:
        return ""
    named = {kinds.get(identifier, "") for identifier in entry_identifiers(_at(tree, path[:2]))}
    return named.pop() if len(named) == 1 else ""


def _at(tree: Tree, path: Sequence[Any]) -> Any:
    here: Any = tree
    for step in path:
        try:
            here = here[int(step)] if isinstance(here, list) else here[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return here
