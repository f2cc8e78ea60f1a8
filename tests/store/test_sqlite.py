"""What only the file store has: the lock, the schema, the disk, the sudden end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from connector.errors import Misconfigured, Unavailable
from connector.storage import sql
from connector.storage.chain import verify
from connector.storage.sqlite import SqliteStore, open_sqlite

from .conftest import ManualClock, read, view, write

ROOT = Path(__file__).resolve().parents[2]


async def test_a_second_node_on_the_same_database_is_refused_by_name(tmp_path: Path, clock: ManualClock) -> None:
    path = str(tmp_path / "node.db")
    first = open_sqlite(path, clock)
    with pytest.raises(Misconfigured) as refused:
        open_sqlite(path, clock)
    assert path in refused.value.what
    assert str(os.getpid()) in refused.value.why
    assert refused.value.next
    await first.close()
    await open_sqlite(path, clock).close()


async def test_the_file_is_for_its_owner_only(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "node.db"
    store = open_sqlite(str(path), clock)
    await write(store, view("a"))
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    await store.close()


async def test_the_first_writer_name_stays(tmp_path: Path, clock: ManualClock) -> None:
    path = str(tmp_path / "node.db")
    for given in ("w-1", "w-2", ""):
        store = open_sqlite(path, clock, writer=given)
        assert store.writer == "w-1"
        await store.close()


BAD_PLACES = ["missing folder", "a folder", "not a database", "another program's", "newer", "read-only file", "read-only folder"]


@pytest.mark.parametrize("place", BAD_PLACES)
async def test_a_database_that_cannot_serve_is_named_with_the_remedy(tmp_path: Path, clock: ManualClock, place: str) -> None:
    if "read-only" in place and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path = tmp_path / "node.db"
    if place == "missing folder":
        path = tmp_path / "nowhere" / "node.db"
    elif place == "a folder":
        path.mkdir()
    elif place == "not a database":
        path.write_bytes(b"no database" * 1000)
    elif place == "another program's":
        sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close()
    else:
        await open_sqlite(str(path), clock).close()
        if place == "newer":
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE meta SET value = '999' WHERE name = 'schema'")
            connection.close()
        elif place == "read-only file":
            path.chmod(0o400)
        else:
            tmp_path.chmod(0o500)
    before = path.read_bytes() if path.is_file() else b""
    try:
        with pytest.raises(Misconfigured) as refused:
            open_sqlite(str(path), clock)
    finally:
        tmp_path.chmod(0o700)
    assert str(path) in refused.value.what
    assert refused.value.why
    assert refused.value.next
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_an_unknown_durability_is_refused(clock: ManualClock) -> None:
    with pytest.raises(Misconfigured):
        open_sqlite(":memory:", clock, synchronous="OFF; DROP TABLE record")


async def test_power_loss_durability_is_the_default(tmp_path: Path, clock: ManualClock) -> None:
    store = open_sqlite(str(tmp_path / "node.db"), clock)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await store.close()


async def test_a_full_disk_fails_the_commit_whole_and_passes(tmp_path: Path, clock: ManualClock) -> None:
    store = open_sqlite(str(tmp_path / "node.db"), clock)
    await write(store, view("a"))
    [(pages,)] = store._connection.execute("PRAGMA page_count").fetchall()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable) as refused:
        async with store.transaction() as tx:
            tx.put(view("b"))
            tx.keep(b"x" * 1_000_000)
    assert "full" in refused.value.why
    assert refused.value.next
    assert refused.value.retry_after
    assert await read(store, "b") is None
    store._connection.execute("PRAGMA max_page_count = 1000000")
    await write(store, view("b"))
    assert await read(store, "b")
    await store.close()


async def test_another_program_holding_the_file_is_named(tmp_path: Path, clock: ManualClock) -> None:
    path = str(tmp_path / "node.db")
    store = open_sqlite(path, clock)
    store._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as refused:
        await write(store, view("a"))
    assert "another program" in refused.value.why
    other.execute("ROLLBACK")
    other.close()
    await write(store, view("a"))
    await store.close()


async def test_nonces_of_expired_tokens_are_forgotten(clock: ManualClock) -> None:
    store = open_sqlite(":memory:", clock)

    async def use(nonce: str, seconds: float) -> None:
        async with store.transaction() as tx:
            tx.once("peer", nonce, clock.now() + timedelta(seconds=seconds))

    await use("short", 10)
    await use("long", 1000)
    clock.pass_(100)
    await use("later", 10)
    assert {nonce for (nonce,) in store._connection.execute("SELECT nonce FROM nonce")} == {"long", "later"}
    await store.close()


_WRITER = """
import asyncio, os, sys
from connector.ports import SystemClock
from connector.records import Note, View
from connector.storage.sqlite import open_sqlite

async def main() -> None:
    store = open_sqlite(sys.argv[1], SystemClock())
    async def one(lane: int) -> None:
        for n in range(10_000):
            async with store.transaction() as tx:
                tx.put(View(id=f"{lane}-{n}", title="t", grant="g"))
                tx.note(Note(event="view", subject=f"{lane}-{n}"))
            os.write(1, f"{lane}-{n}\\n".encode())
    await asyncio.gather(*[one(lane) for lane in range(8)])

asyncio.run(main())
"""


async def test_what_was_committed_outlives_a_kill_and_nothing_is_half_there(tmp_path: Path, clock: ManualClock) -> None:
    path = str(tmp_path / "node.db")
    process = subprocess.Popen([sys.executable, "-c", _WRITER, path], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout
    promised = [process.stdout.readline().decode().strip() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    promised += process.stdout.read().decode().split()
    process.wait()
    process.stdout.close()
    store: SqliteStore = open_sqlite(path, clock)  # the lock died with its holder
    entries = await store.audit(limit=100_000)
    assert verify(entries) is None
    noted = {entry.subject for entry in entries}
    assert set(promised) <= noted
    assert len(promised) >= 200
    for id in noted:
        assert await read(store, id)
    async with store.transaction() as tx:
        assert await tx.count(type(view("a"))) == len(noted)
    await store.close()


def test_every_statement_is_described_and_used() -> None:
    folder = ROOT / "connector" / "storage"
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("sqlite.py", "sqlite_reader.py"))
    used = set(re.findall(r'"([a-z]+_[a-z_]+)"', text))
    assert set(sql.load()) <= used


def test_a_block_without_description_or_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.sql"
    for text in ("-- :name a\nSELECT 1;\n", "-- :name a\n-- What for.\n", "-- :name a\n-- A.\nSELECT 1;\n-- :name a\n-- A.\nSELECT 1;\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match="block a"):
            sql.load(path)


# --- steps of the schema -------------------------------------------------------------------------


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The schema step of a release to come, to be written by the test."""
    shutil.copytree(sql.HERE / "schema", tmp_path / "release" / "schema")
    monkeypatch.setattr(sql, "HERE", tmp_path / "release")
    folder = tmp_path / "release" / "schema"
    return folder / f"sqlite-{len(list(folder.glob('sqlite-*.sql'))) + 1}.sql"


async def test_a_step_forward_keeps_a_copy_of_what_was_and_says_where(
    tmp_path: Path, clock: ManualClock, next_release: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "node.db"
    store = open_sqlite(str(path), clock)
    await write(store, view("a"))
    await store.close()
    before = len(sql.schema("sqlite"))
    next_release.write_text("ALTER TABLE record ADD COLUMN extra TEXT; DELETE FROM record;")
    store = open_sqlite(str(path), clock)
    assert await read(store, "a") is None
    await store.close()
    copy = tmp_path / f"node.db.schema-{before}"
    assert str(copy) in [str(record.__dict__["fields"]["backup"]) for record in caplog.records if record.getMessage() == "schema"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.glob("node.db*.part")) == []
    next_release.unlink()
    kept = open_sqlite(str(copy), clock)
    assert await read(kept, "a")
    await kept.close()


async def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, clock: ManualClock, next_release: Path) -> None:
    path = tmp_path / "node.db"
    store = open_sqlite(str(path), clock)
    await write(store, view("a"))
    await store.close()
    next_release.write_text("DELETE FROM record; ALTER TABLE nowhere ADD COLUMN a TEXT;")
    for _ in range(2):
        with pytest.raises(Misconfigured) as refused:
            open_sqlite(str(path), clock)
        assert "nowhere" in refused.value.why
    assert len(list(tmp_path.glob("node.db.schema-*"))) == 2  # no copy is ever written over
    next_release.unlink()
    store = open_sqlite(str(path), clock)
    assert await read(store, "a")
    await store.close()


async def test_no_step_is_taken_where_no_copy_can_be_kept(tmp_path: Path, clock: ManualClock, next_release: Path) -> None:
    path = tmp_path / "node.db"
    store = open_sqlite(str(path), clock)
    await write(store, view("a"))
    await store.close()
    before = len(sql.schema("sqlite"))
    next_release.write_text("DELETE FROM record;")
    (tmp_path / f"node.db.schema-{before}.part").mkdir()
    with pytest.raises(Misconfigured) as refused:
        open_sqlite(str(path), clock)
    assert refused.value.why
    next_release.unlink()
    store = open_sqlite(str(path), clock)
    assert await read(store, "a")
    await store.close()


async def test_a_new_file_is_not_copied(tmp_path: Path, clock: ManualClock) -> None:
    await open_sqlite(str(tmp_path / "node.db"), clock).close()
    assert not list(tmp_path.glob("node.db.schema*"))
