"""A settled batch as one SQL statement: what it writes, what it has to prove, what the others are told.  Pure; no I/O."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from connector.records import Letter

from . import sql
from .batch import Batch, Slip
from .chain import Entry, link, stamp
from .form import instant, key_text, micros, no_nul

# The parts of a commit, and how many rows each must touch: as many as that parameter has values, exactly one, or any number.
_PARTS = {
    "commit_nonces": "cardinality(:nonce_issuers)",
    "commit_new": "cardinality(:new_ids)",
    "commit_swapped": "cardinality(:swap_ids)",
    "commit_deleted": "cardinality(:gone_ids)",
    "commit_letters_new": "cardinality(:post_ids)",
    "commit_writer": "1",
    "commit_keys_gone": "",
    "commit_keys_new": "",
    "commit_blobs": "",
    "commit_letters_changed": "",
    "commit_letters_dropped": "",
    "commit_audit": "",
    "commit_nonces_expired": "",
}
_QUERIES = sql.load(sql.HERE / "postgres.sql")


class Head(NamedTuple):
    """Where a writer stands: how often it committed, and the last link of its chain."""

    commits: int
    seq: int
    hash: str


class Under(NamedTuple):
    """Under whose name and when a batch is written."""

    name: str  # of the writer
    holder: str  # the process
    channel: str
    now: int
    lease: int
    purge: bool = False  # forget expired nonces on this occasion
    alone: bool = False  # nobody else is there to be told of letters


class Change(NamedTuple):
    """What to execute, and where the writer stands afterwards."""

    text: str
    values: list[Any]
    head: Head


def change(batch: Batch, head: Head, under: Under) -> Change:
    """The statement that writes a batch as the next commit of a writer; it fails whole when something it relies on is not so."""
    columns = _records(batch) | _nonces(batch) | _blobs(batch) | _letters(batch, under)
    notes, seq, hash = _chain(batch, head, under)
    columns |= notes
    always = {"commit_writer"} | ({"commit_nonces_expired"} if under.purge else set())
    parts = tuple(part for part in _PARTS if part in always or columns.get(part))
    after = Head(head.commits + 1, seq, hash)
    first = first_free(batch, under)
    values: dict[str, Any] = {
        "name": under.name, "me": under.holder, "now": under.now, "commits": head.commits, "seq": seq, "hash": hash,
        "channel": under.channel, "hint": str(first),
    }  # fmt: skip
    for part in parts:
        names = _columns_of(part)
        rows = columns.get(part) or []
        values |= zip(names, map(list, zip(*rows, strict=True)), strict=True) if rows else ()
    text, order = _statement(parts, first is not None and not under.alone)
    return Change(text, [values[name] for name in order], after)


def first_free(batch: Batch, under: Under) -> int | None:
    """When the first of the letters that are written may be taken."""
    written = ((slip.letter, slip) for slip in batch.slips.values() if slip.after is not False)
    return min((free_at(letter, slip, under) for letter, slip in written if letter), default=None)


def free_at(letter: Letter, slip: Slip, under: Under) -> int:
    """When others may take a letter: its due time, or the end of our lease if that is later."""
    due = micros(letter.due)
    return max(due, under.now + under.lease) if slip.leased else due


@cache
def _statement(parts: tuple[str, ...], tells: bool) -> tuple[str, tuple[str, ...]]:
    texts = ",\n".join(f"{part} AS (\n{_QUERIES[part].text.rstrip(';')})" for part in parts)
    proofs = "\n   AND ".join(f"(SELECT count(*) FROM {part}) = {_PARTS[part]}" for part in parts if _PARTS[part])  # noqa: S608 - ours
    telling = ", pg_notify(:channel, :hint)" if tells else ""
    return sql.numbered(f"WITH {texts}\nSELECT demand({proofs}){telling}")


@cache
def _columns_of(part: str) -> tuple[str, ...]:
    """The array parameters of a part, in the order in which it names them."""
    return tuple(re.findall(r":(\w+)::\w+\[\]", _QUERIES[part].text))


def _records(batch: Batch) -> dict[str, list[tuple[Any, ...]]]:
    """In order of kind and id, so that two processes that write the same records do not wait for each other in a circle."""
    new: list[tuple[Any, ...]] = []
    swapped: list[tuple[Any, ...]] = []
    deleted: list[tuple[Any, ...]] = []
    old_keys: list[tuple[Any, ...]] = []
    new_keys: list[tuple[Any, ...]] = []
    for (kind, plain), seat in sorted(batch.seats.items()):
        id, before = key_text(plain), seat.before
        if before.version and seat.version:
            swapped.append((kind, id, before.version, seat.version, seat.body))
        elif seat.version:
            new.append((kind, id, seat.version, seat.body))
        elif before.version:
            deleted.append((kind, id, before.version))
        old_keys += [(kind, name, key_text(value), id) for name, value in before.rows - seat.rows]
        new_keys += [(kind, name, key_text(value), id) for name, value in seat.rows - before.rows]
    return {
        "commit_new": new, "commit_swapped": swapped, "commit_deleted": deleted,
        "commit_keys_gone": sorted(old_keys), "commit_keys_new": sorted(new_keys),
    }  # fmt: skip


def _nonces(batch: Batch) -> dict[str, list[tuple[Any, ...]]]:
    return {"commit_nonces": sorted((key_text(issuer), key_text(nonce), until) for (issuer, nonce), until in batch.nonces.items())}


def _blobs(batch: Batch) -> dict[str, list[tuple[Any, ...]]]:
    return {"commit_blobs": sorted(batch.blobs.items())}


def _letters(batch: Batch, under: Under) -> dict[str, list[tuple[Any, ...]]]:
    new: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    dropped: list[tuple[Any, ...]] = []
    for id, slip in batch.slips.items():
        if slip.after is False:
            dropped += [(key_text(id),)] * (slip.before is not False)
        elif slip.letter is not None:
            row = (
                key_text(id), key_text(slip.letter.process), micros(slip.letter.due), micros(slip.letter.posted),
                free_at(slip.letter, slip, under), under.holder if slip.leased else "", slip.body,
            )  # fmt: skip
            (new if slip.before is False else changed).append(row)
    return {"commit_letters_new": new, "commit_letters_changed": sorted(changed), "commit_letters_dropped": sorted(dropped)}


def _chain(batch: Batch, head: Head, under: Under) -> tuple[dict[str, list[tuple[Any, ...]]], int, str]:
    """The notes as links behind the head, and the new head."""
    links: list[tuple[Any, ...]] = []
    seq, hash, at = head.seq, head.hash, stamp(instant(under.now))
    for note, data in batch.notes:
        entry = Entry(under.name, seq + 1, hash, at, note.event, note.subject, data)
        prev, seq, hash = hash, seq + 1, link(entry)
        links.append((seq, prev, at, note.event, no_nul(note.subject), data, hash))
    return {"commit_audit": links}, seq, hash
