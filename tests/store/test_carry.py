"""A shared database carried out to a file and in from one: nothing is lost on the way, whichever kind it is carried to."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.errors import Malformed, Misconfigured, Unavailable
from connector.ports import Replayed, Store
from connector.records import Layer, Note, View
from connector.storage import backup, sql, steps
from connector.storage.carry import carry_in, carry_out, look, of_server
from connector.storage.chain import verify
from connector.storage.postgres import open_postgres
from connector.storage.sqlite import SqliteStore, open_sqlite

from .conftest import LEASE, ManualClock, Opens, letter, read, view, write
from .server import PostgresServer
from .test_sharing import note

BYTES = b"\0bytes\xff" * 1000
IDS = ["a", "a\0", "a\0b", "a\1", "a\1\2", "x" * 5000 + "1", "x" * 5000 + "2", "ä" * 3000, "\0", "\1", "plain ä \U0001f50b"]


async def fill(store: Store, clock: ManualClock) -> None:
    """Something of everything, under ids that PostgreSQL cannot keep as they are."""
    async with store.transaction() as tx:
        for id in IDS:
            tx.put(view(id, grant=f"g{id}"))
        tx.put(Layer(id="EV/technical", owner="EV", part="technical", content='{"a": 1.50}'))
        tx.keep(BYTES)
        tx.note(Note(event="e", subject="nul \0\1 in it", data={"text": "ä\0", "number": 3}))
        for n, id in enumerate(IDS):
            tx.post(letter(f"l{id}", clock, process=f"p{n}", due=clock.now() + timedelta(seconds=n)))
        tx.once("peer", "used", clock.now() + timedelta(hours=1))
    await write(store, replace(view("a", version=1), title="Twice"))


async def contents(store: Store, clock: ManualClock) -> dict[str, Any]:
    """All that can be asked for."""
    async with store.transaction() as tx:
        found = {
            "views": [(one.id, one.version, one.title) for one in await tx.find(View)],
            "by key": {id: [one.id for one in await tx.find(View, grant=f"g{id}")] for id in IDS},
            "layers": [one.content for one in await tx.find(Layer, owner="EV")],
            "letters": [await tx.letters(f"p{n}") for n in range(len(IDS))],
            "blob": await tx.blob(hashlib.sha256(BYTES).hexdigest()),
        }
    found["views"].sort()
    with pytest.raises(Replayed):
        async with store.transaction() as tx:
            tx.once("peer", "used", clock.now())
    found["entries"] = [(e.writer, e.seq, e.event, e.subject, e.data, e.hash) for e in await store.chains()]
    found["outbox"] = await store.outbox()
    return found


def opened(path: Path, clock: ManualClock) -> SqliteStore:
    return open_sqlite(str(path), clock, lease=LEASE)


async def test_what_is_carried_out_is_a_database_that_holds_the_same(opens: Opens, url: str, clock: ManualClock, tmp_path: Path) -> None:
    store = await opens(writer="maker")
    await fill(store, clock)
    held = await contents(store, clock)
    target = tmp_path / "copy.db"
    assert await carry_out(url, store.writer, target) == len(sql.schema("sqlite")) == backup.look_over(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    copied = opened(target, clock)
    assert copied.writer == "maker"
    assert await contents(copied, clock) == held
    await note(copied, "goes on")  # type: ignore[arg-type]
    assert verify(await copied.chains(), all_chains=True) is None
    await copied.close()


async def test_what_is_carried_in_is_what_the_file_held(
    opens: Opens, postgres: PostgresServer, clock: ManualClock, tmp_path: Path
) -> None:
    file = opened(tmp_path / "one.db", clock)
    await fill(file, clock)
    held = await contents(file, clock)
    await file.close()
    place = postgres.url(await postgres.new_schema())
    assert await look(place) == ""
    assert await carry_in(place, tmp_path / "one.db", clock.now()) == ""
    store = await opens(place)
    assert store.writer == file.writer
    assert await contents(store, clock) == held
    clock.pass_(100)
    assert [one.id for one in await store.claim(clock.now())] == [f"l{id}" for id in IDS]  # nobody holds them, in their order
    await note(store, "goes on")
    assert verify(await store.chains(), all_chains=True) is None


async def test_a_copy_taken_while_three_processes_write_is_of_one_moment(
    opens: Opens, url: str, clock: ManualClock, tmp_path: Path
) -> None:
    stores = [await opens(quote_every=timedelta(milliseconds=5)) for _ in range(3)]
    over = asyncio.Event()

    async def busy(store: Store, lane: int) -> int:
        number = 0
        while not over.is_set():
            async with store.transaction() as tx:
                tx.put(view(f"{lane}-{number}-a"))
                tx.put(view(f"{lane}-{number}-b"))
                tx.note(Note(event="e", subject=f"{lane}-{number}"))
            number += 1
        return number

    writing = [asyncio.create_task(busy(store, lane)) for lane, store in enumerate(stores)]
    await asyncio.sleep(0.2)
    copies = [tmp_path / f"{n}.db" for n in range(3)]
    for target in copies:
        await of_server(url, lambda: stores[0].writer).copy(target)
    over.set()
    assert sum(await asyncio.gather(*writing)) > 30
    sizes = []
    for target in copies:
        copied = opened(target, clock)
        entries = await copied.chains()
        assert len({entry.writer for entry in entries}) == 3
        assert verify(entries, all_chains=True) is None
        async with copied.transaction() as tx:
            views = {one.id for one in await tx.find(View, limit=100_000)}
        assert views == {f"{entry.subject}-{half}" for entry in entries if entry.event == "e" for half in "ab"}
        sizes.append(len(views))
        await copied.close()
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


async def test_what_was_there_is_set_aside_whole_and_can_be_gone_back_to(
    opens: Opens, url: str, postgres: PostgresServer, clock: ManualClock, tmp_path: Path
) -> None:
    store = await opens(writer="maker")
    await fill(store, clock)
    await carry_out(url, store.writer, tmp_path / "copy.db")
    await write(store, view("later"))
    with pytest.raises(Misconfigured, match="in use") as refused:
        await carry_in(url, tmp_path / "copy.db", clock.now())
    assert refused.value.code == "store.in-use" and "Stop every process" in refused.value.next
    await store.close()
    assert "127.0.0.1" in await look(url)
    kept = await carry_in(url, tmp_path / "copy.db", clock.now())
    assert "_before_restore_20261124t120000z of 127.0.0.1" in kept
    again = await opens()
    assert await read(again, "a")
    assert await read(again, "later") is None
    await again.close()
    name = kept.split()[1]
    before = await opens(url.replace(url.rpartition("=")[2], name))
    assert await read(before, "later")
    await note(before, "goes on")
    await before.close()
    await carry_in(url, tmp_path / "copy.db", clock.now())  # at the same second: under another name
    assert len(await postgres.does(f"SELECT 1 FROM pg_namespace WHERE nspname LIKE '{name}%'")) == 2


async def test_an_idle_process_that_shares_the_database_is_a_running_node_too(
    opens: Opens, url: str, clock: ManualClock, tmp_path: Path
) -> None:
    first, second = await opens(), await opens()
    await carry_out(url, first.writer, tmp_path / "copy.db")
    await first.close()
    with pytest.raises(Misconfigured, match="in use"):
        await look(url)
    await second.close()
    await look(url)


async def test_a_restore_that_fails_half_way_leaves_the_database_as_it_was(
    opens: Opens, url: str, postgres: PostgresServer, clock: ManualClock, tmp_path: Path
) -> None:
    store = await opens(writer="maker")
    await fill(store, clock)
    held = await contents(store, clock)
    await carry_out(url, store.writer, tmp_path / "copy.db")
    await store.close()
    with sqlite3.connect(tmp_path / "copy.db") as file:
        file.execute("UPDATE nonce SET until = 9223372036854775807 + 1.0")  # the last table; no number of the server's
    file.close()
    schemas = await postgres.does("SELECT nspname FROM pg_namespace ORDER BY 1")
    with pytest.raises(Malformed):
        await carry_in(url, tmp_path / "copy.db", clock.now())
    assert await postgres.does("SELECT nspname FROM pg_namespace ORDER BY 1") == schemas
    assert await contents(await opens(), clock) == held


async def test_a_server_that_is_away_is_said_so_and_no_half_of_a_copy_counts(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        await carry_out("postgres://a:b@127.0.0.1:1/x", "w", tmp_path / "copy.db")
    assert refused.value.code == "backup.failed" and refused.value.why and refused.value.next
    with pytest.raises(Misconfigured):
        await look("postgres://a:b@127.0.0.1:1/x")


# --- a copy before a step of the schema ----------------------------------------------------------


async def test_a_copy_is_made_before_a_step_and_the_release_before_can_go_on_with_it(
    opens: Opens, url: str, postgres: PostgresServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opens(writer="maker")
    await fill(store, clock)
    held = await contents(store, clock)
    await store.close()
    known = sql.schema("postgres")
    with monkeypatch.context() as newer:
        newer.setattr(sql, "schema", lambda dialect: (*known, "ALTER TABLE record ADD COLUMN extra text; DELETE FROM letter;"))
        await (await opens()).close()
        assert (await look(url)) and (await steps.look(url)).endswith(f"schema {len(known) + 1}")
    schema = url.rpartition("=")[2]
    before = await opens(url.replace(schema, f"{schema}_schema_{len(known)}"))
    assert await contents(before, clock) == held
    await note(before, "goes on")
    clock.pass_(100)
    assert len(await before.claim(clock.now())) == len(IDS)
    with pytest.raises(Misconfigured, match="newer"):
        await open_postgres(url, clock)


async def test_without_a_place_for_the_copy_no_step_is_taken(
    opens: Opens, url: str, postgres: PostgresServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = url.rpartition("=")[2]
    await postgres.does(f"CREATE ROLE {schema} LOGIN PASSWORD 'secret'")
    await postgres.does(f"GRANT ALL ON SCHEMA {schema} TO {schema}")
    narrow = url.replace("//saltbridge:", f"//{schema}:")
    await (await opens(narrow)).close()
    known = sql.schema("postgres")
    with monkeypatch.context() as newer:
        newer.setattr(sql, "schema", lambda dialect: (*known, "ALTER TABLE record ADD COLUMN extra text;"))
        with pytest.raises(Misconfigured) as refused:
            await open_postgres(narrow, clock)
    assert "GRANT CREATE ON DATABASE" in refused.value.next
    store = await opens(narrow)  # as it was
    await write(store, view("a"))


def test_every_table_of_the_schema_is_among_those_that_are_carried() -> None:
    made = {name for text in sql.schema("postgres") for name in re.findall(r"CREATE TABLE (\w+)", text)}
    assert made == set(steps.TABLES)
