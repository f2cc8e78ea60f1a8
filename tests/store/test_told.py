"""What every store says of what it has committed: each note once, after the commit, and nothing that was refused."""

from __future__ import annotations

import asyncio

import pytest

from connector.ports import Conflict, Store
from connector.records import Note, View

from .conftest import ManualClock


async def write(store: Store, number: int, view: View | None = None) -> None:
    async with store.transaction() as tx:
        if view is not None:
            tx.put(view)
        tx.note(Note(event="view.changed", subject=str(number), data={}, beside={"only": "told"}))


async def test_each_note_is_told_once_it_is_committed(store: Store, clock: ManualClock) -> None:
    told: list[Note] = []
    store.told = told.append
    await asyncio.gather(*(write(store, number) for number in range(5)))
    entries = [entry for entry in await store.audit() if entry.event == "view.changed"]
    assert sorted(note.subject for note in told) == [str(number) for number in range(5)] == sorted(entry.subject for entry in entries)
    assert all(note.beside == {"only": "told"} for note in told)
    assert all("only" not in str(entry.data) for entry in entries)


async def test_nothing_is_told_of_a_unit_that_was_refused_or_left(store: Store, clock: ManualClock) -> None:
    told: list[Note] = []
    store.told = told.append
    view = View(id="v", title="", grant="g")
    await write(store, 1, view)
    results = await asyncio.gather(write(store, 2, view), write(store, 3), return_exceptions=True)
    assert isinstance(results[0], Conflict) and results[1] is None
    with pytest.raises(RuntimeError):
        async with store.transaction() as tx:
            tx.note(Note(event="view.changed", subject="4", data={}))
            raise RuntimeError
    assert [note.subject for note in told] == ["1", "3"]
