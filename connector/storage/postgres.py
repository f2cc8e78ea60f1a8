"""The shared store: several processes of one operator on one PostgreSQL database.

All transactions that end while a commit is under way are committed together by the next one.  Some sessions read, one commits,
one listens; each is made anew when it is lost, and what needs the database meanwhile is answered Unavailable.  A process that is
alone keeps records at hand (`alone`); one of several asks for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from connector import log
from connector.errors import SaltbridgeError, Unavailable
from connector.ports import Clock, Record, Transaction
from connector.records import AuditEntry, Json, Letter, Note

from . import server
from .alone import AtHand
from .chain import HEADS
from .form import instant, key_text, micros, with_nul
from .outbox import Outbox
from .server import TROUBLES, Server, misconfigured
from .snapshots import Readers, Snapshot
from .work import UnitOfWork, Work, nobody
from .writers import LEFT, Writer

PURGE_EVERY = 60_000_000  # microseconds between two clearances of expired nonces
FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0  # seconds between attempts to connect again
READY_SECONDS = 3.0  # for the database to answer whoever asks whether we are ready


async def open_postgres(
    url: str, clock: Clock, *, writer: str = "", lease: timedelta = timedelta(seconds=30), synchronous: str = "FULL",
    quote_every: timedelta = timedelta(minutes=10),
) -> PostgresStore:  # fmt: skip
    """Connect to the database at `url` and bring its schema up to date; Misconfigured when it cannot serve.

    `writer` names the audit chain that a process begins when no chain is free (default: a random name).  `lease` is how long a
    letter stays with whoever took or wrote it; processes on several hosts need clocks that agree much better than that.
    `synchronous`: FULL is whatever the server promises, NORMAL may lose the last moments when the server's host dies.
    `quote_every`: how often this chain quotes the heads of the others.
    """
    store = PostgresStore(url, clock, writer=writer, lease=lease, synchronous=synchronous, quote_every=quote_every)
    await store.open()
    return store


class PostgresStore:
    """`ports.Store` on a PostgreSQL database.  Belongs to the event loop it is opened in."""

    def __init__(
        self, url: str, clock: Clock, *, writer: str = "", lease: timedelta = timedelta(seconds=30), synchronous: str = "FULL",
        quote_every: timedelta = timedelta(minutes=10),
    ) -> None:  # fmt: skip
        self.told: Callable[[Note], None] = nobody
        self._database = Server(url, synchronous)
        self._clock = clock
        self._quote_every = quote_every.total_seconds()
        self._lost = asyncio.Event()
        microseconds = lease // timedelta(microseconds=1)
        self._at_hand = AtHand()
        self._writer = Writer(self._database, writer, microseconds, self._is_lost, self._at_hand)
        self._outbox = Outbox(self._database, clock, microseconds, self._is_lost, lambda: self._writer.pid, self._hear)
        self._readers = Readers(self._database)
        self._snapshots: dict[asyncio.Task[Any] | None, Snapshot] = {}  # of the unit that a task is in
        self._pending: list[tuple[Work, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._purged = 0
        self._quoted: Json = {}  # the heads of the others that our chain has quoted last
        self._tasks: list[asyncio.Task[None]] = []
        self._hearing: set[asyncio.Task[None]] = set()

    @property
    def writer(self) -> str:
        """The chain this process writes; '' before the store is open."""
        return self._writer.name

    # --- opening and closing

    async def open(self) -> None:
        """Connect; Misconfigured when the database cannot serve this node, with what to do about it."""
        try:
            await self._writer.open()
            self._outbox.holder, self._outbox.channel = self._writer.holder, self._writer.channel
            await self._outbox.open()
            await self.quote()
        except TROUBLES as error:
            await self.close()
            raise misconfigured(self._database, error) from error
        except BaseException:
            await self.close()
            raise
        log.event("database.open", database=self._database, writer=self.writer)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._stay_connected(), name="store connections"),
            loop.create_task(self._quote_regularly(), name="store audit heads"),
        ]

    async def close(self) -> None:
        """Commit what is pending, give letters and writer's row to others, and disconnect."""
        for task in (*self._tasks, *self._hearing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._hearing, return_exceptions=True)
        self._tasks = []
        self._writer.hurry()
        if self._committing is not None:
            await self._committing
        await self._outbox.close()
        await self._writer.close()
        await self._readers.close()

    def _is_lost(self, _: Any) -> None:
        self._lost.set()

    def _hear(self, word: str) -> None:
        """What another process said beside letters."""
        task = asyncio.create_task(self._act_on(word), name="store word")
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)

    async def _act_on(self, word: str) -> None:
        with contextlib.suppress(*TROUBLES):  # a session that breaks meanwhile lets go of everything
            await self._writer.told(word)

    async def _stay_connected(self) -> None:
        """Connect again whenever the committing or the listening session has ended."""
        while True:
            await self._lost.wait()
            self._lost.clear()
            log.event("database.lost", logging.WARNING, database=self._database)
            self._readers.forget()
            pause = FIRST_PAUSE
            while True:
                try:
                    await self._writer.open()
                    if not self._writer.kept_its_row:
                        self._outbox.forget()
                    await self._outbox.open()
                    break
                except (*TROUBLES, SaltbridgeError):
                    self._database.line.reached.clear()
                    with contextlib.suppress(TimeoutError):  # somebody of us who asks meanwhile may be the first to get through
                        await asyncio.wait_for(self._database.line.reached.wait(), pause)
                    pause = min(LAST_PAUSE, pause * 2)
            log.event("database.back", logging.WARNING, database=self._database, writer=self.writer)
            if not self._writer.kept_its_row:
                await self._quote_or_later()

    # --- transactions

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        # A unit within a unit reads with the outer one's session: waiting for another could mean waiting for each other.
        task = asyncio.current_task()
        outer = self._snapshots.get(task)
        snapshot = outer or Snapshot(self._readers, self._at_hand.window())
        self._snapshots[task] = snapshot
        unit = UnitOfWork(snapshot, snapshot.window)
        try:
            yield unit
        finally:
            if outer is None:
                del self._snapshots[task]
                snapshot.end()
        if unit.work.empty():
            return
        if (away := self._writer.away) is not None:  # rather told now than kept waiting behind a commit that nobody knows the end of
            raise Unavailable(away.what, away.why, away.next, code=away.code, retry_after=away.retry_after)
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((unit.work, committed))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit(), name="store commit")
        await committed
        if outer is not None:
            outer.end()  # the rest of it sees what was just written

    async def _commit(self) -> None:
        """Write what is pending, batch after batch; whoever was cancelled meanwhile is left out."""
        try:
            while self._pending:
                batch = [(work, committed) for work, committed in self._pending if not committed.cancelled()]
                self._pending = []
                if batch:
                    await self._commit_batch(batch)
        finally:
            self._committing = None

    async def _commit_batch(self, pending: list[tuple[Work, asyncio.Future[None]]]) -> None:
        now = micros(self._clock.now())
        purge = now - self._purged >= PURGE_EVERY
        try:
            batch, under = await self._writer.commit([work for work, _ in pending], now, purge=purge)
        except BaseException as error:
            if isinstance(error, ValueError) and len(pending) > 1:  # a value that cannot be written fails only its own
                for one in pending:
                    await self._commit_batch([one])
                return
            for _, committed in pending:
                if not committed.done():
                    committed.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        self._purged = now if purge else self._purged
        self._at_hand.committed(work for (work, _), refused in zip(pending, batch.refused, strict=True) if refused is None)
        self._outbox.committed(batch, under)
        for (work, committed), refused in zip(pending, batch.refused, strict=True):
            if refused is None:
                work.tell(self.told)
            if committed.done():
                continue
            if refused is None:
                committed.set_result(None)
            else:
                committed.set_exception(refused)

    # --- letters

    async def claim(self, now: datetime, limit: int = 64) -> list[Letter]:
        return await self._outbox.claim(micros(now), limit)

    async def release(self, letter_ids: Iterable[str]) -> None:
        await self._outbox.release(letter_ids)

    async def wait(self, now: datetime) -> None:
        await self._outbox.wait(micros(now))

    async def outbox(self) -> tuple[int, datetime | None]:
        """Whoever asks this wants to know whether we can work: Unavailable within seconds when we could not write."""
        if not self._writer.pid:
            raise server.trouble(self._database.line.failed or ConnectionError("the session that writes has ended"))
        try:
            async with asyncio.timeout(READY_SECONDS):
                [row] = await self._outbox.rows("letter_total", now=micros(self._clock.now()))
        except TimeoutError as error:
            raise server.trouble(error) from error
        return row["total"], None if row["oldest"] is None else instant(row["oldest"])

    async def forget_unnamed(self) -> int:
        try:
            connection = await self._database.connect("errand")
            try:
                async with connection.transaction():
                    await server.rows(connection, "blob_lock")
                    return len(await server.rows(connection, "blob_forget"))
            finally:
                connection.terminate()
        except TROUBLES as error:
            raise server.trouble(error) from error

    # --- evidence

    def generation(self, *kinds: type[Record]) -> int | None:
        return self._at_hand.generation(kind.kind for kind in kinds)  # None: another process of this operator may write at any moment

    async def audit(self, *, after: int = 0, limit: int = 1000, writer: str = "") -> list[AuditEntry]:
        """Entries of a writer's chain (default: this process's own) with numbers after `after`."""
        rows = await self._outbox.rows("audit_list", writer=key_text(writer or self.writer), after=after, limit=limit)
        return [_entry(row) for row in rows]

    async def chains(self) -> list[AuditEntry]:
        snapshot = Snapshot(self._readers, self._at_hand.window())  # of one moment: the chains quote each other
        found: list[AuditEntry] = []
        try:
            for (name,) in await snapshot.rows("writer_list"):
                after = 0
                while page := await snapshot.rows("audit_list", writer=name, after=after, limit=1000):
                    found += [_entry(row) for row in page]
                    after = found[-1].seq
        finally:
            snapshot.end()
        return found

    async def writers(self) -> list[str]:
        """Every writer that has a chain, this process's own among them."""
        return [name for (name,) in await self._outbox.rows("writer_list")]

    async def quote(self) -> None:
        """Quote the heads of the other writers' chains in ours, if there are any, so that a chain that is lost is missed."""
        heads = {name: {"seq": seq, "hash": hash} for name, seq, hash in await self._outbox.rows("writer_heads", name=self.writer)}
        if heads and heads != self._quoted:
            async with self.transaction() as tx:
                tx.note(Note(event=HEADS, subject=self.writer, data={"heads": heads}))
            self._quoted = heads

    async def _quote_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._quote_every)
            await self._act_on(LEFT)  # somebody may have left without a word
            await self._quote_or_later()

    async def _quote_or_later(self) -> None:
        with contextlib.suppress(Unavailable):
            await self.quote()


def _entry(row: Any) -> AuditEntry:
    writer, seq, prev, at, event, subject, data, hash = row
    return AuditEntry(
        writer=writer, seq=seq, prev=prev, at=datetime.fromisoformat(at), event=event, subject=with_nul(subject),
        data=json.loads(data), hash=hash,
    )  # fmt: skip
