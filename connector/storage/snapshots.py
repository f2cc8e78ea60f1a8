"""Reading the shared store: each unit of work sees one moment of the database, however often it asks.

A reader is a session that has begun a transaction and asked nothing yet: the server takes the snapshot at its first question.
When the unit ends, the session ends that transaction and begins the next behind everybody's back, so that a snapshot costs a
unit no round trip at all.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Mapping
from typing import Any

from . import server
from .alone import Window
from .form import key_text
from .server import TROUBLES, Connection, Server, trouble

READERS = 8  # sessions of one process; a unit holds one from its first question to its end
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Readers:
    """Sessions to read with, made as they are needed, each lent to one unit at a time."""

    def __init__(self, database: Server) -> None:
        self._database = database
        self._free = asyncio.Semaphore(READERS)
        self._idle: list[Connection] = []
        self._renewals: set[asyncio.Task[None]] = set()

    async def take(self) -> tuple[Connection, bool]:
        """A session that sees what is committed now, and whether it has served before; raises one of TROUBLES."""
        await self._free.acquire()
        try:
            while self._idle:
                if not (connection := self._idle.pop()).is_closed():
                    return connection, True
            connection = await self._database.connect("reader")
            await connection.execute(_BEGIN)
        except BaseException:
            self._free.release()
            raise
        return connection, False

    def give_back(self, connection: Connection) -> None:
        """The unit has ended."""
        task = asyncio.get_running_loop().create_task(self._renew(connection), name="store reader")
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)

    def throw_away(self, connection: Connection) -> None:
        """The session is broken, or busy with something nobody waits for any more."""
        connection.terminate()
        self._free.release()

    async def _renew(self, connection: Connection) -> None:
        try:
            await connection.execute(f"ROLLBACK; {_BEGIN}")
            self._idle.append(connection)
        except TROUBLES:
            connection.terminate()
        finally:
            self._free.release()

    def forget(self) -> None:
        """The database was lost: sessions nobody uses may lead to a host that will never say so."""
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    async def close(self) -> None:
        await asyncio.gather(*self._renewals)
        self.forget()


class Snapshot:
    """`work.Reader` for one unit of work: the state that was committed when it first asked."""

    def __init__(self, readers: Readers, window: Window) -> None:
        self._readers = readers
        self.window = window  # what the unit may know without asking
        self._connection: Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._seen: dict[tuple[str, str], str | None] = {}  # of this moment: a unit and the units within it ask for some records often

    def end(self) -> None:
        """Let the session go; a question after this sees a new moment."""
        self._seen.clear()
        if self._connection is not None:
            self._readers.give_back(self._connection)
            self._connection = None

    async def rows(self, statement: str, /, **values: Any) -> list[Any]:
        async with self._one_at_a_time:
            try:
                return await self._ask(statement, values)
            except TROUBLES as error:
                raise trouble(error) from error

    async def _ask(self, statement: str, values: Mapping[str, Any]) -> list[Any]:
        used = False
        if (connection := self._connection) is None:
            connection, used = await self._readers.take()
        try:
            found = await server.rows(connection, statement, **values)
        except BaseException as error:
            self._connection = None
            self._seen.clear()
            self._readers.throw_away(connection)
            if used and isinstance(error, TROUBLES) and connection.is_closed():
                return await self._ask(statement, values)  # it broke while nobody used it, and no snapshot depends on it yet
            raise
        self._connection = connection
        return found

    # --- work.Reader

    async def get(self, kind: str, id: str) -> str | None:
        if (kind, id) not in self._seen:
            found = await self.rows("record_get", kind=kind, id=key_text(id))
            self._seen[kind, id] = found[0][0] if found else None
        return self._seen[kind, id]

    async def find(self, kind: str, keys: Mapping[str, str], low: str, high: str, limit: int) -> list[str]:
        low, high = key_text(low), key_text(high)
        if not keys:
            found = await self.rows("record_list", kind=kind, low=low, high=high, limit=limit)
        else:
            found = await self.rows("record_find", kind=kind, low=low, high=high, limit=limit, **_first_and_others(keys))
        return [body for (body,) in found]

    async def find_any(self, kind: str, key: str, values: list[str], low: str, limit: int) -> list[str]:
        """One page merged from a run per value: short runs for many values, longer ones in each round that does not fill the page."""
        ids: list[str] = []
        wanted, step, low = [key_text(value) for value in values], max(4, 2 * limit // max(1, len(values))), key_text(low)
        while wanted and len(ids) < limit:
            runs: dict[int, list[str]] = {}
            for run, id in await self.rows("key_runs", kind=kind, name=key, values=wanted, low=low, step=step):
                runs.setdefault(run, []).append(id)
            # behind the end of a run that was cut off there may be ids that we have not seen
            cut_off = [run[-1] for run in runs.values() if len(run) == step]
            merged = (id for id, _ in itertools.groupby(heapq.merge(*runs.values())))
            ids += [id for id in merged if not cut_off or id <= min(cut_off)]
            if not cut_off:
                break
            low, step = min(cut_off) + "\1\1", step * 2
        found = await self.rows("record_pick", kind=kind, ids=ids[:limit]) if ids else []
        return [body for (body,) in found]

    async def count(self, kind: str, keys: Mapping[str, str]) -> int:
        if not keys:
            found = await self.rows("record_count", kind=kind)
        else:
            found = await self.rows("key_count", kind=kind, **_first_and_others(keys))
        total: int = found[0][0]
        return total

    async def blob(self, sha256: str) -> bytes | None:
        found = await self.rows("blob_get", sha256=key_text(sha256))
        return found[0][0] if found else None

    async def letters(self, process: str) -> list[str]:
        return [body for (body,) in await self.rows("letter_of_process", process=key_text(process))]


def _first_and_others(keys: Mapping[str, str]) -> dict[str, Any]:
    (name, value), *others = keys.items()
    return {"name": name, "value": key_text(value), "names": [name for name, _ in others], "values": [key_text(v) for _, v in others]}
