"""The operator's database: a PostgreSQL primary with a synchronous standby, on private ports and folders.

A commit is answered once the standby has it on its disk, so that what was answered outlives the primary.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from tests.store.server import PostgresServer, new_server

DATABASE = "maker"


@dataclass(slots=True)
class Database:
    """Two servers behind one URL; `live` is the one that takes writes."""

    primary: PostgresServer
    standby: PostgresServer
    live: PostgresServer

    @property
    def url(self) -> str:
        """What stands in [store] url: both hosts, whichever takes writes."""
        return self._url(f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}", "?target_session_attrs=read-write")

    @property
    def live_url(self) -> str:
        """The one that takes writes now, alone."""
        return self._url(f"127.0.0.1:{self.live.port}")

    def _url(self, hosts: str, more: str = "") -> str:
        return f"postgres://saltbridge:secret@{hosts}/{DATABASE}{more}"

    def fail(self) -> None:
        """The primary ends at once, in the middle of whatever it does."""
        self.primary.stop_now("immediate")

    def promote(self) -> None:
        """The standby takes over.  Nobody follows it yet, so it waits for nobody."""
        self.standby.promote()
        self.live = self.standby


@contextlib.contextmanager
def running() -> Iterator[Database]:
    """Both servers, replicating, until the block ends."""
    primary, standby = new_server("on"), new_server("on")
    try:
        primary.make()
        primary.start_now()
        standby.follow(primary)
        standby.start_now()
        asyncio.run(_bind(primary))
        yield Database(primary, standby, primary)
    finally:
        for each in (standby, primary):
            if each.runs:
                with contextlib.suppress(AssertionError):
                    each.stop_now("immediate")
            shutil.rmtree(each.folder, ignore_errors=True)


async def _bind(primary: PostgresServer) -> None:
    """From here on the primary answers for nothing that the standby has not.

    Set now, so that the standby's copy of the settings does not have it: promoted, it would wait for a standby of its own.
    """
    for statement in ("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"):
        await primary.does(statement)
    await _until(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
    await primary.does(f"CREATE DATABASE {DATABASE}")
    await _until(primary, "SELECT 1 FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()")


async def _until(server: PostgresServer, question: str) -> None:
    async with asyncio.timeout(30):
        while not await server.does(question):
            await asyncio.sleep(0.05)
