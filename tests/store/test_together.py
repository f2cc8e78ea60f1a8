"""Units that end in one tick are written statement by statement; what is stored is as if each were written by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.ports import Conflict, Replayed, SystemClock, Transaction
from connector.records import Letter, Note, View
from connector.storage import chain
from connector.storage.sqlite import SqliteStore, open_sqlite
from connector.storage.together import gathered, write_all
from connector.storage.work import UnitOfWork, Work

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2099, 1, 1, tzinfo=UTC)


def view(id: str, grant: str = "g") -> View:
    return View(id=id, title="A view", grant=grant)


def letter(id: str, process: str = "p") -> Letter:
    return Letter(id=id, process_kind="negotiation", process=process, purpose="turn", posted=NOW, due=NOW)


async def _unit(store: SqliteStore, number: int) -> None:
    async with store.transaction() as tx:
        tx.once("peer", f"nonce-{number}", LATER)
        tx.put(view(f"v{number}", f"g{number}"))
        tx.post(letter(f"l{number}"))
        tx.post(letter(f"gone{number}"))
        tx.drop(f"gone{number}")
        tx.note(Note(event="view.changed", subject=f"v{number}", data={"number": number}))


def _stored(path: Path) -> list[list[tuple[Any, ...]]]:
    connection = sqlite3.connect(path)
    try:
        tables = ("kind, id, body FROM record", "kind, name, value, id FROM record_key", "id, process, body FROM letter")
        selected = [connection.execute(f"SELECT {each} ORDER BY 1, 2, 3").fetchall() for each in tables]
        return [*selected, connection.execute("SELECT seq, event, subject, data FROM audit ORDER BY seq").fetchall()]
    finally:
        connection.close()


async def test_units_of_one_tick_leave_what_units_of_many_ticks_leave(tmp_path: Path) -> None:
    one, many = (open_sqlite(str(tmp_path / name), SystemClock(), writer="w") for name in ("one.db", "many.db"))
    await asyncio.gather(*(_unit(one, number) for number in range(20)))
    for number in range(20):
        await _unit(many, number)
    assert chain.verify(await one.chains()) is None
    for store in (one, many):
        await store.close()
    assert _stored(tmp_path / "one.db") == _stored(tmp_path / "many.db")


@pytest.mark.parametrize("spoilt", [Conflict, Replayed])
async def test_of_many_units_in_one_tick_only_the_refused_one_falls(tmp_path: Path, spoilt: type[Exception]) -> None:
    store = open_sqlite(str(tmp_path / "s.db"), SystemClock())
    await _unit(store, 3)

    async def bad() -> None:
        async with store.transaction() as tx:
            tx.put(view("new"))
            tx.put(view("v3")) if spoilt is Conflict else tx.once("peer", "nonce-3", LATER)

    results = await asyncio.gather(_unit(store, 1), bad(), _unit(store, 2), return_exceptions=True)
    assert [type(each) for each in results] == [type(None), spoilt, type(None)]
    async with store.transaction() as tx:
        assert [each.id for each in await tx.find(View)] == ["v1", "v2", "v3"]
    assert chain.verify(await store.chains()) is None
    await store.close()


class _Nothing:
    """Committed state in which there is nothing."""

    async def get(self, kind: str, id: str) -> None:
        return None


def _works(*changes: Any) -> Sequence[Work]:
    works = []
    for change in changes:
        unit = UnitOfWork(_Nothing())  # type: ignore[arg-type]
        change(unit)
        works.append(unit.work)
    return works


def _removing(tx: Transaction) -> None:
    tx.delete(View, "a")


def _blind(tx: Transaction) -> None:
    tx.put(View(id="a", version=3, title="", grant=""))


def _new(tx: Transaction) -> None:
    tx.put(view("a"))


def test_removals_unread_records_and_two_writes_of_one_record_go_one_by_one() -> None:
    assert gathered(_works(_new)) is not None
    assert gathered(_works(_removing)) is None
    assert gathered(_works(_blind)) is None
    assert gathered(_works(_new, _new)) is None


def test_a_row_that_is_there_already_is_a_refusal() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE nonce (issuer TEXT, nonce TEXT, until INTEGER, PRIMARY KEY (issuer, nonce))")
    rows = gathered(_works(lambda tx: tx.once("a", "b", NOW), lambda tx: tx.once("a", "b", NOW)))
    assert rows is not None
    assert not write_all(connection, rows)
    connection.close()
