"""The embedded store: one SQLite file, one process, everything inline on the event loop.

A read takes some microseconds inline and a hundred through a thread, so there is no thread.  All transactions that end
within one turn of the event loop are committed together (one sync to disk).  This process is the file's one writer, so what
was read or written last is kept at hand (`recent`), and written through at the commit.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from connector.kept import Kept
from connector.ports import Clock, Conflict, Record, Replayed, Transaction
from connector.records import AuditEntry, Letter, Note

from .chain import Entry, link, stamp
from .file import FileLock, open_file, trouble
from .form import Row, instant, key_rows, load, micros
from .recent import Recent
from .schedule import Schedule
from .sqlite_reader import TEXTS, SqliteReader
from .together import gathered, many, write_all
from .work import Delete, Drop, Post, Put, Replace, UnitOfWork, Work, nobody

_AT_HAND = 1024  # letters
_PURGE_EVERY = 60_000_000  # microseconds between two clearances of expired nonces


def open_sqlite(
    path: str, clock: Clock, *, writer: str = "", lease: timedelta = timedelta(seconds=30), synchronous: str = "FULL"
) -> SqliteStore:
    """Open or make the database at `path` (`:memory:` for none); Misconfigured when it cannot serve this process.

    `writer` names the audit chain of a new database (default: a random name); an existing one keeps its own.  `lease` is how
    long a letter stays with whoever took or wrote it.  `synchronous`: FULL survives power loss, NORMAL a crash of the process.
    """
    lock = FileLock(path)
    try:
        connection = open_file(path, synchronous)
        return SqliteStore(connection, clock, writer=writer, lease=lease, lock=lock)
    except BaseException:
        lock.release()
        raise


class SqliteStore:
    """`ports.Store` on one SQLite connection.  Belongs to the event loop it is used from."""

    def __init__(
        self, connection: sqlite3.Connection, clock: Clock, *, writer: str, lease: timedelta, lock: FileLock | None = None
    ) -> None:
        self.told: Callable[[Note], None] = nobody
        self._connection = connection
        self._clock = clock
        self._lease = lease // timedelta(microseconds=1)
        self._lock = lock
        self._pending: list[tuple[Work, asyncio.Future[None]]] = []
        self._woken = asyncio.Event()
        self._sleeps_until: float = float("-inf")  # when the sleeper in `wait` looks again by itself
        self._purged = 0
        self._reader = SqliteReader(connection)
        self._recent = Recent()
        self._generations: Counter[str] = Counter()
        self.writer = self._reader.value("meta_get", name="audit.writer") or self._named(writer)
        self._head: tuple[int, str] = self._reader.row("audit_head", writer=self.writer) or (0, "")
        self._schedule = Schedule(self._reader.rows("letter_due"))
        self._letters: Kept[str, Letter] = Kept(_AT_HAND)  # as committed

    async def open(self) -> None:
        """Nothing is left to do: `open_sqlite` has opened the file, before anything listens."""

    # --- transactions

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return _Transaction(UnitOfWork(self._reader, self._recent), self._written_soon)

    async def _written_soon(self, work: Work) -> None:
        """Have a unit of work written at the end of this turn of the loop; Conflict, Replayed or Unavailable when it was not."""
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[None] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._commit)
        self._pending.append((work, committed))
        await committed

    def _commit(self) -> None:
        """Write what is pending in one SQLite transaction; whoever was cancelled meanwhile is left out."""
        batch = [(work, committed) for work, committed in self._pending if not committed.cancelled()]
        self._pending = []
        if not batch:
            return
        head, now = self._head, micros(self._clock.now())
        try:
            outcomes = self._written([work for work, _ in batch], now)
        except BaseException as error:
            self._head = head
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for _, committed in batch:
                committed.set_exception(trouble(error) if isinstance(error, sqlite3.Error) else error)
            if not isinstance(error, sqlite3.Error):
                raise
            return
        for (work, committed), refused in zip(batch, outcomes, strict=True):
            if refused is None:
                self._remember(work)
                self._reschedule(work, now)
                committed.set_result(None)
                work.tell(self.told)
            else:
                committed.set_exception(refused)

    def _written(self, batch: list[Work], now: int) -> list[Conflict | Replayed | None]:
        """Commit the units; of each why it was refused, None when it was not.

        Nearly always none is, so at first they are written together, or plainly where that cannot be.  Once one is refused the batch
        starts again with a savepoint for each (they cost a copy of every page that is touched).
        """
        head = self._head
        self._connection.execute("BEGIN IMMEDIATE")
        if self._apply_together(batch, now):
            self._purge(now)
            self._connection.execute("COMMIT")
            return [None] * len(batch)
        outcomes: list[Conflict | Replayed | None] = []
        for work in batch:
            outcomes.append(self._apply(work, now))
            if outcomes[-1] is not None:
                self._connection.execute("ROLLBACK")
                self._head = head
                self._connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._apply_apart(work, now) for work in batch]
                break
        self._purge(now)
        self._connection.execute("COMMIT")
        return outcomes

    def _apply_together(self, batch: list[Work], now: int) -> bool:
        """Write all units statement by statement; False when that cannot be, and then nothing of them is written."""
        rows = gathered(batch)
        if rows is None:
            return False
        if not write_all(self._connection, rows):
            self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN IMMEDIATE")
            return False
        self._append(batch, now)
        return True

    def _apply_apart(self, work: Work, now: int) -> Conflict | Replayed | None:
        """Write one unit of work, or nothing of it and the reason why."""
        self._connection.execute("SAVEPOINT unit")
        refused = self._apply(work, now)
        if refused is not None:
            self._connection.execute("ROLLBACK TO unit")
        self._connection.execute("RELEASE unit")
        return refused

    def _apply(self, work: Work, now: int) -> Conflict | Replayed | None:
        """Write one unit of work; when it is refused, what is written of it has to go back."""
        try:
            for issuer, nonce, until in work.nonces:
                if not self._change("nonce_insert", issuer=issuer, nonce=nonce, until=until):
                    raise Replayed(f"nonce {nonce!r} of {issuer} was used before")
            for write in work.writes:
                self._put(write) if isinstance(write, Put) else self._delete(write)
            for sha256, data in work.blobs.items():
                self._change("blob_keep", sha256=sha256, data=data)
            for op in work.letters:
                self._letter(op)
        except (Conflict, Replayed) as refused:
            return refused
        self._append([work], now)  # last: from here on nothing can be refused, so the chain's head never has to go back alone
        return None

    def _remember(self, work: Work) -> None:
        for write in work.writes:
            self._generations[write.kind.kind] += 1
            if isinstance(write, Put):
                self._recent.hold((write.kind.kind, write.id), write.record)
            else:
                self._recent.drop((write.kind.kind, write.id))

    def _put(self, put: Put) -> None:
        kind, id = put.kind.kind, put.id
        before = put.before if put.before is not None else self._rows_of(put.kind, id)
        if put.expected == 0:
            done = self._change("record_insert", kind=kind, id=id, version=put.version, body=put.body)
        else:
            done = self._change("record_swap", kind=kind, id=id, version=put.version, body=put.body, expected=put.expected)
        if not done:
            raise Conflict(f"{kind} {id} is not at version {put.expected} any more")
        if before != put.rows:
            self._change_keys("key_delete", kind, id, before - put.rows)
            self._change_keys("key_insert", kind, id, put.rows - before)

    def _delete(self, delete: Delete) -> None:
        kind, id = delete.kind.kind, delete.id
        self._change_keys("key_delete", kind, id, self._rows_of(delete.kind, id))
        self._change("record_delete", kind=kind, id=id)

    def _change_keys(self, statement: str, kind: str, id: str, rows: frozenset[Row]) -> None:
        if rows:
            values = [{"kind": kind, "name": name, "value": value, "id": id} for name, value in rows]
            self._connection.executemany(TEXTS[statement], values)

    def _rows_of(self, kind: type[Any], id: str) -> frozenset[Row]:
        body = self._reader.value("record_get", kind=kind.kind, id=id)
        return frozenset() if body is None else key_rows(load(kind, body))

    def _letter(self, op: Post | Replace | Drop) -> None:
        if isinstance(op, Drop):
            self._change("letter_drop", id=op.id)
        elif isinstance(op, Replace):
            self._change("letter_replace", id=op.letter.id, due=micros(op.letter.due), body=op.body)
        else:
            due, posted = micros(op.letter.due), micros(op.letter.posted)
            if not self._change("letter_post", id=op.letter.id, process=op.letter.process, due=due, posted=posted, body=op.body):
                raise Conflict(f"letter {op.letter.id} is written already")

    def _append(self, works: Iterable[Work], now: int) -> None:
        at, (seq, prev) = stamp(instant(now)), self._head
        rows = []
        for note, data in (told for work in works for told in work.notes):
            entry = Entry(self.writer, seq := seq + 1, prev, at, note.event, note.subject, data)
            rows.append((*entry, prev := link(entry)))
        if rows:
            many(self._connection, "audit_append", rows)
            self._head = (seq, prev)

    def _purge(self, now: int) -> None:
        if now - self._purged >= _PURGE_EVERY:
            self._change("nonce_purge", now=now)
            self._purged = now

    def _change(self, statement: str, /, **values: Any) -> int:
        return self._connection.execute(TEXTS[statement], values).rowcount

    def _named(self, writer: str) -> str:
        chosen = writer or f"w-{secrets.token_hex(6)}"
        try:
            self._change("meta_set", name="audit.writer", value=chosen)
        except sqlite3.Error as error:
            raise trouble(error) from error
        return chosen

    # --- letters

    def _reschedule(self, work: Work, now: int) -> None:
        for op in work.letters:
            if isinstance(op, Drop):
                self._schedule.drop(op.id)
                self._letters.drop(op.id)
                continue
            if isinstance(op, Post):
                self._schedule.lease(op.letter.id, micros(op.letter.due), now + self._lease)
            else:
                self._schedule.replace(op.letter.id, micros(op.letter.due))
            self._letters.hold(op.letter.id, op.letter)  # one that was dropped meanwhile is never asked for
        if work.letters:
            self._wake()

    def _wake(self) -> None:
        first = self._schedule.first()
        if first is not None and first < self._sleeps_until:
            self._woken.set()

    async def claim(self, now: datetime, limit: int = 64) -> list[Letter]:
        at = micros(now)
        ids = self._schedule.take(at, at + self._lease, limit)
        held = {id: letter for id in ids if (letter := self._letters.get(id)) is not None}
        rest = [id for id in ids if id not in held]
        bodies = dict(self._reader.rows("letter_pick", ids=json.dumps(rest))) if rest else {}
        return [held.get(id) or load(Letter, bodies[id]) for id in ids]

    async def release(self, letter_ids: Iterable[str]) -> None:
        for letter in letter_ids:
            self._schedule.release(letter)
        self._wake()

    async def wait(self, now: datetime) -> None:
        first = self._schedule.first()
        seconds = None if first is None else max(0.0, (first - micros(now)) / 1_000_000)
        if seconds == 0:
            await asyncio.sleep(0)  # a caller that claims nothing must not keep the loop to itself
            return
        self._sleeps_until = float("inf") if first is None else first
        self._woken.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._sleeps_until = float("-inf")

    # --- looking

    async def audit(self, *, after: int = 0, limit: int = 1000, writer: str = "") -> list[AuditEntry]:
        """Entries of a writer's chain (default: this store's own) with numbers after `after`."""
        rows = self._reader.rows("audit_list", writer=writer or self.writer, after=after, limit=limit)
        return [
            AuditEntry(
                writer=w, seq=seq, prev=prev, at=datetime.fromisoformat(at), event=event, subject=subject, data=json.loads(data), hash=h
            )
            for w, seq, prev, at, event, subject, data, h in rows
        ]

    async def chains(self) -> list[AuditEntry]:
        found: list[AuditEntry] = []
        for (name,) in self._reader.rows("writer_list"):  # several where a shared database was carried into this file
            after = 0
            while page := await self.audit(after=after, writer=name):
                found += page
                after = found[-1].seq
        return found

    def generation(self, *kinds: type[Record]) -> int | None:
        return sum(self._generations[kind.kind] for kind in kinds)

    async def outbox(self) -> tuple[int, datetime | None]:
        total, oldest = self._reader.row("letter_total", now=micros(self._clock.now())) or (0, None)
        return total, None if oldest is None else instant(oldest)

    async def forget_unnamed(self) -> int:
        self._commit()  # what is pending may name some
        try:
            return self._change("blob_forget")
        except sqlite3.Error as error:
            raise trouble(error) from error

    async def close(self) -> None:
        """Commit what is pending, close the file and let another process have it."""
        self._commit()
        self._connection.close()
        if self._lock:
            self._lock.release()


class _Transaction:
    """`async with`, thirty times in a negotiation: written out, because a generator costs five times as much."""

    __slots__ = ("_unit", "_write")

    def __init__(self, unit: UnitOfWork, write: Callable[[Work], Awaitable[None]]) -> None:
        self._unit, self._write = unit, write

    async def __aenter__(self) -> Transaction:
        return self._unit

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and not self._unit.work.empty():
            await self._write(self._unit.work)
