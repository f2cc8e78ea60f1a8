"""One conformance suite, every store: each test runs over each way of opening one.

A store that keeps a file adds `reopen`: close it and open the same data again, as a restarted node would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.ports import Store
from connector.records import Letter, View
from connector.storage.sqlite import open_sqlite

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


@pytest.fixture(params=["sqlite file", "sqlite memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    path = ":memory:" if request.param == "sqlite memory" else str(tmp_path / "store.db")
    opened = open_sqlite(path, clock, writer="w-test", lease=LEASE)
    yield opened
    await opened.close()


Reopen = Callable[[Store], Awaitable[Store]]


@pytest.fixture
async def kept(tmp_path: Path, clock: ManualClock) -> AsyncIterator[tuple[Store, Reopen]]:
    """A store that outlives its process, and how to open it again."""
    path = str(tmp_path / "kept.db")
    stores = [open_sqlite(path, clock, lease=LEASE)]

    async def reopen(old: Store) -> Store:
        await old.close()
        stores.append(open_sqlite(path, clock, lease=LEASE))
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
