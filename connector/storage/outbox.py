"""Letters of the shared store as one process sees them: taken under leases that stand in the database, woken by notifications.

What a process posts is leased to it, so that a letter which is released while somebody here waits for one changes hands in
memory and costs no write.  Everything else is told by the database: each commit that writes letters says when the first may be
taken, and who hears it sleeps no longer than until then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from connector import log
from connector.ports import Clock
from connector.records import Letter

from . import server
from .batch import Batch
from .change import Under, first_free, free_at
from .form import key_text, load, micros
from .server import TROUBLES, Connection, Server, trouble

NEVER = float("inf")
_AGAIN = 5_000_000  # microseconds until the next look after one that failed
_MANY = 1000  # letters in memory before those whose lease has ended are forgotten


class Outbox:
    """Letters of this process and of nobody; one session that listens and runs errands."""

    def __init__(
        self, database: Server, clock: Clock, lease: int, lost: Callable[[Any], None], own: Callable[[], int], word: Callable[[str], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._lease = lease
        self._lost = lost  # is told when the session ends by itself
        self._own = own  # the writing session's pid: what it tells others we know already
        self._word = word  # is told what other processes say beside letters
        self._connection: Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._held: dict[str, tuple[Letter, int]] = {}  # leased to us, and until when
        self._released: dict[str, None] = {}  # of these, what anybody here may take
        self._takers = 0  # who is in `claim` or `wait`
        self._next: float = NEVER  # nothing in the database is free before ...
        self._known = False  # ... if that is so
        self._woken = asyncio.Event()
        self._sleeps_until = -NEVER
        self.holder = ""
        self.channel = ""

    # --- the session

    async def open(self) -> None:
        """Listen; what was said while nobody listened is looked up.  Raises one of TROUBLES."""
        if self._connection is not None and not self._connection.is_closed():
            return
        connection = await self._database.connect("outbox")
        try:
            await connection.add_listener(self.channel, self._told)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(self._lost)
        self._connection, self._known = connection, False
        self._woken.set()

    def forget(self) -> None:
        """Another process took what we had in hand."""
        self._held.clear()
        self._released.clear()

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.remove_termination_listener(self._lost)
            connection.terminate()

    async def rows(self, statement: str, /, **values: Any) -> list[Any]:
        """Run an errand; Unavailable when that cannot be done now."""
        async with self._one_at_a_time:
            try:
                if self._connection is None or self._connection.is_closed():
                    raise ConnectionError("no connection")
                return await server.rows(self._connection, statement, **values)
            except TROUBLES as error:
                if isinstance(error, TimeoutError) and self._connection is not None:
                    self._connection.terminate()
                raise trouble(error) from error

    # --- what is known

    def committed(self, batch: Batch, under: Under) -> None:
        """We have just written this."""
        for id, slip in batch.slips.items():
            self._released.pop(id, None)
            if slip.letter is not None and slip.leased and slip.after:
                self._held[id] = slip.letter, free_at(slip.letter, slip, under)
            else:
                self._held.pop(id, None)
        if len(self._held) > _MANY:
            self._held = {id: held for id, held in self._held.items() if held[1] > under.now}
        self._may_be_free(first_free(batch, under))

    def _told(self, _: object, pid: int, __: str, hint: object) -> None:
        """Another process has written letters, or said a word."""
        if pid in {self._own(), self._connection.get_server_pid() if self._connection else 0}:
            return
        if (said := str(hint)).isdecimal():
            self._may_be_free(int(said))
        else:
            self._word(said)

    def _may_be_free(self, at: int | None) -> None:
        if at is None:
            return
        self._next = min(self._next, at)
        if at < self._sleeps_until:
            self._woken.set()

    async def _look(self) -> None:
        """When the next letter is free; what is told meanwhile counts too."""
        self._next, self._known = NEVER, True
        try:
            [(first,)] = await self.rows("letter_first")
        except BaseException:
            self._known = False
            raise
        self._may_be_free(first)

    # --- ports.Store

    async def claim(self, now: int, limit: int) -> list[Letter]:
        self._takers += 1
        try:
            taken, expiring = self._take_released(now, limit)
            if expiring:
                await self._let_go(expiring)
            if len(taken) < limit and (not self._known or self._next <= now):
                taken += await self._take_free(now, limit - len(taken))
            return taken
        finally:
            self._takers -= 1

    def _take_released(self, now: int, limit: int) -> tuple[list[Letter], list[str]]:
        """Letters of ours whose lease has half its time left, and the ids of those that have less."""
        due = sorted((self._held[id][0].due, id) for id in self._released if id in self._held)[:limit]
        taken: list[Letter] = []
        expiring: list[str] = []
        for _, id in due:
            del self._released[id]
            letter, until = self._held[id]
            if until - now >= self._lease // 2:
                taken.append(letter)
            else:
                expiring.append(id)
        return taken, expiring

    async def _take_free(self, now: int, limit: int) -> list[Letter]:
        """Letters that are nobody's.  A database that is down has none: the outbox waits for it and does not end."""
        until = now + self._lease
        try:
            rows = await self.rows("letter_claim", now=now, until=until, limit=limit, holder=self.holder)
            letters = [load(Letter, row["body"]) for row in sorted(rows, key=lambda row: (row["due"], row["number"]))]
            self._held |= {letter.id: (letter, until) for letter in letters}
            if len(letters) < limit:
                await self._look()
        except server.Unavailable as error:
            log.event("outbox.waits", logging.WARNING, why=error.why)
            self._next, self._known = now + _AGAIN, True
            return []
        return letters

    async def release(self, ids: Iterable[str]) -> None:
        now = micros(self._clock.now())
        others: list[str] = []
        for id in ids:
            letter, until = self._held.get(id, (None, 0))
            if self._takers and letter is not None and micros(letter.due) <= now and until - now >= self._lease // 2:
                self._released[id] = None
                self._woken.set()
            else:
                others.append(id)
        if others:
            await self._let_go(others)

    async def _let_go(self, ids: list[str]) -> None:
        """Leave letters to whoever comes first.  Where that fails their leases end by themselves."""
        for id in ids:
            self._held.pop(id, None)
        try:
            rows = await self.rows("letter_release", ids=[key_text(id) for id in ids], holder=self.holder, channel=self.channel)
        except server.Unavailable as error:
            log.event("letters.unreleased", logging.WARNING, count=len(ids), why=error.why)
        else:
            self._may_be_free(rows[0][0] if rows else None)

    async def wait(self, now: int) -> None:
        self._takers += 1
        self._woken.clear()
        try:
            if not self._known:
                await self._look_or_retry(now)
            first = now if self._released else self._next
            if first <= now:
                await asyncio.sleep(0)  # a caller that claims nothing must not keep the loop to itself
                return
            self._sleeps_until = first
            async with asyncio.timeout(None if first == NEVER else (first - now) / 1_000_000):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._takers -= 1
            self._sleeps_until = -NEVER

    async def _look_or_retry(self, now: int) -> None:
        try:
            await self._look()
        except server.Unavailable:
            self._next, self._known = now + _AGAIN, True
