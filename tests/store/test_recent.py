"""What is kept at hand of a file is always what stands in it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from connector.errors import Unavailable
from connector.ports import Conflict
from connector.records import Step, View
from connector.storage.form import load
from connector.storage.recent import Recent
from connector.storage.sqlite import SqliteStore, open_sqlite

from .conftest import ManualClock, read, view, write


def differing(store: SqliteStore) -> list[str]:
    """Ids of records at hand that the file has otherwise."""
    return [
        id
        for (kind, id), held in store._recent.items()
        if (body := store._reader.value("record_get", kind=kind, id=id)) is None or load(type(held), body) != held
    ]


async def test_a_second_reading_asks_the_file_for_nothing(clock: ManualClock) -> None:
    store = open_sqlite(":memory:", clock)
    await write(store, view("a"))
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    assert await read(store, "a")
    assert not asked
    await store.close()


async def test_a_record_read_before_a_commit_is_the_old_one_and_after_it_the_new_one(clock: ManualClock) -> None:
    store = open_sqlite(":memory:", clock)
    await write(store, view("a"))
    async with store.transaction() as first:
        old = await first.get(View, "a")
        assert old
        first.put(view("a", grant="other", version=1))
        async with store.transaction() as second:
            assert await second.get(View, "a") == old
    found = await read(store, "a")
    assert found and found.grant == "other" and found.version == 2
    await store.close()


async def test_nothing_that_failed_is_at_hand(tmp_path: Path, clock: ManualClock) -> None:
    store = open_sqlite(str(tmp_path / "node.db"), clock)
    await write(store, view("a"))
    with pytest.raises(Conflict):
        await write(store, view("a", grant="late", version=7))
    [(pages,)] = store._connection.execute("PRAGMA page_count").fetchall()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable):
        async with store.transaction() as tx:
            tx.put(view("a", grant="full", version=1))
            tx.keep(b"x" * 1_000_000)
    found = await read(store, "a")
    assert found and found.grant == "g"
    await store.close()


async def test_a_deleted_record_is_gone_and_may_come_again(clock: ManualClock) -> None:
    store = open_sqlite(":memory:", clock)
    await write(store, view("a"))
    async with store.transaction() as tx:
        tx.delete(View, "a")
    assert await read(store, "a") is None
    await write(store, view("a", grant="new"))
    found = await read(store, "a")
    assert found and found.grant == "new"
    await store.close()


@pytest.mark.parametrize("seed", range(8))
async def test_after_any_writing_what_is_at_hand_is_what_the_file_has(clock: ManualClock, seed: int) -> None:
    store = open_sqlite(":memory:", clock)
    store._recent = Recent(most=5)
    chance = random.Random(seed)
    for _ in range(120):
        try:
            async with store.transaction() as tx:
                for _ in range(chance.randint(1, 4)):
                    id = chance.choice("abcdefgh")
                    known = await tx.get(View, id)
                    if known is None:
                        tx.put(view(id, grant=chance.choice("xyz"), version=chance.choice([0, 0, 0, 1])))
                    elif chance.random() < 0.2:
                        tx.delete(View, id)
                    else:
                        tx.put(view(id, grant=chance.choice("xyz"), version=known.version - chance.choice([0, 0, 0, 1])))
        except Conflict:
            pass
        assert differing(store) == []
    rows = store._connection.execute("SELECT id, value FROM record_key WHERE kind = 'view' ORDER BY id").fetchall()
    stored = [(r.id, r.grant) for r in [load(View, b) for (b,) in store._connection.execute("SELECT body FROM record ORDER BY id")]]
    assert rows == stored
    await store.close()


def test_what_was_asked_for_longest_ago_goes_first_and_what_is_written_once_never_comes(clock: ManualClock) -> None:
    recent = Recent(most=2)
    for id in "ab":
        recent.hold(("view", id), view(id))
    recent.get(("view", "a"))
    recent.hold(("view", "c"), view("c"))
    assert [id for (_, id), _ in recent.items()] == ["a", "c"]
    step = Step(id="p/1", process="p", at=clock.now(), direction="in", message="m", state="REQUESTED")
    recent.hold(("step", step.id), step)
    assert recent.get(("step", step.id)) is None
    assert len(recent) == 2
