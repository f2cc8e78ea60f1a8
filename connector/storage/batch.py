"""Many units of work as one change of a shared database: which of them stand, and what is left to write.  Pure; no I/O.

Each unit is judged in turn against what is stored and what the units before it leave behind, as a database with a savepoint
for each would do it.  Without having looked (`found` None) a unit is taken at its word, and the commit has to prove that what
was assumed is so; where a word is not enough, `Unknown` asks to look first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connector.ports import Conflict, Replayed
from connector.records import Letter, Note

from .form import Row
from .work import Delete, Drop, Post, Put, Replace, Work

Place = tuple[str, str]  # kind and id
NO_ROWS: frozenset[Row] = frozenset()


class Unknown(Exception):
    """What becomes of a unit depends on what is stored: look, and settle again."""


class Stored(NamedTuple):
    """A record as it is in the database; version 0: it is not there."""

    version: int
    rows: frozenset[Row]


ABSENT = Stored(0, NO_ROWS)


@dataclass(slots=True)
class Found:
    """What a look at the database found of what the units speak of; what is in none of these is not there."""

    records: dict[Place, Stored] = field(default_factory=dict)
    nonces: set[tuple[str, str]] = field(default_factory=set)
    letters: set[str] = field(default_factory=set)


class Seat(NamedTuple):
    """A record that is written: as it was, and as it will be."""

    before: Stored
    version: int
    rows: frozenset[Row]
    body: str | None


class Slip(NamedTuple):
    """A letter that is written: was it there, will it be there (None: if it is, nobody looked), and what it will say."""

    before: bool | None
    after: bool | None
    letter: Letter | None = None
    body: str = ""
    leased: bool = False


@dataclass(slots=True)
class Batch:
    """What stands.  `refused` holds an error for each unit of which nothing is written, None for the others."""

    refused: list[Conflict | Replayed | None] = field(default_factory=list)
    nonces: dict[tuple[str, str], int] = field(default_factory=dict)
    seats: dict[Place, Seat] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    slips: dict[str, Slip] = field(default_factory=dict)
    notes: list[tuple[Note, str]] = field(default_factory=list)

    def empty(self) -> bool:
        return not (self.nonces or self.seats or self.blobs or self.slips or self.notes)


def settle(works: Iterable[Work], found: Found | None) -> Batch:
    """Judge units in order.  Raises Unknown without having looked when one is refused or says too little."""
    batch = Batch()
    for work in works:
        try:
            _settle(work, batch, found)
        except (Conflict, Replayed) as refused:
            if found is None:
                raise Unknown from refused
            batch.refused.append(refused)
        else:
            batch.refused.append(None)
    return batch


def _settle(work: Work, batch: Batch, found: Found | None) -> None:
    """Lay a unit over the batch, or leave the batch as it is and raise."""
    nonces: dict[tuple[str, str], int] = {}
    for issuer, nonce, until in work.nonces:
        used = (issuer, nonce)
        if used in batch.nonces or used in nonces or (found is not None and used in found.nonces):
            raise Replayed(f"nonce {nonce!r} of {issuer} was used before")
        nonces[used] = until
    seats: dict[Place, Seat] = {}
    for write in work.writes:
        place = (write.kind.kind, write.id)
        seat = seats.get(place) or batch.seats.get(place)
        seats[place] = _put(write, seat, place, found) if isinstance(write, Put) else _delete(seat, place, found)
    slips: dict[str, Slip] = {}
    for op in work.letters:
        id = op.id if isinstance(op, Drop) else op.letter.id
        slips[id] = _slip(op, slips.get(id) or batch.slips.get(id) or _first_slip(id, found), found)
    batch.nonces |= nonces
    batch.seats |= seats
    batch.slips |= slips
    batch.blobs |= work.blobs
    batch.notes += work.notes


def _put(put: Put, seat: Seat | None, place: Place, found: Found | None) -> Seat:
    if seat is None:
        if found is not None:
            before = found.records.get(place, ABSENT)
        elif put.before is not None:
            before = Stored(put.expected, put.before)
        else:
            raise Unknown
        seat = Seat(before, before.version, before.rows, None)
    if seat.version != put.expected:
        raise Conflict(f"{place[0]} {place[1]} is not at version {put.expected} any more")
    return Seat(seat.before, put.version, put.rows, put.body)


def _delete(seat: Seat | None, place: Place, found: Found | None) -> Seat:
    if found is None:
        raise Unknown
    return Seat(seat.before if seat else found.records.get(place, ABSENT), 0, NO_ROWS, None)


def _first_slip(id: str, found: Found | None) -> Slip:
    there = None if found is None else id in found.letters
    return Slip(there, there)


def _slip(op: Post | Replace | Drop, slip: Slip, found: Found | None) -> Slip:
    match op:
        case Drop():
            if found is None and slip.before is False:
                raise Unknown  # posted just now: only writing it would prove that its id was free
            return Slip(slip.before, after=False)
        case Replace():
            return slip if slip.after is False else slip._replace(letter=op.letter, body=op.body, leased=False)
        case Post():
            if slip.after:
                raise Conflict(f"letter {op.letter.id} is written already")
            if found is None and slip != _first_slip(op.letter.id, None):
                raise Unknown
            return Slip(bool(slip.before), after=True, letter=op.letter, body=op.body, leased=True)


def mentioned(works: Iterable[Work]) -> tuple[list[tuple[type[Any], str]], list[tuple[str, str]], list[str]]:
    """Records, nonces and letters that units speak of, each once: what there is to look at."""
    records: dict[Place, tuple[type[Any], str]] = {}
    nonces: dict[tuple[str, str], None] = {}
    letters: dict[str, None] = {}
    for work in works:
        records |= {(write.kind.kind, write.id): (write.kind, write.id) for write in work.writes if isinstance(write, Put | Delete)}
        nonces |= {(issuer, nonce): None for issuer, nonce, _ in work.nonces}
        letters |= {(op.id if isinstance(op, Drop) else op.letter.id): None for op in work.letters}
    return [records[place] for place in sorted(records)], list(nonces), list(letters)
