"""The leak check: did anything cross the wire to somebody that no view of theirs, nor the public view, grants?

Unit: leaf.  What is forbidden to a receiver is worked out here from the whole passports and the grants, not from what
the node selected.  Text and numbers that occur nowhere else are looked for by content (raw, gunzipped, un-chunked,
base64url, percent-decoded, JSON-decoded); what has no value of its own (`true`, `DE`) is looked for by structure: its
path must be absent from every parsed body.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from submodels.audience import PUBLIC_GRANT, class_of, may_see
from submodels.documents import KINDS, entry_identifiers
from submodels.grant import AttributeGrant
from submodels.table import Element
from submodels.value import Tree
from submodels.view import walk

from .recorder import Connection

SHORTEST_TEXT = 6  # characters a text leaf needs to be looked for by content
SHORTEST_NUMBER = 4  # digits a number needs
WINDOW = 48  # bytes of a document that are looked for


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of one passport."""

    battery: str
    part: str
    path: tuple[str, ...]  # with list positions
    element: Element | None
    value: str
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
    looked: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    for receiver in sorted({name for name, _ in connections}):
        streams = [each for name, each in connections if name == receiver]
        haystack, bodies = _contents(streams)
        report.messages += len(bodies)
        allowed = [leaf for leaf in leaves if _may_have(leaf, holdings.get(receiver, ()))]
        had = set(allowed)
        forbidden = [leaf for leaf in leaves if leaf not in had]
        _look_for_leaves(report, receiver, forbidden, allowed, (haystack, bodies), looked)
        _look_for_documents(report, receiver, documents, holdings.get(receiver, ()), (haystack, looked[2]))
    report.by_content, report.by_structure, report.documents = (len(each) for each in looked)
    return report


def _look_for_leaves(
    report: Report,
    receiver: str,
    forbidden: Sequence[Leaf],
    allowed: Sequence[Leaf],
    wire: tuple[bytes, list[Any]],
    looked: tuple[set[str], set[str], set[str]],
) -> None:
    known = "\n".join(leaf.value for leaf in allowed)
    haystack, bodies = wire
    templates = {leaf.template for leaf in allowed}
    for leaf in forbidden:
        if _distinctive(leaf.value) and leaf.value not in known:
            looked[0].add(f"{leaf.battery}/{leaf.template}/{leaf.value}")
            if leaf.value.encode() in haystack and _pattern(leaf.value).search(haystack):
                report.found.append(Found(receiver, leaf.battery, f"{leaf.template} = {leaf.value}", "content"))
        else:
            looked[1].add(f"{leaf.battery}/{leaf.template}")
            if leaf.template not in templates and any(_has(body, leaf.part, leaf.path) for body in bodies):
                report.found.append(Found(receiver, leaf.battery, leaf.template, "structure"))


def _look_for_documents(
    report: Report,
    receiver: str,
    documents: Mapping[str, tuple[str, bytes]],
    holdings: Sequence[Holding],
    wire: tuple[bytes, set[str]],
) -> None:
    haystack, looked = wire
    for name, (kind, content) in documents.items():
        if kind in PUBLIC_GRANT.documents or any(kind in holding.grant.documents and _kind_ok(holding.grant, kind) for holding in holdings):
            continue
        looked.add(name)
        if _fingerprint(content, [other for key, (_, other) in documents.items() if key != name]) in haystack:
            report.found.append(Found(receiver, "", f"document {name} ({kind or 'no kind'})", "document"))


def _fingerprint(content: bytes, others: Sequence[bytes]) -> bytes:
    """Bytes that this document has and no other; all of it when there are none."""
    for start in range(0, max(1, len(content) - WINDOW), WINDOW):
        window = content[start : start + WINDOW]
        if not any(window in other for other in others):
            return window
    return content


# --- what is allowed, said again without the code that selects -----------------------------------


def _may_have(leaf: Leaf, holdings: Iterable[Holding]) -> bool:
    grants = [PUBLIC_GRANT, *(holding.grant for holding in holdings if leaf.battery in holding.batteries)]
    return any(_granted(grant, leaf) for grant in grants)


def _granted(grant: AttributeGrant, leaf: Leaf) -> bool:
    if leaf.element is None:
        return False
    if leaf.part == "handover":  # an entry travels with its document
        return bool(leaf.kind) and leaf.kind in grant.documents and _kind_ok(grant, leaf.kind)
    return grant.allows(leaf.part, leaf.element.path) and may_see(grant.ceiling, class_of(leaf.element, leaf.siblings))


def _kind_ok(grant: AttributeGrant, kind: str) -> bool:
    return kind in KINDS and may_see(grant.ceiling, KINDS[kind].audience)


def granted_leaves(
    parts: Mapping[str, Tree], grant: AttributeGrant | None, kinds: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """(path template, value) of the leaves of some parts that a grant gives, or of all of them without one."""
    for leaf in _leaves("", parts, kinds):
        if grant is None or _granted(grant, leaf):
            yield leaf.template, leaf.value


def _leaves(battery: str, parts: Mapping[str, Tree], kinds: Mapping[str, str]) -> Iterator[Leaf]:
    for part, tree in parts.items():
        for path, element, value in walk(part, tree):
            text = str(value) if not isinstance(value, bool) else str(value).lower()
            parent = _at(tree, path[:-1])
            siblings = parent if isinstance(parent, dict) else {}
            yield Leaf(battery, part, tuple(str(step) for step in path), element, text, siblings, _kind_of(tree, part, path, kinds))


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


# --- what crossed the wire -----------------------------------------------------------------------


def _contents(streams: Iterable[Connection]) -> tuple[bytes, list[Any]]:
    """Every form the bytes may be read in, one after the other, and the JSON values among the bodies."""
    haystacks: list[bytes] = []
    bodies: list[Any] = []
    for stream in streams:
        for raw in (bytes(stream.sent), bytes(stream.answered)):
            plain = [raw, *http_bodies(raw)]
            for body in plain[1:]:
                try:
                    parsed = json.loads(body)
                except ValueError:
                    continue
                bodies.append(parsed)
                plain.append("\n".join(_strings(parsed)).encode())
            haystacks += plain
            haystacks += [form for each in plain for form in _decoded(each)]
    return b"\0".join(haystacks), bodies


def http_bodies(raw: bytes) -> list[bytes]:
    """The bodies of the HTTP messages in one direction of a connection, un-chunked and inflated."""
    bodies = []
    while (end := raw.find(b"\r\n\r\n")) >= 0:
        head, raw = raw[:end].lower(), raw[end + 4 :]
        if b"transfer-encoding: chunked" in head:
            body, raw = _unchunk(raw)
        else:
            length = re.search(rb"content-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            body, raw = raw[:size], raw[size:]
        if b"content-encoding: gzip" in head or body[:2] == b"\x1f\x8b":
            body = _inflate(body)
        if body:
            bodies.append(body)
    return bodies


def _unchunk(raw: bytes) -> tuple[bytes, bytes]:
    body = b""
    while (end := raw.find(b"\r\n")) >= 0:
        try:
            size = int(raw[:end].split(b";")[0], 16)
        except ValueError:
            break
        body, raw = body + raw[end + 2 : end + 2 + size], raw[end + 2 + size + 2 :]
        if size == 0:
            break
    return body, raw


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(47).decompress(body)
    except zlib.error:
        return body


def _decoded(raw: bytes) -> Iterator[bytes]:
    """base64url runs (each part of a JWT is one) and percent-encoding."""
    for run in re.findall(rb"[A-Za-z0-9_-]{16,}={0,2}", raw):
        try:
            yield base64.urlsafe_b64decode(run.rstrip(b"=") + b"=" * (-len(run.rstrip(b"=")) % 4))
        except ValueError:
            continue
    if b"%" in raw:
        yield unquote_to_bytes(raw)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif value is not None:
        yield str(value)


def _distinctive(value: str) -> bool:
    if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value):
        return sum(char.isdigit() for char in value) >= SHORTEST_NUMBER
    return len(value) >= SHORTEST_TEXT


def _pattern(value: str) -> re.Pattern[bytes]:
    edge = rb"[0-9A-Za-z.]" if value[-1:].isdigit() or value[:1].isdigit() else rb"(?!)"
    return re.compile(rb"(?<!" + rb"[0-9A-Za-z]" + rb")" + re.escape(value.encode()) + rb"(?!" + edge + rb")")


def _has(body: Any, part: str, path: Sequence[str]) -> bool:
    """Whether a parsed answer holds this path below its part (the answer may be the part itself, or all parts)."""
    if not isinstance(body, dict):
        return False
    parts = body.get("parts")
    roots = [body.get(part), parts.get(part) if isinstance(parts, dict) else None]
    return any(_reaches(root, path) for root in roots if root is not None)


def _reaches(here: Any, path: Sequence[str]) -> bool:
    if not path:
        return True
    step, rest = path[0], path[1:]
    if isinstance(here, list):
        return any(_reaches(inner, rest) for inner in here) if step.isdigit() else False
    return isinstance(here, dict) and step in here and _reaches(here[step], rest)

