"""Whatever is done at once, PostgreSQL does as SQLite does: the same units stand, the same is there afterwards."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.ports import Conflict, Replayed, Store, Transaction
from connector.records import Letter, View
from connector.storage.postgres import open_postgres
from connector.storage.sqlite import open_sqlite

from .conftest import LEASE, ManualClock, letter, view
from .server import PostgresServer

IDS = ("a", "b", "c")


@dataclass(frozen=True)
class Step:
    """One thing done in a unit: to a record, a letter, a nonce."""

    what: str
    id: str
    version: int = 0  # for a blind write
    grant: str = "g"


_RECORDS = st.builds(
    Step,
    what=st.sampled_from(["put", "blind", "delete"]),
    id=st.sampled_from(IDS),
    version=st.integers(0, 3),
    grant=st.sampled_from(["g", "h"]),
)
_LETTERS = st.builds(Step, what=st.sampled_from(["post", "replace", "drop"]), id=st.sampled_from(IDS))
_OTHERS = st.builds(Step, what=st.sampled_from(["once", "fail"]), id=st.sampled_from(IDS))
_UNITS = st.lists(st.one_of(_RECORDS, _RECORDS, _LETTERS, _OTHERS), min_size=1, max_size=4)
# Nobody reads within a unit: PostgreSQL takes its time to answer, and the units would end in another order.
_TICKS = st.lists(st.lists(_UNITS, min_size=1, max_size=4), min_size=1, max_size=4)  # units that end in one turn of the loop


def _does(tx: Transaction, step: Step, known: dict[str, View], tag: str, clock: ManualClock) -> None:
    id = tag + step.id
    match step.what:
        case "put" if id in known:
            tx.put(replace(known[id], grant=step.grant))
        case "put" | "blind":
            tx.put(view(id, step.grant, step.version))
        case "delete":
            tx.delete(View, id)
        case "post":
            tx.post(letter(id, clock))
        case "replace":
            tx.replace(letter(id, clock, body="again"))
        case "drop":
            tx.drop(id)
        case "once":
            tx.once("peer", id, clock.now())
        case "fail":
            raise ZeroDivisionError


async def _unit(store: Store, steps: list[Step], known: dict[str, View], tag: str, clock: ManualClock) -> str:
    try:
        async with store.transaction() as tx:
            for step in steps:
                _does(tx, step, known, tag, clock)
    except (Conflict, Replayed, ZeroDivisionError) as refused:
        return type(refused).__name__
    return "stood"


async def _state(store: Store, tag: str) -> dict[str, Any]:
    async with store.transaction() as tx:
        letters: list[Letter] = [one for one in await tx.letters("p") if one.id.startswith(tag)]
        return {
            "records": await tx.find(View, prefix=tag),
            "g": [one.id for one in await tx.find(View, prefix=tag, grant="g")],
            "h": [one.id for one in await tx.find(View, prefix=tag, grant="h")],
            "letters": sorted((one.id, one.body) for one in letters),
        }


async def _story(store: Store, ticks: list[list[list[Step]]], tag: str, clock: ManualClock) -> list[Any]:
    told: list[Any] = []
    for units in ticks:
        state = await _state(store, tag)
        known = {one.id: one for one in state["records"]}
        told.append(await asyncio.gather(*(_unit(store, steps, known, tag, clock) for steps in units)))
    clock.pass_(LEASE.total_seconds())
    told.append(sorted(one.id for one in await store.claim(clock.now(), 1000) if one.id.startswith(tag)))
    return [*told, await _state(store, tag)]


@pytest.fixture
async def both(postgres: PostgresServer) -> AsyncIterator[tuple[Store, Store]]:
    clock = ManualClock()
    sqlite = open_sqlite(":memory:", clock, lease=LEASE)
    shared = await open_postgres(postgres.url(await postgres.new_schema()), clock, lease=LEASE)
    yield sqlite, shared
    await sqlite.close()
    await shared.close()


@given(_TICKS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_both_stores_tell_the_same_story(both: tuple[Store, Store], ticks: list[list[list[Step]]]) -> None:
    tag, clocks = f"{secrets.token_hex(4)}-", (ManualClock(), ManualClock())
    sqlite, postgres = [await _story(store, ticks, tag, clock) for store, clock in zip(both, clocks, strict=True)]
    assert sqlite == postgres
