"""A database of several hosts: whichever takes writes is found, and what was told to be written is there after the primary is gone."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from connector.errors import Misconfigured, Unavailable
from connector.ports import SystemClock
from connector.records import Note, View
from connector.settings import Store as StoreSettings
from connector.storage import writers
from connector.storage.chain import verify
from connector.storage.hosts import PAUSE, Host, Line, check, hosts
from connector.storage.postgres import PostgresStore, open_postgres
from scripts.lib import cluster_database
from scripts.lib.cluster_database import Database

from .conftest import Opens, letter, read, view, write
from .server import PostgresServer, why_not
from .test_postgres import Cutter
from .test_sharing import note

# --- the URL -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgres://u:p@a/db", [("a", None)]),
        ("postgres://u:p@a:1,b:2/db?target_session_attrs=read-write", [("a", 1), ("b", 2)]),
        ("postgresql://u:p%40x@[fd00::1]:6432,a,10.0.0.3/db", [("fd00::1", 6432), ("a", None), ("10.0.0.3", None)]),
        ("postgres:///db?host=/run/postgresql", []),
    ],
)
def test_the_hosts_of_a_url_are_read_in_order(url: str, found: list[tuple[str, int | None]]) -> None:
    assert hosts(url) == tuple(Host(*each) for each in found)
    assert StoreSettings(url=url).url == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgres://u:p@a:port/db", "cannot be read"),
        ("postgres://u:p@a:70000,b/db", "cannot be read"),
        ("postgres://u:p@a,fd00::1/db", "cannot be read"),
        ("postgres://u:p@a,[fd00::1]/db", "IPv6 address behind"),
        ("postgres://u:p@[fd00::2],[fd00::1]/db", "IPv6 address behind"),
        ("postgres://u:p@a,b/db?target_session_attrs=standby", "a node writes"),
        ("postgres://u:p@a,b/db?target_session_attrs=read-only", "a node writes"),
    ],
)
def test_a_url_that_cannot_serve_is_refused_when_it_is_read(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(url)
    with pytest.raises(ValueError, match=why):
        StoreSettings(url=url)


# --- reaching ------------------------------------------------------------------------------------


class Network:
    """Hosts that answer or do not, and who was asked."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def connect(self, host: Host | None, seconds: float) -> str:
        assert host is not None
        self.asked.append(host.name)
        answer = self.answers[host.name]
        if isinstance(answer, BaseException):
            raise answer
        return f"session at {host.name}"


async def test_the_host_that_served_last_is_asked_first_and_one_that_is_gone_hides_no_other() -> None:
    network = Network(a=TimeoutError(), b="here", c="here")
    line = Line(hosts("postgres://a,b,c/db"))
    assert await line.reach(network.connect, (OSError,)) == "session at b"
    assert await line.reach(network.connect, (OSError,)) == "session at b"
    assert network.asked == ["a", "b", "b"]
    network.answers["b"] = ConnectionRefusedError()
    network.answers["a"] = "here"
    assert await line.reach(network.connect, (OSError,)) == "session at a"


async def test_right_after_nobody_was_there_nobody_is_asked_again() -> None:
    now = [100.0]
    network = Network(a=ConnectionRefusedError("a"), b=ValueError("b says no"), c=TimeoutError("c"))
    line = Line(hosts("postgres://a,b,c/db"), clock=lambda: now[0])
    for _ in range(50):
        with pytest.raises(ValueError, match="b says no"):  # who answered says more than who is gone
            await line.reach(network.connect, (OSError, ValueError))
    assert network.asked == ["a", "b", "c"]
    now[0] += PAUSE
    network.answers["c"] = "here"
    assert await line.reach(network.connect, (OSError, ValueError)) == "session at c"
    assert line.failed is None


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port whose host takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


async def test_a_host_that_says_nothing_costs_seconds_and_not_the_database(postgres: PostgresServer, url: str, black_hole: int) -> None:
    several = url.replace("127.0.0.1:", f"127.0.0.1:{black_hole},127.0.0.1:")
    async with asyncio.timeout(10):
        store = await open_postgres(several, SystemClock())
    await write(store, view("a"))
    assert await read(store, "a")
    await store.close()


# --- the primary is lost -------------------------------------------------------------------------


@pytest.fixture
def database() -> Iterator[Database]:
    """A primary with a synchronous standby of this test's own."""
    if reason := why_not():
        pytest.skip(reason)
    ready, over, found = threading.Event(), threading.Event(), []

    def serve() -> None:  # made outside of the test's loop: it runs one of its own
        with cluster_database.running() as made:
            found.append(made)
            ready.set()
            over.wait(100)

    thread = threading.Thread(target=serve)
    thread.start()
    while thread.is_alive() and not ready.wait(0.1):
        pass
    assert found
    yield found[0]
    over.set()
    thread.join()


@pytest.fixture
async def two(database: Database) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    async with AsyncExitStack() as stack:
        stores = [await open_postgres(database.url, SystemClock(), writer=name) for name in ("one", "two")]
        for store in stores:
            stack.push_async_callback(store.close)
        yield stores[0], stores[1]


async def ready(store: PostgresStore) -> bool:
    """What /health/ready asks."""
    try:
        return await store.outbox() == (0, None)
    except Unavailable as away:
        assert away.retry_after and away.why and away.next
        return False


async def test_what_was_told_to_be_written_is_in_the_promoted_database_once(
    two: tuple[PostgresStore, PostgresStore], database: Database
) -> None:
    told: list[str] = []
    over = asyncio.Event()

    async def busy(store: PostgresStore, lane: str) -> None:
        number = 0
        while not over.is_set():
            id = f"{lane}-{number}"
            try:
                async with store.transaction() as tx:
                    tx.put(view(id))
                    tx.note(Note(event="e", subject=id))
                told.append(id)
            except Unavailable:
                await asyncio.sleep(0.05)
            number += 1

    lanes = [asyncio.create_task(busy(store, f"{store.writer}{n}")) for store in two for n in range(4)]
    listening = asyncio.create_task(two[1].wait(SystemClock().now()))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(database.fail)
    before = len(told)
    assert before > 20
    await asyncio.sleep(0.5)
    assert not await ready(two[0])
    await asyncio.to_thread(database.promote)
    async with asyncio.timeout(30):
        while len(told) < before + 50:
            await asyncio.sleep(0.05)
        await listening  # woken, to look again
    over.set()
    await asyncio.gather(*lanes)
    async with asyncio.timeout(5):
        while not await ready(two[0]):
            await asyncio.sleep(0.02)
    async with two[0].transaction() as tx:
        kept = {one.id for one in await tx.find(View, limit=100_000)}
    entries = [entry for entry in await two[0].chains() if entry.event == "e"]
    assert set(told) <= kept
    assert sorted(entry.subject for entry in entries) == sorted(kept)  # each written whole, and once
    assert verify(await two[0].chains(), all_chains=True) is None
    assert (two[0].writer, two[1].writer) == ("one", "two")
    waiting = asyncio.create_task(two[1].wait(SystemClock().now()))
    await asyncio.sleep(0.05)
    async with two[0].transaction() as tx:
        tx.post(letter("l", SystemClock()))  # type: ignore[arg-type]
    await two[0].release(["l"])
    async with asyncio.timeout(5):
        while not await two[1].claim(SystemClock().now()):
            await waiting  # what one process says is heard by the other, after the failover too
            waiting = asyncio.create_task(two[1].wait(SystemClock().now()))


async def test_nothing_is_told_to_be_written_while_the_standby_does_not_have_it(
    two: tuple[PostgresStore, PostgresStore], database: Database
) -> None:
    await write(two[0], view("a"))
    await database.standby.stop("immediate")
    writing = asyncio.create_task(write(two[0], view("b")))
    await asyncio.sleep(1.0)
    assert not writing.done()
    await database.standby.start()
    async with asyncio.timeout(20):
        await writing


# --- a commit whose end nobody knows -------------------------------------------------------------


@pytest.fixture
async def cutter(postgres: PostgresServer) -> AsyncIterator[Cutter]:
    async with Cutter(postgres.port) as cutter:
        yield cutter


async def cut_and_away(store: PostgresStore, cutter: Cutter, cut: str, seconds: float) -> None:
    """A unit whose commit is cut, with a database that stays away for a while."""
    setattr(cutter, cut, b"the one that is cut")
    cutter.away_after_cut = seconds
    async with store.transaction() as tx:
        tx.put(View(id="a", title="the one that is cut", grant="g"))
        tx.note(Note(event="e", subject="a"))


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_cut_commit_waits_for_the_database_and_is_written_exactly_once(opens: Opens, url: str, cutter: Cutter, cut: str) -> None:
    store = await opens(cutter.instead_of(url))
    await write(store, view("first"))
    unit = asyncio.create_task(cut_and_away(store, cutter, cut, 1.5))
    async with asyncio.timeout(10):
        while not cutter.cuts or store._writer.away is None:
            await asyncio.sleep(0.01)
    with pytest.raises(Unavailable) as told:  # whoever comes meanwhile is told at once
        async with asyncio.timeout(0.5):
            await write(store, view("other"))
    assert told.value.retry_after and told.value.why
    assert not unit.done()
    async with asyncio.timeout(10):
        await unit
    assert cutter.cuts == 1
    assert await read(store, "a")
    assert [entry.subject for entry in await store.audit()] == ["a"]
    assert verify(await store.audit()) is None
    await write(store, view("later"))


async def test_a_database_that_stays_away_leaves_it_unknown_and_says_so(
    opens: Opens, url: str, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "FIND_OUT_SECONDS", 0.5)
    store = await opens(cutter.instead_of(url))
    await write(store, view("first"))
    with pytest.raises(Unavailable, match="whether it was written shows"):
        await cut_and_away(store, cutter, "after", 3.0)
    async with asyncio.timeout(10):
        while True:
            try:
                found = await read(store, "a")
                break
            except Unavailable:
                await asyncio.sleep(0.1)
    assert found  # it was
    async with asyncio.timeout(10):
        while not store._writer.pid:
            await asyncio.sleep(0.05)
    await write(store, view("later"))
    assert verify(await store.audit()) is None


# --- a writer's row that somebody else has -------------------------------------------------------


async def test_a_process_whose_chain_was_taken_over_never_writes_on_it_again(opens: Opens, postgres: PostgresServer, url: str) -> None:
    clock = SystemClock()
    first = await opens(clock=clock, writer="one", lease=timedelta(seconds=5))
    await note(first, "before")
    async with first.transaction() as tx:
        tx.post(letter("l", clock))  # type: ignore[arg-type]
    held = first._writer
    session = held._connection
    assert session
    await held._one_at_a_time.acquire()  # frozen, as a stopped process is
    await postgres.does(f"SELECT pg_terminate_backend({session.get_server_pid()})")
    second = await opens(clock=clock, writer="two")
    assert second.writer == "one"  # it goes on with the chain that nobody holds
    await note(second, "taken over")
    assert [one.id for one in await second.claim(clock.now())] == ["l"]
    held._one_at_a_time.release()  # and wakes up
    async with asyncio.timeout(10):
        while not held.pid:
            await asyncio.sleep(0.02)
    await note(first, "after")
    assert first.writer != "one"
    entries = await second.chains()
    assert verify(entries, all_chains=True) is None
    assert [entry.subject for entry in entries if entry.writer == "one" and entry.event == "e"] == ["before", "taken over"]
    assert [entry.subject for entry in entries if entry.writer == first.writer and entry.event == "e"] == ["after"]
    assert await first.claim(clock.now()) == []  # the letter is not in its hands any more


async def test_a_session_that_never_heard_of_it_is_refused_by_the_row_itself(opens: Opens, url: str, postgres: PostgresServer) -> None:
    first = await opens(writer="one")
    await note(first, "before")
    await postgres.does("UPDATE writer SET holder = 'p-somebody' WHERE name = 'one'", url.rpartition("=")[2])
    with pytest.raises(Unavailable):
        await note(first, "after")
    assert [entry.subject for entry in await first.audit(writer="one")] == ["before"]


async def test_a_node_does_not_start_where_no_host_takes_writes(database: Database) -> None:
    standby = database.url.replace(f"127.0.0.1:{database.primary.port},", "127.0.0.1:1,")
    with pytest.raises(Misconfigured) as refused:
        await open_postgres(standby, SystemClock())
    assert "takes writes" in refused.value.why
    assert "romote" in refused.value.next
