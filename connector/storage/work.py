"""One unit of work: buffered writes over committed state.  Knows the port's rules and no database.

A database brings two things: a `Reader` of committed state, and a commit that applies `Work` in the order
nonces, writes, blobs, letters, notes and raises Replayed or Conflict before anything of it stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from connector.errors import Unavailable
from connector.frozen import replace
from connector.ports import Record
from connector.records import Letter, Note

from .chain import canonical
from .form import Row, dump, key_rows, load, micros

R = TypeVar("R", bound=Record)
LAST = "\U0010ffff"  # sorts behind every id that begins as the text before it


@dataclass(frozen=True, slots=True)
class Put:
    """A record to write over the version `expected`; its own is higher, by more than one where a transaction wrote it again.

    `rows` are the key rows it shall have, `before` those it has now, None when we did not read it.
    """

    kind: type[Any]
    id: str
    expected: int
    version: int
    body: str
    rows: frozenset[Row]
    before: frozenset[Row] | None
    record: Any


@dataclass(frozen=True, slots=True)
class Delete:
    """A record to remove, if it is there."""

    kind: type[Any]
    id: str


@dataclass(frozen=True, slots=True)
class Post:
    letter: Letter
    body: str


@dataclass(frozen=True, slots=True)
class Replace:
    letter: Letter
    body: str


@dataclass(frozen=True, slots=True)
class Drop:
    id: str


def nobody(_: Note) -> None:
    """Nobody listens to what is committed."""


@dataclass(slots=True)
class Work:
    """What one transaction wants written."""

    nonces: list[tuple[str, str, int]] = field(default_factory=list)
    writes: list[Put | Delete] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    letters: list[Post | Replace | Drop] = field(default_factory=list)
    notes: list[tuple[Note, str]] = field(default_factory=list)

    def tell(self, told: Callable[[Note], None]) -> None:
        """Say what was noted, once it is committed."""
        for note, _ in self.notes:
            told(note)

    def empty(self) -> bool:
        return not (self.nonces or self.writes or self.blobs or self.letters or self.notes)


class Reader(Protocol):
    """Committed state, as bodies; ids in byte order, both bounds inclusive."""

    async def get(self, kind: str, id: str) -> str | None: ...
    async def find(self, kind: str, keys: Mapping[str, str], low: str, high: str, limit: int) -> list[str]: ...
    async def find_any(self, kind: str, key: str, values: list[str], low: str, limit: int) -> list[str]: ...
    async def count(self, kind: str, keys: Mapping[str, str]) -> int: ...
    async def blob(self, sha256: str) -> bytes | None: ...
    async def letters(self, process: str) -> list[str]: ...


class Memory(Protocol):
    """Committed state at hand, by kind and id."""

    def get(self, place: tuple[str, str]) -> Any: ...
    def hold(self, place: tuple[str, str], record: Any) -> None: ...


class UnitOfWork:
    """`ports.Transaction` over a Reader: reads see committed state with the own writes laid over it.

    `recent` is committed state too, at hand; a store that shares its data with other writers has none or an empty one.
    """

    def __init__(self, reader: Reader, recent: Memory | None = None) -> None:
        self._reader = reader
        self._recent = recent
        self.work = Work()
        self._own: dict[tuple[str, str], Any] = {}  # (kind, id) -> record as written here, None when deleted here
        self._read: dict[tuple[str, str], Any] = {}  # as read here, for the difference in keys
        self._last: dict[tuple[str, str], int] = {}  # where the last Put of a place stands in `work.writes`

    # --- records

    async def get(self, kind: type[R], id: str) -> R | None:
        place = (kind.kind, id)
        own: R | None
        if place in self._own:
            own = self._own[place]
            return own
        held: R | None = self._recent.get(place) if self._recent is not None else None
        if held is not None:
            self._read[place] = held
            return held
        body = await self._reader.get(kind.kind, id)
        if body is None:
            return None
        record = self._loaded(kind, body)
        if self._recent is not None:
            self._recent.hold(place, record)
        return record

    async def find(self, kind: type[R], *, after: str = "", limit: int = 1000, prefix: str = "", **keys: str) -> list[R]:
        low = max(prefix, _behind(after))
        own = self._own_of(kind)
        bodies = await self._reader.find(kind.kind, keys, low, prefix + LAST, limit + len(own))
        wanted = set(keys.items())
        laid_over = [r for r in own.values() if r and r.id >= low and r.id.startswith(prefix) and wanted <= key_rows(r)]
        return self._merged(kind, bodies, own, laid_over, limit)

    async def find_any(self, kind: type[R], key: str, values: Iterable[str], *, after: str = "", limit: int = 100) -> list[R]:
        low, wanted = _behind(after), sorted(set(values))
        own = self._own_of(kind)
        bodies = await self._reader.find_any(kind.kind, key, wanted, low, limit + len(own))
        rows = {(key, value) for value in wanted}
        laid_over = [r for r in own.values() if r and r.id >= low and rows & key_rows(r)]
        return self._merged(kind, bodies, own, laid_over, limit)

    async def count(self, kind: type[R], **keys: str) -> int:
        total = await self._reader.count(kind.kind, keys)
        wanted = set(keys.items())
        for id, own in self._own_of(kind).items():
            body = await self._reader.get(kind.kind, id)
            total -= body is not None and wanted <= key_rows(load(kind, body))
            total += own is not None and wanted <= key_rows(own)
        return total

    def put(self, record: R) -> R:
        place = (record.kind, record.id)
        plain: Any = record
        new: R = replace(plain, version=record.version + 1)
        at = self._last.get(place)
        earlier = self.work.writes[at] if at is not None else None
        if at is not None and isinstance(earlier, Put) and earlier.version == record.version:  # written again: the last word is enough
            self.work.writes[at] = _putting(new, earlier.expected, earlier.before)
        else:
            self._last[place] = len(self.work.writes)
            self.work.writes.append(_putting(new, record.version, self._rows_before(place, record.version)))
        self._own[place] = new
        return new

    def delete(self, kind: type[R], id: str) -> None:
        self.work.writes.append(Delete(kind, id))
        self._last.pop((kind.kind, id), None)
        self._own[kind.kind, id] = None

    # --- bytes

    def keep(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.work.blobs[sha256] = data
        return sha256

    async def blob(self, sha256: str) -> bytes | None:
        """The bytes of this name; Unavailable when what is stored has another digest: nothing damaged leaves, by any door."""
        if sha256 in self.work.blobs:
            return self.work.blobs[sha256]
        data = await self._reader.blob(sha256)
        if data is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise Unavailable(
                "A stored file is damaged.", f"Its bytes do not hash to {sha256[:12]}...", "Restore it from a backup.",
                code="file.damaged",
            )  # fmt: skip
        return data

    # --- letters

    def post(self, letter: Letter) -> None:
        micros(letter.due)
        self.work.letters.append(Post(letter, dump(letter)))

    def replace(self, letter: Letter) -> None:
        micros(letter.due)
        self.work.letters.append(Replace(letter, dump(letter)))

    def drop(self, letter_id: str) -> None:
        self.work.letters.append(Drop(letter_id))

    async def letters(self, process: str) -> list[Letter]:
        found = {letter.id: letter for letter in (load(Letter, body) for body in await self._reader.letters(process))}
        for op in self.work.letters:
            if isinstance(op, Drop):
                found.pop(op.id, None)
            elif op.letter.process == process and (isinstance(op, Post) or op.letter.id in found):
                found[op.letter.id] = op.letter
        return sorted(found.values(), key=lambda letter: letter.posted)

    # --- evidence

    def note(self, note: Note) -> None:
        self.work.notes.append((note, canonical(note.data)))

    def once(self, issuer: str, nonce: str, until: datetime) -> None:
        self.work.nonces.append((issuer, nonce, micros(until)))

    # --- helpers

    def _rows_before(self, place: tuple[str, str], version: int) -> frozenset[Row] | None:
        """The key rows of the stored version, None when it is not the one that was read."""
        if version == 0:
            return frozenset()
        known = self._own.get(place) or self._read.get(place)
        return key_rows(known) if known is not None and known.version == version else None

    def _loaded(self, kind: type[R], body: str) -> R:
        record = load(kind, body)
        self._read[kind.kind, record.id] = record
        return record

    def _own_of(self, kind: type[R]) -> dict[str, R | None]:
        return {id: own for (name, id), own in self._own.items() if name == kind.kind}

    def _merged(self, kind: type[R], bodies: list[str], own: Mapping[str, R | None], laid_over: list[R], limit: int) -> list[R]:
        stored = [self._loaded(kind, body) for body in bodies]
        if not own:
            return stored
        kept = [record for record in stored if record.id not in own]
        return sorted([*kept, *laid_over], key=lambda record: record.id)[:limit]


def _putting(new: Record, expected: int, before: frozenset[Row] | None) -> Put:
    return Put(type(new), new.id, expected, new.version, dump(new), key_rows(new), before, new)


def _behind(after: str) -> str:
    """The smallest id greater than `after`; the empty text begins everything."""
    return after + "\0" if after else ""
