"""What only the shared store has: a server that is wrong, down, full, read-only, or gone in the middle of a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from connector.errors import Misconfigured, Unavailable
from connector.ports import Conflict, Store
from connector.records import Note, View
from connector.storage import change, sql
from connector.storage.chain import verify
from connector.storage.form import key_text, no_nul, with_nul
from connector.storage.postgres import PostgresStore, open_postgres
from connector.storage.steps import look

from .conftest import ManualClock, Opens, letter, read, view, write
from .server import PostgresServer

ROOT = Path(__file__).resolve().parents[2]


async def eventually(store: Store, *records: View) -> None:
    """Write as soon as the database can be used again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await write(store, *records)
            except Unavailable:
                await asyncio.sleep(0.05)


# --- at the start --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgres://saltbridge:hidden@127.0.0.1:{free}/postgres", "nobody answers"),
        ("postgres://saltbridge:hidden@127.0.0.1:{port}/postgres", "password"),
        ("postgres://nobody:hidden@127.0.0.1:{port}/postgres", "password"),
        ("postgres://saltbridge:secret@127.0.0.1:{port}/nowhere", "no database"),
        ("postgres://saltbridge:secret@127.0.0.1:{port}/postgres?search_path=nowhere", "no schema"),
        ("postgres://saltbridge:secret@127.0.0.1:{port}/postgres?search_path=public&default_transaction_read_only=on", "only be read"),
    ],
)
async def test_a_server_that_does_not_serve_is_named_without_its_password(
    postgres: PostgresServer, clock: ManualClock, url: str, why: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        await open_postgres(url.format(port=postgres.port, free=1), clock)
    assert "127.0.0.1" in refused.value.what
    assert why in refused.value.why
    assert refused.value.next
    assert "hidden" not in str(refused.value)


async def test_a_database_without_unicode_is_refused(postgres: PostgresServer, clock: ManualClock) -> None:
    await postgres.does("CREATE DATABASE narrow ENCODING 'SQL_ASCII' TEMPLATE template0")
    with pytest.raises(Misconfigured) as refused:
        await open_postgres(postgres.url("public").replace("/postgres?", "/narrow?"), clock)
    assert "SQL_ASCII" in refused.value.why
    assert refused.value.next


@pytest.mark.parametrize("tables", ["CREATE TABLE meta (a text)", "CREATE TABLE letter (a text)", "CREATE VIEW record AS SELECT 1 AS a"])
async def test_a_strangers_tables_are_left_alone(postgres: PostgresServer, url: str, clock: ManualClock, tables: str) -> None:
    schema = url.rpartition("=")[2]
    await postgres.does(tables, schema)
    with pytest.raises(Misconfigured) as refused:
        await open_postgres(url, clock)
    assert "another program" in refused.value.why
    left = await postgres.does(f"SELECT relname FROM pg_class WHERE relnamespace = '{schema}'::regnamespace AND relkind IN ('r', 'v')")
    assert len(left) == 1


async def test_a_newer_schema_is_refused(opens: Opens, postgres: PostgresServer, url: str, clock: ManualClock) -> None:
    await (await opens()).close()
    await postgres.does("UPDATE meta SET value = '999' WHERE name = 'schema'", url.rpartition("=")[2])
    with pytest.raises(Misconfigured) as refused:
        await open_postgres(url, clock)
    assert "newer" in refused.value.what
    assert "999" in refused.value.why


async def test_a_look_says_what_is_there_and_changes_nothing(opens: Opens, postgres: PostgresServer, url: str) -> None:
    assert re.fullmatch(rf"PostgreSQL \d+ at 127\.0\.0\.1:{postgres.port}/postgres, .* [kM]B, empty", await look(url))
    assert await postgres.does("SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace", url.rpartition("=")[2]) == []
    await opens()
    assert (await look(url)).endswith(f"schema {len(sql.schema('postgres'))}")
    await postgres.does("UPDATE meta SET value = '0' WHERE name = 'schema'", url.rpartition("=")[2])
    for wrong, why in ((url.replace("secret", "hidden"), "password"), (url.replace(str(postgres.port), "1"), "nobody answers")):
        with pytest.raises(Misconfigured) as refused:
            await look(wrong)
        assert why in refused.value.why
        assert "hidden" not in str(refused.value)


# --- steps of the schema -------------------------------------------------------------------------


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of schema steps of a release to come, as this one's; a test adds steps."""
    shutil.copytree(sql.HERE / "schema", tmp_path / "release" / "schema")
    monkeypatch.setattr(sql, "HERE", tmp_path / "release")
    return tmp_path / "release" / "schema"


def _next(folder: Path) -> Path:
    return folder / f"postgres-{len(list(folder.glob('postgres-*.sql'))) + 1}.sql"


async def test_a_step_forward_is_taken_once_by_processes_that_start_together(
    opens: Opens, next_release: Path, postgres: PostgresServer
) -> None:
    store = await opens()
    await write(store, view("a"))
    await store.close()
    step = _next(next_release)
    step.write_text("ALTER TABLE record ADD COLUMN extra text; UPDATE record SET extra = 'x';")
    stores = await asyncio.gather(*(opens() for _ in range(4)))
    for store in stores:
        assert await read(store, "a")
    assert len({store.writer for store in stores}) == 4


async def test_a_step_that_fails_leaves_the_database_as_it_was(opens: Opens, next_release: Path, clock: ManualClock, url: str) -> None:
    store = await opens()
    await write(store, view("a"))
    await store.close()
    step = _next(next_release)
    step.write_text("DELETE FROM record; ALTER TABLE nowhere ADD COLUMN a text;")
    with pytest.raises(Misconfigured) as refused:
        await open_postgres(url, clock)
    assert "nowhere" in refused.value.why
    step.unlink()
    assert await read(await opens(), "a")


# --- while it runs -------------------------------------------------------------------------------


async def test_a_server_that_is_down_is_unavailable_and_all_goes_on_when_it_is_back(opens: Opens, postgres: PostgresServer) -> None:
    clock = ManualClock()
    store = await opens(lease=timedelta(seconds=5))
    await write(store, view("a"))
    name = store.writer
    async with store.transaction() as tx:
        tx.post(letter("l", clock))
    await store.claim(clock.now())
    waiting = asyncio.create_task(store.wait(clock.now() - timedelta(hours=1)))
    await asyncio.sleep(0.05)
    await postgres.stop("immediate")
    try:
        for attempt in (write(store, view("b")), read(store, "a"), store.audit(), store.outbox()):
            with pytest.raises(Unavailable) as refused:
                await attempt
            assert refused.value.why
            assert refused.value.next
            assert refused.value.retry_after
        assert await store.claim(clock.now()) == []  # the loop of letters goes on waiting
        await store.release(["l"])
    finally:
        await postgres.start()
    async with asyncio.timeout(20):
        await waiting  # woken, to look again
    await eventually(store, view("b"))
    assert await read(store, "a")
    assert await read(store, "b")
    assert store.writer == name
    clock.pass_(5)
    async with asyncio.timeout(20):
        while not (letters := await store.claim(clock.now())):
            clock.pass_(5)
            await store.wait(clock.now())
    assert [one.id for one in letters] == ["l"]


async def test_sessions_that_are_ended_one_by_one_are_made_anew(opens: Opens, postgres: PostgresServer) -> None:
    clock = ManualClock()
    store, other = await opens(writer="one"), await opens(writer="two")
    await write(store, view("a"))
    for round in range(3):
        await postgres.does(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        await eventually(store, view(f"r{round}"))
        await eventually(other, view(f"o{round}"))
    assert (store.writer, other.writer) == ("one", "two")
    async with asyncio.timeout(10):
        while other._outbox._connection is None or other._outbox._connection.is_closed():
            await asyncio.sleep(0.02)
    assert await other.claim(clock.now()) == []
    waiting = asyncio.create_task(other.wait(clock.now()))
    await asyncio.sleep(0.05)
    async with store.transaction() as tx:
        tx.post(letter("l", clock))
    async with asyncio.timeout(5):
        await waiting  # it listens again


async def test_a_full_disk_fails_the_commit_whole_and_passes(opens: Opens, postgres: PostgresServer, url: str) -> None:
    store, schema = await opens(), url.rpartition("=")[2]
    await write(store, view("a"))
    await postgres.does(
        f"""DO $do$ BEGIN
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON {schema}.blob EXECUTE FUNCTION full_disk(); END $do$""",
        schema,
    )
    with pytest.raises(Unavailable) as refused:
        async with store.transaction() as tx:
            tx.put(view("b"))
            tx.note(Note(event="e", subject="b"))
            tx.keep(b"x")
    assert "full" in refused.value.why
    assert refused.value.next
    assert refused.value.retry_after
    assert await read(store, "b") is None
    assert await store.audit() == []
    await postgres.does("DROP TRIGGER full_disk ON blob", schema)
    await write(store, view("b"))
    assert await read(store, "b")


async def test_a_database_that_may_only_be_read_is_said_so_and_read(opens: Opens, postgres: PostgresServer) -> None:
    store = await opens()
    await write(store, view("a"))
    await postgres.does("ALTER SYSTEM SET default_transaction_read_only = on")
    await postgres.does("SELECT pg_reload_conf()")
    try:
        with pytest.raises(Unavailable) as refused:
            async with asyncio.timeout(5):
                for n in range(1000):  # the server takes a moment to hear of it
                    await write(store, view(f"b{n}"))
        assert "only be read" in refused.value.why
        assert await read(store, "a")
    finally:
        connection = await asyncpg.connect(postgres.url("public"))
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
    await eventually(store, view("c"))


async def test_another_session_that_holds_a_lock_is_named(opens: Opens, postgres: PostgresServer, url: str) -> None:
    store = await opens(f"{url}&lock_timeout=100ms")
    await write(store, view("a"))
    other = await asyncpg.connect(url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("LOCK TABLE record IN EXCLUSIVE MODE")
    with pytest.raises(Unavailable) as refused:
        await write(store, view("b"))
    assert "another session" in refused.value.why
    await transaction.rollback()
    await other.close()
    await write(store, view("b"))


# --- in the middle of a sentence -----------------------------------------------------------------


class Cutter:
    """Passes bytes between a store and its server, and cuts the wire at the commit that a test names."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener: asyncio.Server | None = None
        self.before: bytes = b""  # cut when this is about to go to the server
        self.after: bytes = b""  # cut when the server answers to this
        self.cuts = 0
        self.away_after_cut = 0.0  # seconds in which nobody gets through then
        self._away_until = 0.0
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Cutter:
        self._listener = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener
        self._listener.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._listener
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def instead_of(self, url: str) -> str:
        """The database behind this wire."""
        return url.replace(f":{urlsplit(url).port}/", f":{self.port}/")

    def _cut(self) -> None:
        self.cuts += 1
        self._away_until = asyncio.get_running_loop().time() + self.away_after_cut

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asyncio.get_running_loop().time() < self._away_until:
            writer.close()
            return
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            muted = asyncio.Event()
            self._writers += [writer, back]

            async def answers() -> None:
                with contextlib.suppress(OSError):
                    while data := await there.read(65536):
                        if muted.is_set():
                            break
                        writer.write(data)
                writer.close()

            task = asyncio.create_task(answers())
            while data := await reader.read(65536):
                if self.before and self.before in data:
                    self.before = b""
                    self._cut()
                    break
                if self.after and self.after in data:
                    self.after = b""
                    self._cut()
                    muted.set()
                back.write(data)
            back.close()
            writer.close()
            await task


@pytest.fixture
async def cutter(postgres: PostgresServer) -> AsyncIterator[Cutter]:
    async with Cutter(postgres.port) as cutter:
        yield cutter


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_commit_whose_wire_is_cut_is_written_exactly_once_and_told_so(opens: Opens, url: str, cutter: Cutter, cut: str) -> None:
    through = await opens(cutter.instead_of(url))
    await write(through, view("first"))
    setattr(cutter, cut, b"the one that is cut")

    async def unit() -> None:
        async with through.transaction() as tx:
            tx.put(View(id="a", title="the one that is cut", grant="g"))
            tx.note(Note(event="e", subject="a"))

    async with asyncio.timeout(20):
        await unit()
    assert cutter.cuts == 1
    assert await read(through, "a")
    assert [entry.subject for entry in await through.audit()] == ["a"]
    with pytest.raises(Conflict):
        await write(through, view("a"))
    assert verify(await through.audit()) is None


# --- what it keeps -------------------------------------------------------------------------------


async def test_ids_and_keys_of_any_length_and_with_any_character_are_kept_found_and_paged(opens: Opens, clock: ManualClock) -> None:
    store = await opens()
    ids = sorted(["a", "a\0", "a\0b", "a\1", "a\1\2", "a\2", "x" * 5000 + "1", "x" * 5000 + "2", "ä" * 3000, "\0", "\1"])
    async with store.transaction() as tx:
        for id in ids:
            tx.put(view(id, grant=id))
        tx.note(Note(event="e", subject="nul \0\1 in it"))
        tx.post(letter("l" * 4000, clock, process="p" * 4000))
        tx.once("i" * 4000, "n\0" * 2000, clock.now())
    met: list[str] = []
    async with store.transaction() as tx:
        for id in ids:
            found = await tx.get(View, id)
            assert found and found.id == id
            assert [one.id for one in await tx.find(View, grant=id)] == [id]
            assert await tx.count(View, grant=id) == 1
        while page := await tx.find(View, after=met[-1] if met else "", limit=2):
            met += [one.id for one in page]
        assert [one.id for one in await tx.letters("p" * 4000)] == ["l" * 4000]
        assert [one.id for one in await tx.find(View, prefix="a\0")] == ["a\0", "a\0b"]
    assert sorted(met) == ids
    assert [one for one in met if len(one) < 100] == [one for one in ids if len(one) < 100]
    assert [entry.subject for entry in await store.audit()] == ["nul \0\1 in it"]
    assert verify(await store.audit()) is None
    async with store.transaction() as tx:
        for id in ids:
            tx.delete(View, id)
    async with store.transaction() as tx:
        assert await tx.count(View) == 0


def test_key_text_keeps_the_order_and_no_nul_comes_back() -> None:
    texts = ["", "\0", "\0\0", "\0\1", "\1", "\1\0", "\1\1", "\1\2", "\2", "a", "a\0", "a\0b", "a\1", "aa", "ä", "\U0001f50b"]
    assert sorted(texts) == sorted(texts, key=lambda text: key_text(text).encode())
    assert [with_nul(no_nul(text)) for text in texts] == texts
    assert len({key_text(text) for text in texts}) == len(texts)
    assert len(key_text("\U0001f50b" * 10_000).encode()) < 900


async def test_nonces_of_expired_tokens_are_forgotten(opens: Opens, clock: ManualClock, postgres: PostgresServer, url: str) -> None:
    store = await opens()

    async def use(nonce: str, seconds: float) -> None:
        async with store.transaction() as tx:
            tx.once("peer", nonce, clock.now() + timedelta(seconds=seconds))

    await use("short", 10)
    await use("long", 1000)
    clock.pass_(100)
    await use("later", 10)
    kept = await postgres.does("SELECT nonce FROM nonce", url.rpartition("=")[2])
    assert {row["nonce"] for row in kept} == {"long", "later"}


async def test_a_value_that_cannot_be_written_is_not_taken_for_an_outage(opens: Opens, clock: ManualClock) -> None:
    store, broken = await opens(), "\ud800"
    with pytest.raises(ValueError, match="surrogates"):
        await read(store, broken)

    async def use(nonce: str) -> None:
        async with store.transaction() as tx:
            tx.once("peer", nonce, clock.now())

    results = await asyncio.gather(*(use(nonce) for nonce in ("a", broken, "b")), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["NoneType", "ValueError", "NoneType"]  # it fails only its own


async def test_durability_is_the_servers_unless_it_is_given_up(opens: Opens) -> None:
    for synchronous, setting in (("FULL", "on"), ("NORMAL", "off")):
        store: PostgresStore = await opens(synchronous=synchronous)
        assert store._writer._connection
        assert await store._writer._connection.fetchval("SHOW synchronous_commit") == setting


def test_every_statement_is_described_and_used() -> None:
    folder = ROOT / "connector" / "storage"
    using = ("snapshots", "outbox", "writers", "postgres", "change", "carry")
    text = "".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in using)
    used = set(re.findall(r'"([a-z]+(?:_[a-z_]+)?)"', text))
    assert set(sql.load(folder / "postgres.sql")) <= used


def test_each_part_of_a_commit_says_how_many_rows_it_must_touch() -> None:
    for part, proof in change._PARTS.items():
        returns = "RETURNING 1" in change._QUERIES[part].text
        assert returns == bool(proof), part
