"""Many units of work written statement by statement instead of unit by unit: half the cost of a commit.

It serves as long as nothing is refused and no unit needs a look in between; `None` and False say that the units have to be
written one by one.  Knows SQLite's statements and no transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import sql
from .form import Row, micros
from .work import Drop, Post, Put, Replace, Work

Values = list[tuple[Any, ...]]
NO_ROWS: frozenset[Row] = frozenset()
_STEPS: dict[type, int] = {Post: 0, Replace: 1, Drop: 2}
_TEXTS = {name: sql.in_order(query.text)[0] for name, query in sql.load().items()}


@dataclass(slots=True)
class Together:
    """The rows for each statement, in the order of its parameters."""

    nonces: Values = field(default_factory=list)
    inserts: Values = field(default_factory=list)
    swaps: Values = field(default_factory=list)
    keys_gone: Values = field(default_factory=list)
    keys_new: Values = field(default_factory=list)
    blobs: Values = field(default_factory=list)
    posts: Values = field(default_factory=list)
    replaces: Values = field(default_factory=list)
    drops: Values = field(default_factory=list)


def gathered(works: Iterable[Work]) -> Together | None:
    """What units write, all at once; None when one of them removes a record, or writes over one that it has not read, or says
    something of a letter before it posts it."""
    all = Together()
    places: set[tuple[str, str]] = set()
    letters: dict[str, int] = {}
    for work in works:
        all.nonces += work.nonces
        for put in work.writes:
            if not isinstance(put, Put) or put.before is None:
                return None
            kind, id = put.kind.kind, put.id
            if (kind, id) in places:  # the second one is refused, or comes after a removal: the order matters
                return None
            places.add((kind, id))
            _put(all, put, kind, id)
        all.blobs += work.blobs.items()
        for op in work.letters:
            if not _in_order(letters, op):
                return None
            _letter(all, op)
    return all


def _put(all: Together, put: Put, kind: str, id: str) -> None:
    before, rows = put.before or NO_ROWS, put.rows
    if put.expected == 0:
        all.inserts.append((kind, id, put.version, put.body))
    else:
        all.swaps.append((put.version, put.body, kind, id, put.expected))
    if before != rows:
        all.keys_gone += [(kind, name, value, id) for name, value in before - rows]
        all.keys_new += [(kind, name, value, id) for name, value in rows - before]


def _in_order(letters: dict[str, int], op: Post | Replace | Drop) -> bool:
    """Whether a letter is posted first, then written again, then dropped, as the statements do it."""
    id = op.id if isinstance(op, Drop) else op.letter.id
    step = _STEPS[type(op)]
    sooner = step < letters.get(id, 0)
    letters[id] = step
    return not sooner


def _letter(all: Together, op: Post | Replace | Drop) -> None:
    if isinstance(op, Drop):
        all.drops.append((op.id,))
    elif isinstance(op, Replace):
        all.replaces.append((micros(op.letter.due), op.body, op.letter.id))
    else:
        letter = op.letter
        all.posts.append((letter.id, letter.process, micros(letter.due), micros(letter.posted), op.body))


def write_all(connection: sqlite3.Connection, all: Together) -> bool:
    """Run the statements; False when one of the units has to be refused, and what is written has to go back."""
    for statement, rows in (
        ("nonce_insert", all.nonces), ("record_insert", all.inserts), ("record_swap", all.swaps), ("letter_post", all.posts),
    ):  # fmt: skip
        if rows and many(connection, statement, rows) != len(rows):
            return False
    for statement, rows in (
        ("key_delete", all.keys_gone), ("key_insert", all.keys_new), ("blob_keep", all.blobs), ("letter_replace", all.replaces),
        ("letter_drop", all.drops),
    ):  # fmt: skip
        if rows:
            many(connection, statement, rows)
    return True


def many(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run a statement for each row; how many rows of the database changed."""
    return connection.executemany(_TEXTS[statement], rows).rowcount
