"""Reading a peer's data endpoint: what came is held against the agreement's grant, leaf by leaf, before anyone keeps it.

A refusal there is the peer's, in its own words.  Names of files are ours, never the peer's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from connector.errors import Malformed, PeerRefused, PeerUnreachable
from connector.ports import Answer, World
from connector.protocol import wire
from connector.records import Agreement, Json, Peer, Transfer
from connector.text import clean
from submodels.documents import MEDIA_TYPES
from submodels.errors import Invalid
from submodels.grant import AttributeGrant, parse_grant
from submodels.table import PARTS
from submodels.value import read_json, walk, write_json

MAX_DOCUMENTS = 100  # of one battery
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,100}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came for one battery, checked: part key -> bytes, and documents."""

    battery: str
    parts: Mapping[str, bytes]
    documents: Sequence[tuple[Json, bytes]]
    elements: int
    receipt: str
    revision: str
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """A started transfer's data address and everything needed to read it."""

    world: World
    peer: Peer
    agreement: Agreement
    process: Transfer
    url: str
    token: str
    origins: tuple[str, ...]

    async def get(self, path: str, what: str) -> Answer:
        """One answer of the data endpoint; PeerRefused with the peer's reasons for anything but 200."""
        answer = await self.world.data.fetch(f"{self.url.rstrip('/')}{path}", authorization=self.token, origins=self.origins)
        if answer.status == 200:
            return answer
        if answer.status >= 500:
            raise PeerUnreachable(
                f"{self.peer.name}'s data endpoint answered {answer.status}.", next="Try again later.", code="peer.failing"
            )
        raise _refused_pull(self, answer, what)


async def one_place(source: Source, path: str, battery: str) -> tuple[Any, int]:
    """One place of the passport: its value as plain JSON, and how many bytes came.  Shown, not kept."""
    place = "/".join(quote(step, safe="$") for step in path.strip("/").split("/"))
    asked = f"?battery={quote(battery, safe='-._~:')}" if battery else ""
    answer = await source.get(f"/{place}{asked}", f"{path} of {battery or 'the battery'}")
    return json.loads(write_json(_tree(answer.body, source.peer))), len(answer.body)


async def fetch(source: Source, battery: str, grant: AttributeGrant) -> Fetched:
    answer = await source.get(f"?battery={quote(battery, safe='-._~:')}", f"battery {battery}")
    tree = _tree(answer.body, source.peer)
    if not isinstance(tree, dict) or not set(tree) <= set(PARTS):
        raise _exceeded(source, ["the answer is no set of passport parts"])
    elements, outside = check(grant, tree)
    if outside:
        raise _exceeded(source, outside)
    named = answer.headers.get("saltbridge-battery", "") or battery
    documents = [await _document(source, battery, about) for about in await _listed(source, battery, grant)]
    return Fetched(
        battery=clean(named, 200),
        parts={part: write_json(value) for part, value in tree.items()},
        documents=documents,
        elements=elements,
        receipt=clean(answer.headers.get("saltbridge-receipt", ""), 80),
        revision=clean(answer.headers.get("saltbridge-revision", ""), 40),
        source=source.url,
    )


def check(grant: AttributeGrant, parts: Mapping[str, Any]) -> tuple[int, list[str]]:
    """(how many elements came, which leaves the grant does not name): the second must be empty before anything is kept.

    Handover entries count as documents; a leaf that the element table does not have is outside, wherever it stands.
    """
    elements: set[tuple[str, ...]] = set()
    outside: list[str] = []
    for part, tree in parts.items():
        for path, element, _ in walk(part, tree):
            template = tuple("*" if step.isdigit() else step for step in path)
            if element is None or not grant.allows(part, template):
                outside.append("/".join((part, *path)))
            elif not element.by_document:
                elements.add((part, *template))
    return len(elements), outside


def grant_of(agreement: Agreement) -> AttributeGrant:
    try:
        return parse_grant(agreement.grant)
    except Invalid as error:
        raise Malformed("The agreement names no attribute grant.", error.what, "Only views can be pulled.", code="grant.missing") from error


# --- inside --------------------------------------------------------------------------------------


async def _listed(source: Source, battery: str, grant: AttributeGrant) -> list[Json]:
    """The documents that the grant gives of a battery, as the provider lists them; one of another kind is an excess."""
    answer = await source.get(f"/documents?battery={quote(battery, safe='-._~:')}", f"documents of {battery}")
    listed = _tree(answer.body, source.peer)
    if not isinstance(listed, list) or len(listed) > MAX_DOCUMENTS or not all(isinstance(each, dict) and each.get("id") for each in listed):
        raise _exceeded(source, ["the answer is no list of documents"])
    foreign = [f"document {each['id']} of kind {each.get('kind')}" for each in listed if each.get("kind") not in grant.kinds]
    if foreign:
        raise _exceeded(source, foreign)
    return listed


async def _document(source: Source, battery: str, listed: Json) -> tuple[Json, bytes]:
    """One document: what is known of it, and its bytes, which must have the hash they were listed with."""
    id = str(listed["id"])
    what = f"document {clean(id, 120)}"
    answer = await source.get(f"/documents/{quote(id, safe='-._~:')}?battery={quote(battery, safe='-._~:')}", what)
    if hashlib.sha256(answer.body).hexdigest() != listed.get("sha256"):
        raise Malformed(
            f"{source.peer.name} sent other bytes than it listed for {what}; nothing was kept.",
            "Their SHA-256 differs.",
            f"Pull again, or tell its operator: transfer {source.process.id}.",
            code="document.hash",
        )
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    about = {
        "id": clean(id, 200),
        "kind": str(listed["kind"]),
        "title": clean(str(listed.get("title", "")), 200),
        "identifier": clean(str(listed.get("identifier", "")), 200),
        "language": clean(str(listed.get("language", "")), 20),
        "media_type": media_type if media_type in MEDIA_TYPES else "application/octet-stream",
        "filename": _file_name(id, media_type, answer.body),
        "receipt": clean(answer.headers.get("saltbridge-receipt", ""), 80),
    }
    return about, answer.body


def _file_name(id: str, media_type: str, body: bytes) -> str:
    """A copy's name from the document's id where that is in our alphabet, else from its hash; never the peer's file name."""
    stem = id if _STEM.fullmatch(id) and ".." not in id else f"document-{hashlib.sha256(body).hexdigest()[:16]}"
    return stem + MEDIA_TYPES.get(media_type, ".bin")


def _exceeded(source: Source, outside: Sequence[str]) -> Malformed:
    return Malformed(
        f"{source.peer.name} sent what the agreement does not grant; nothing was kept.",
        f"{len(outside)} place(s) outside the grant: {', '.join(clean(path, 120) for path in outside[:3])}",
        f"Tell its operator: transfer {source.process.id}.",
        code="grant.exceeded",
    )


def _tree(body: bytes, peer: Peer) -> Any:
    try:
        return read_json(body)
    except Invalid as error:
        raise Malformed(
            f"What {peer.name} sent cannot be read.", error.what, error.next, where=error.where, code="data.unreadable"
        ) from error


def _refused_pull(source: Source, answer: Answer, what: str) -> PeerRefused:
    code, reasons = wire.read_error(answer.body)
    decision = ""
    texts = [clean(text, 400) for text in reasons]
    try:
        said = json.loads(answer.body)
        decision = clean(said.get("decision", ""), 60) if isinstance(said, dict) else ""
    except (ValueError, RecursionError):
        pass
    texts = [text for text in texts if text != f"decision {decision}"]
    whys = texts[1:-1] if len(texts) >= 3 else texts[:1]
    return PeerRefused(
        what,
        whys[0] if whys else f"Its data endpoint answered {answer.status}.",
        texts[-1] if len(texts) >= 2 else f"saltbridge catalog {source.peer.name}",
        code=clean(code, 120) or f"http.{answer.status}",
        decision=decision,
        details=whys[1:],
        by=source.peer.name,
        process_kind="transfer",
        process=source.process.id,
    )
