"""The audit chain: how an entry is hashed, and how anybody can check a chain without the store that wrote it.

    hash = hex(SHA-256(RFC 8785 of {"at", "data", "event", "prev", "seq", "subject", "writer"}))

`prev` is the hash of the writer's entry before, `""` for the first; `seq` counts from 1; `at` is UTC with microseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from connector.canonical import canonical as as_bytes
from connector.canonical import canonical_text as text_as_bytes
from connector.records import AuditEntry, Json

HEADS = "audit.heads"  # the event that quotes the heads of other chains: {"heads": {writer: {"seq", "hash"}}}


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold: the first entry that cannot be trusted, and why."""

    writer: str
    seq: int
    why: str


def canonical(data: Json) -> str:
    """RFC 8785 text of an entry's data; ValueError for what it cannot write (a float that is no number, a huge integer)."""
    return as_bytes(data).decode()


def stamp(at: datetime) -> str:
    """An instant as it stands in the hashed entry."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Entry(NamedTuple):
    """An entry before it has a hash, `at` and `data` as text (`stamp`, `canonical`)."""

    writer: str
    seq: int
    prev: str
    at: str
    event: str
    subject: str
    data: str


def link(entry: Entry) -> str:
    """The hash of an entry.  The seven members are put together by hand, in canonical order: the data's text exists already."""
    at, event, prev, subject, writer = map(text_as_bytes, (entry.at, entry.event, entry.prev, entry.subject, entry.writer))
    head = b'{"at":%b,"data":%b,"event":%b,"prev":%b' % (at, entry.data.encode(), event, prev)
    tail = b'"seq":%d,"subject":%b,"writer":%b}' % (entry.seq, subject, writer)
    return hashlib.sha256(head + b"," + tail).hexdigest()


def verify(entries: Iterable[AuditEntry], *, all_chains: bool = False) -> Break | None:
    """The first break of one or more whole chains, each in order of `seq` from 1; None when every link holds.

    A tail that was cut off leaves no trace in the chain itself: compare the last entry with a copy kept elsewhere, or with what
    other chains quote of it (`HEADS`), which has to be there.  `all_chains`: a chain that is quoted may not be missing either.
    """
    hashes: dict[str, list[str]] = {}
    quotes: list[tuple[str, str, int, str]] = []  # by whom, of whom, number, hash
    for entry in entries:
        chain = hashes.setdefault(entry.writer, [])
        why = _why_not(entry, len(chain) + 1, chain[-1] if chain else "")
        if why:
            return Break(entry.writer, entry.seq, why)
        chain.append(entry.hash)
        if entry.event == HEADS:
            try:
                heads = entry.data["heads"].items()
                quotes += [(entry.writer, writer, int(head["seq"]), head["hash"]) for writer, head in heads]
            except (AttributeError, KeyError, TypeError, ValueError):
                return Break(entry.writer, entry.seq, "it quotes nothing that can be read")
    for by, writer, seq, hash in quotes:
        if writer not in hashes and not all_chains:
            continue
        if seq < 1 or hashes.get(writer, [])[seq - 1 : seq] != [hash]:
            return Break(writer, seq, f"{by} quotes it with another hash, or it is gone")
    return None


def _why_not(entry: AuditEntry, seq: int, prev: str) -> str:
    """Why an entry cannot stand at this place of its chain; '' when it can."""
    if entry.seq != seq:
        return f"number {seq} should stand here"
    if entry.prev != prev:
        return "it does not quote the hash of the entry before"
    try:
        data = canonical(entry.data)
    except ValueError:
        return "its data cannot be written canonically"
    if link(Entry(entry.writer, entry.seq, entry.prev, stamp(entry.at), entry.event, entry.subject, data)) != entry.hash:
        return "its hash does not fit its content"
    return ""
