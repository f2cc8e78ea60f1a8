"""Writing the shared store: the one session of a process that commits, and the row it writes under.

A process writes under a row of `writer` that its session holds an advisory lock for: a lease that ends with the session, so
that a chain never has two authors and a restarted process goes on with its own at once.  A batch is one statement, which is
one round trip and one sync to disk; it proves what it relies on (`demand`), and where that fails the batch is settled again
after a look.  The row counts commits: when an answer is lost, the count says whether it was written.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from asyncpg import exceptions as pg

from connector.errors import Unavailable

from . import server
from .alone import AtHand
from .batch import Batch, Found, Stored, Unknown, mentioned, settle
from .change import Head, Under, change
from .form import key_rows, key_text, load
from .server import TROUBLES, Connection, Server, trouble
from .steps import bring_up_to_date, examine
from .work import Work

JOIN, LEFT = "join", "left"  # words between processes: who is alone shall share; who shares may be alone again
JOIN_TRIES = 10  # seconds that a starting process waits for whoever is alone
TRIES = 8  # of a batch that others get in the way of; each time somebody else got on
_REFUSED = "SB409"  # what `demand` raises
FIND_OUT_SECONDS = 30.0  # after a commit whose answer is lost: how long its units wait for the database to say
FIND_OUT_PAUSE = 0.2
_UNCERTAIN = "The database went away in the middle of a commit; whether it was written shows when it is back."


class Writer:
    """The committing session of one process."""

    def __init__(self, database: Server, wish: str, lease: int, lost: Callable[[Any], None], at_hand: AtHand) -> None:
        self._database = database
        self._at_hand = at_hand
        self._wish = wish  # what a new row is called
        self._lease = lease  # of letters, in microseconds
        self._lost = lost  # is told when the session ends by itself
        self._one_at_a_time = asyncio.Lock()
        self._connection: Connection | None = None
        self._in_flight: tuple[Batch, Head] | None = None
        self._head = Head(0, 0, "")
        self._closing = False
        self.away: Unavailable | None = None  # why nothing can be written just now, while a commit waits to be found out
        self.name = ""
        self.holder = f"p-{secrets.token_hex(8)}"  # this process, for as long as it runs
        self.channel = ""  # where processes tell each other about letters
        self.kept_its_row = True  # False when another process had it in between

    @property
    def pid(self) -> int:
        """The session's number at the server, as notifications name it; 0 without one."""
        return self._connection.get_server_pid() if self._connection is not None and not self._connection.is_closed() else 0

    # --- the session

    async def open(self) -> None:
        """Have a session, made anew when it was lost; raises one of TROUBLES.  The first one brings the schema up to date."""
        async with self._one_at_a_time:
            await self._session()

    async def _session(self) -> Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        self._at_hand.end()
        connection = await self._database.connect("writer")
        try:
            if not self.name:
                await examine(connection, self._database)
            self.channel = self.channel or await server.value(connection, "channel")
            alone = await self._join(connection)
            if not self.name:
                await bring_up_to_date(connection, self._database)
            await self._take_row(connection)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(self._ended)
        self._connection = connection
        if alone:
            self._at_hand.begin()
        return connection

    def _ended(self, connection: Any) -> None:
        self._at_hand.end()
        self._lost(connection)

    async def _join(self, connection: Connection) -> bool:
        """Be alone (True), or one of several as soon as whoever is alone knows of us; until then nothing is written."""
        if await server.value(connection, "alone_try"):
            return True
        for _ in range(JOIN_TRIES):
            await server.rows(connection, "tell", channel=self.channel, word=JOIN)
            try:
                async with connection.transaction():
                    await connection.execute("SET LOCAL lock_timeout = '1s'")
                    await server.rows(connection, "alone_wait")  # in line: nobody becomes alone before us
            except pg.LockNotAvailableError:
                continue
            return False
        raise pg.LockNotAvailableError("the process that was alone on the database does not answer")

    async def told(self, word: str) -> None:
        """Another process joined or left."""
        async with self._one_at_a_time:
            connection = self._connection
            if connection is None or connection.is_closed():
                return
            if word == JOIN and self._at_hand.alone:
                self._at_hand.end()
                await server.rows(connection, "alone_share")
            elif word == LEFT and not self._at_hand.alone and await server.value(connection, "alone_again"):
                self._at_hand.begin()

    async def _take_row(self, connection: Connection) -> None:
        """Hold a writer's row: the one we had, else the first that nobody holds, else a new one."""
        known = [row["name"] for row in await server.rows(connection, "writer_list")]
        base = self._wish or f"w-{secrets.token_hex(6)}"
        new = (name for number in range(1, len(known) + 1000) if (name := base if number == 1 else f"{base}-{number}") not in known)
        for name in (*[self.name] * (self.name in known), *known, *new):
            if await server.value(connection, "writer_lock", name=name):
                break
        else:
            raise Unavailable("No name for another writer is free.", code="store.unavailable")
        await server.rows(connection, "writer_make", name=name)
        [row] = await server.rows(connection, "writer_take", name=name, holder=self.holder)
        if row["before"] not in {"", self.holder}:  # it ended without a word: what it had in hand is free
            await server.rows(connection, "letter_release_all", holder=row["before"], channel=self.channel)
        self.kept_its_row = not self.name or row["before"] == self.holder
        self.name, self._head = name, Head(row["commits"], row["seq"], row["hash"])

    def hurry(self) -> None:
        """This process ends: nobody waits any longer for a database that is away."""
        self._closing = True

    async def close(self) -> None:
        """Let go of our letters and of the row."""
        async with self._one_at_a_time:
            connection, self._connection = self._connection, None
            self._at_hand.end()
            if connection is None or connection.is_closed():
                return
            connection.remove_termination_listener(self._ended)
            try:
                await server.rows(connection, "letter_release_all", holder=self.holder, channel=self.channel)
                await server.rows(connection, "writer_take", name=self.name, holder="")
                await server.rows(connection, "alone_leave")
                await server.rows(connection, "tell", channel=self.channel, word=LEFT)
                await connection.close(timeout=5)
            except TROUBLES:
                connection.terminate()

    # --- commits

    async def commit(self, works: Sequence[Work], now: int, *, purge: bool = False) -> tuple[Batch, Under]:
        """Write what stands of units of work, all of it or nothing; Unavailable when that cannot be done now."""
        look = False
        async with self._one_at_a_time:
            self._in_flight = None
            for _ in range(TRIES):
                connection = await self._ready()
                under = Under(self.name, self.holder, self.channel, now, self._lease, purge, self._at_hand.alone)
                try:
                    return await (self._look_and_write if look else self._write_at_once)(connection, works, under), under
                except Unknown:
                    look = True
                except TROUBLES as error:
                    if _broken(connection, error):
                        connection.terminate()
                        self._at_hand.end()
                        if batch := await self._found_out():
                            return batch, under
                    elif getattr(error, "sqlstate", "") == _REFUSED:
                        look = True
                    elif not isinstance(error, pg.DeadlockDetectedError):
                        raise trouble(error) from error
        raise Unavailable("The database is busy.", "others write the same records", "Try again.", code="store.unavailable", retry_after=1)

    async def _ready(self) -> Connection:
        try:
            return await self._session()
        except TROUBLES as error:
            raise trouble(error) from error

    async def _found_out(self) -> Batch | None:
        """After a broken connection: the batch when it was written, None when nothing of it was."""
        if self._in_flight is None:
            return None
        batch, after = self._in_flight
        await self._session_sooner_or_later()
        if not self.kept_its_row:
            raise Unavailable(_UNCERTAIN, "another process took over", "Read it again.", code="store.unavailable", retry_after=5)
        return batch if self._head.commits == after.commits else None

    async def _session_sooner_or_later(self) -> None:
        """Have a session again before anybody is told anything: its row says what became of the commit.

        Whoever comes meanwhile is told to come back (`away`).  After half a minute it stays unknown, which is said: a caller that
        repeats itself is recognised, whichever way it went.
        """
        last = asyncio.get_running_loop().time() + FIND_OUT_SECONDS
        try:
            while True:
                try:
                    await self._session()
                    return
                except TROUBLES as error:
                    self.away = trouble(error)
                    if self._closing or asyncio.get_running_loop().time() > last:
                        raise trouble(error, _UNCERTAIN) from error
                await asyncio.sleep(FIND_OUT_PAUSE)
        finally:
            self.away = None

    async def _write_at_once(self, connection: Connection, works: Sequence[Work], under: Under) -> Batch:
        """Take every unit at its word; the commit proves it."""
        batch = settle(works, None)
        await self._write(connection, batch, under)
        return batch

    async def _look_and_write(self, connection: Connection, works: Sequence[Work], under: Under) -> Batch:
        """See what is stored, hold it, and write what stands."""
        self._in_flight = None
        async with connection.transaction():
            batch = settle(works, await _look(connection, works))
            head = await self._write(connection, batch, under, last=False)
        self._head, self._in_flight = head, None
        return batch

    async def _write(self, connection: Connection, batch: Batch, under: Under, *, last: bool = True) -> Head:
        if batch.empty():
            self._in_flight = None
            return self._head
        it = change(batch, self._head, under)
        self._in_flight = batch, it.head
        await server.fetch(connection, it.text, it.values)
        if last:
            self._head, self._in_flight = it.head, None
        return it.head


async def _look(connection: Connection, works: Sequence[Work]) -> Found:
    records, nonces, letters = mentioned(works)
    found = Found()
    if records:
        kinds, ids = [kind.kind for kind, _ in records], [key_text(id) for _, id in records]
        for row in await server.rows(connection, "look_records", kinds=kinds, ids=ids):
            kind, id = records[row["place"] - 1]
            found.records[kind.kind, id] = Stored(row["version"], key_rows(load(kind, row["body"])))
    if nonces:
        issuers, used = [key_text(issuer) for issuer, _ in nonces], [key_text(nonce) for _, nonce in nonces]
        rows: list[Any] = await server.rows(connection, "look_nonces", issuers=issuers, nonces=used)
        found.nonces = {nonces[row["place"] - 1] for row in rows}
    if letters:
        rows = await server.rows(connection, "look_letters", ids=[key_text(id) for id in letters])
        found.letters = {letters[row["place"] - 1] for row in rows}
    return found


def _broken(connection: Connection, error: BaseException) -> bool:
    """Did the connection end, or must it, because nobody knows what it is doing?"""
    state = getattr(error, "sqlstate", None) or ""
    return connection.is_closed() or not isinstance(error, asyncpg.PostgresError) or state.startswith(("57P", "08"))
