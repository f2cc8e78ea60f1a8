"""One conformance suite, every store: each test runs over each way of opening one.

A store that keeps a file adds `reopen`: close it and open the same data again, as a restarted node would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.ports import Store
from connector.records import Letter, View
from connector.storage.postgres import PostgresStore, open_postgres
from connector.storage.sqlite import open_sqlite

from .server import PostgresServer, running_server, why_not

LEASE = timedelta(seconds=30)


@dataclass
class ManualClock:
    """Time that moves when a test says so."""

    at: datetime = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session; SKIPPED with the reason where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as server:
        yield server


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    """An empty place for one test's database."""
    return postgres.url(await postgres.new_schema())


@pytest.fixture(params=["sqlite file", "sqlite memory", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    if request.param == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        opened: Store = await open_postgres(postgres.url(await postgres.new_schema()), clock, writer="w-test", lease=LEASE)
    else:
        opened = open_sqlite(
            ":memory:" if request.param == "sqlite memory" else str(tmp_path / "store.db"), clock, writer="w-test", lease=LEASE
        )
    yield opened
    await opened.close()


Opens = Callable[..., Awaitable[PostgresStore]]


@pytest.fixture
async def opens(url: str, clock: ManualClock) -> AsyncIterator[Opens]:
    """Opens the test's PostgreSQL database, as often as there shall be processes."""
    stores: list[PostgresStore] = []

    async def open(place: str = url, **settings: Any) -> PostgresStore:
        stores.append(await open_postgres(place, **{"clock": clock, "lease": LEASE} | settings))
        return stores[-1]

    yield open
    for one in stores:
        await one.close()


Reopen = Callable[[Store], Awaitable[Store]]


@pytest.fixture(params=["sqlite", "postgres"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[tuple[Store, Reopen]]:
    """A store that outlives its process, and how to open it again."""
    place = str(tmp_path / "kept.db")
    if request.param == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        place = postgres.url(await postgres.new_schema())

    async def begin() -> Store:
        if request.param == "postgres":
            return await open_postgres(place, clock, lease=LEASE)
        return open_sqlite(place, clock, lease=LEASE)

    stores = [await begin()]

    async def reopen(old: Store) -> Store:
        await old.close()
        stores.append(await begin())
        return stores[-1]

    yield stores[0], reopen
    await stores[-1].close()


def view(id: str, grant: str = "g", version: int = 0) -> View:
    """The smallest record that can be found by a key."""
    return View(id=id, title=id.title(), grant=grant, version=version)


def letter(id: str, clock: ManualClock, process: str = "p", **changes: object) -> Letter:
    made = Letter(id=id, process_kind="negotiation", process=process, purpose="send", posted=clock.now(), due=clock.now())
    return replace(made, **changes)  # type: ignore[arg-type]


async def write(store: Store, *records: View) -> None:
    async with store.transaction() as tx:
        for record in records:
            tx.put(record)


async def read(store: Store, id: str) -> View | None:
    async with store.transaction() as tx:
        return await tx.get(View, id)
