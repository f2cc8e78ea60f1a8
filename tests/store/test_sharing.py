"""Two processes on one PostgreSQL database, as two stores: one of two conflicting units wins, letters go to one, chains stay apart."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.ports import Conflict, Replayed, SystemClock
from connector.records import Layer, Model, Note, View
from connector.storage.chain import verify
from connector.storage.postgres import HEADS, PostgresStore

from .conftest import LEASE, ManualClock, Opens, letter, read, view, write
from .server import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
FRESH = timedelta(milliseconds=200)  # a lease short enough to outlive


@pytest.fixture
async def two(opens: Opens) -> tuple[PostgresStore, PostgresStore]:
    return await opens(), await opens()


async def note(store: PostgresStore, subject: str) -> None:
    async with store.transaction() as tx:
        tx.note(Note(event="e", subject=subject))


async def post(store: PostgresStore, clock: ManualClock | SystemClock, *ids: str) -> None:
    async with store.transaction() as tx:
        for id in ids:
            tx.post(letter(id, clock))  # type: ignore[arg-type]


async def dies(store: PostgresStore, postgres: PostgresServer) -> None:
    """What a kill does: no word to the database, its sessions end."""
    for task in store._tasks:
        task.cancel()
    await asyncio.gather(*store._tasks, return_exceptions=True)
    store._tasks = []
    pids = [session.get_server_pid() for session in (store._writer._connection, store._outbox._connection) if session]
    for session in (store._writer._connection, store._outbox._connection):
        assert session
        session.terminate()
    store._writer._connection = store._outbox._connection = None
    while await postgres.does(f"SELECT 1 FROM pg_stat_activity WHERE pid IN ({', '.join(map(str, pids))})"):
        await asyncio.sleep(0.01)


# --- records -------------------------------------------------------------------------------------


async def test_of_two_units_on_one_record_exactly_one_stands_and_the_other_writes_nothing(two: tuple[PostgresStore, PostgresStore]) -> None:
    await write(two[0], view("shared"))

    async def change(store: PostgresStore, held: View, n: int) -> str:
        async with store.transaction() as tx:
            tx.put(view(f"beside-{n}"))
            tx.note(Note(event="e", subject=str(n)))
            tx.put(replace(held, title=str(n)))
        return str(n)

    for _ in range(5):
        before = await read(two[0], "shared")
        assert before
        results = await asyncio.gather(*(change(two[n % 2], before, n) for n in range(6)), return_exceptions=True)
        stood = [result for result in results if isinstance(result, str)]
        assert len(stood) == 1
        assert all(isinstance(result, Conflict) for result in results if not isinstance(result, str))
        after = await read(two[1], "shared")
        assert after and (after.version, after.title) == (before.version + 1, stood[0])
        async with two[0].transaction() as tx:
            assert [one.id for one in await tx.find(View, prefix="beside-")] == [f"beside-{stood[0]}"]
            tx.delete(View, f"beside-{stood[0]}")
    noted = [entry for store in two for entry in await store.audit() if entry.event != HEADS]
    assert len(noted) == 5


async def test_of_two_openings_and_of_two_uses_of_a_nonce_exactly_one_stands(
    two: tuple[PostgresStore, PostgresStore], clock: ManualClock
) -> None:
    async def opening(store: PostgresStore, n: int) -> None:
        async with store.transaction() as tx:
            tx.put(view(f"new-{n}"))

    async def using(store: PostgresStore, n: int) -> None:
        async with store.transaction() as tx:
            tx.once("peer", f"n{n}", clock.now())

    for n in range(10):
        opened = await asyncio.gather(*(opening(store, n) for store in two), return_exceptions=True)
        assert sorted(type(each).__name__ for each in opened) == ["Conflict", "NoneType"]
        used = await asyncio.gather(*(using(store, n) for store in two), return_exceptions=True)
        assert [isinstance(each, Replayed) for each in used].count(True) == 1


async def test_no_update_is_lost_and_nobody_waits_in_a_circle_when_many_write_the_same_records(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    names = ["a", "b", "c", "d"]
    await write(two[0], *[view(name, grant="0") for name in names])

    async def add(store: PostgresStore, order: list[str]) -> None:
        while True:
            try:
                async with store.transaction() as tx:
                    for name in order:
                        held = await tx.get(View, name)
                        assert held
                        tx.put(replace(held, grant=str(int(held.grant) + 1)))
                return
            except Conflict:
                continue

    orders = [names, names[::-1], names[:2], names[1::-1], names[2:]]
    async with asyncio.timeout(60):
        await asyncio.gather(*(add(store, order) for store in two for order in orders for _ in range(4)))
    for name in names:
        held = await read(two[0], name)
        wanted = sum(name in order for order in orders) * 4 * 2
        assert held and held.grant == str(wanted) and held.version == wanted + 1
        async with two[1].transaction() as tx:
            assert [one.id for one in await tx.find(View, grant=str(wanted))] == [
                n for n in names if (await read(two[1], n)).grant == str(wanted)
            ]  # type: ignore[union-attr]


async def test_one_conflict_among_many_of_a_batch_fails_only_its_own(two: tuple[PostgresStore, PostgresStore]) -> None:
    await write(two[0], view("taken"))
    results = await asyncio.gather(*(write(two[1], view(id)) for id in ("a", "taken", "b")), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["NoneType", "Conflict", "NoneType"]
    assert await read(two[0], "a")
    assert await read(two[0], "b")


async def test_a_unit_sees_one_moment_of_the_database_and_the_next_one_what_was_written_since(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    await write(two[0], view("a"), view("b"))
    async with two[0].transaction() as tx:
        a = await tx.get(View, "a")
        await write(two[1], replace(view("a", version=1), title="New"), replace(view("b", version=1), title="New"), view("c"))
        b = await tx.get(View, "b")
        assert a and b and (a.version, b.version) == (1, 1)
        assert await tx.count(View) == 2
    assert (await read(two[0], "b")) == replace(view("b"), title="New", version=2)


async def test_a_record_is_asked_for_once_in_a_unit_and_again_after_a_write_within_it(two: tuple[PostgresStore, PostgresStore]) -> None:
    await write(two[0], view("a"))
    async with two[0].transaction() as tx:
        assert await tx.get(View, "a")
        snapshot = two[0]._snapshots[asyncio.current_task()]
        asked = snapshot.rows

        async def never(*_: object, **__: object) -> list[object]:
            raise AssertionError("asked again")

        snapshot.rows = never  # type: ignore[method-assign]
        assert await tx.get(View, "a")
        async with two[0].transaction() as within:  # as a decider does that asks who the caller is
            assert await within.get(View, "a")
        snapshot.rows = asked  # type: ignore[method-assign]
        await write(two[0], replace(view("a", version=1), title="New"))
        async with two[0].transaction() as within:
            held = await within.get(View, "a")
            assert held and held.title == "New"


async def test_many_units_within_units_do_not_wait_for_each_other(two: tuple[PostgresStore, PostgresStore]) -> None:
    await write(two[0], view("a"))

    async def nested() -> None:
        async with two[0].transaction() as tx:
            assert await tx.get(View, "a")
            assert await read(two[0], "a")  # as a decider does that asks who the caller is
            assert await tx.count(View) == 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(nested() for _ in range(100)))


# --- letters -------------------------------------------------------------------------------------


async def test_each_letter_is_taken_by_one_of_the_claimers(two: tuple[PostgresStore, PostgresStore], clock: ManualClock) -> None:
    ids = [f"l{n:02}" for n in range(60)]
    await post(two[0], clock, *ids)
    await two[0].release(ids)
    taken = await asyncio.gather(*(two[n % 2].claim(clock.now(), 7) for n in range(20)))
    assert sorted(one.id for letters in taken for one in letters) == ids
    assert all(await asyncio.gather(*(store.claim(clock.now()) for store in two))) is False


async def test_a_letter_in_hand_is_nobody_elses_until_its_lease_ends(two: tuple[PostgresStore, PostgresStore], clock: ManualClock) -> None:
    await post(two[0], clock, "a")
    assert await two[1].claim(clock.now()) == []  # born with its writer
    clock.pass_(LEASE.total_seconds())
    assert [one.id for one in await two[1].claim(clock.now())] == ["a"]
    assert await two[0].claim(clock.now()) == []
    clock.pass_(LEASE.total_seconds())
    assert [one.id for one in await two[0].claim(clock.now())] == ["a"]


async def test_a_late_holder_does_not_take_a_letter_out_of_other_hands(
    two: tuple[PostgresStore, PostgresStore], clock: ManualClock
) -> None:
    await post(two[0], clock, "a")
    clock.pass_(LEASE.total_seconds())
    [taken] = await two[1].claim(clock.now())
    async with two[0].transaction() as tx:
        tx.replace(replace(taken, last_error="slow"))  # the first holder wakes up
    await two[0].release(["a"])
    assert await two[0].claim(clock.now()) == []
    assert await two[1].claim(clock.now()) == []


async def test_wait_is_woken_by_another_process_and_asks_the_database_nothing_meanwhile(two: tuple[PostgresStore, PostgresStore]) -> None:
    clock = ManualClock()
    assert await two[1].claim(clock.now()) == []
    waiting = asyncio.create_task(two[1].wait(clock.now()))
    await asyncio.sleep(0.05)
    await post(two[0], clock, "a")
    async with asyncio.timeout(2):
        await waiting  # to know of the lease's end
    waiting = asyncio.create_task(two[1].wait(clock.now()))
    await asyncio.sleep(0.05)
    asked = two[1]._outbox.rows

    async def never(*_: object, **__: object) -> list[object]:
        raise AssertionError("polled")

    two[1]._outbox.rows = never  # type: ignore[method-assign]
    await post(two[0], clock, "b")  # later than what it waits for: it sleeps on
    await asyncio.sleep(0.05)
    assert not waiting.done()
    two[1]._outbox.rows = asked  # type: ignore[method-assign]
    await two[0].release(["a"])
    async with asyncio.timeout(2):
        await waiting
    assert [one.id for one in await two[1].claim(clock.now())] == ["a"]


async def test_a_letter_changes_hands_in_memory_while_somebody_here_waits(
    opens: Opens, clock: ManualClock, postgres: PostgresServer
) -> None:
    store = await opens()
    assert await store.claim(clock.now()) == []
    waiting = asyncio.create_task(store.wait(clock.now()))
    await asyncio.sleep(0.02)
    await post(store, clock, "a")
    await waiting
    waiting = asyncio.create_task(store.wait(clock.now()))
    await asyncio.sleep(0.02)
    before = await store._outbox.rows("letter_first")
    await store.release(["a"])
    await waiting
    assert [one.id for one in await store.claim(clock.now())] == ["a"]
    assert await store._outbox.rows("letter_first") == before  # its lease has cost no write
    assert await store.claim(clock.now()) == []
    async with store.transaction() as tx:
        tx.drop("a")
    assert await store.outbox() == (0, None)


async def test_letters_of_a_process_that_died_are_taken_over_when_their_lease_ends(opens: Opens, postgres: PostgresServer) -> None:
    clock = SystemClock()
    first, second = await opens(clock=clock, lease=FRESH), await opens(clock=clock, lease=FRESH)
    assert await second.claim(clock.now()) == []
    waiting = asyncio.create_task(second.wait(clock.now()))
    await post(first, clock, "a")
    await dies(first, postgres)
    taken: list[str] = []
    async with asyncio.timeout(5):
        while not taken:
            await waiting
            taken = [one.id for one in await second.claim(clock.now())]
            waiting = asyncio.create_task(second.wait(clock.now()))
    waiting.cancel()
    assert taken == ["a"]


async def test_a_process_that_closes_leaves_its_letters_to_the_others_at_once(
    two: tuple[PostgresStore, PostgresStore], clock: ManualClock
) -> None:
    await post(two[0], clock, "a")
    waiting = asyncio.create_task(two[1].wait(clock.now()))
    await two[0].close()
    async with asyncio.timeout(2):
        await waiting
    assert [one.id for one in await two[1].claim(clock.now())] == ["a"]


# --- writers -------------------------------------------------------------------------------------


async def test_each_process_writes_a_chain_of_its_own_and_finds_it_again(opens: Opens) -> None:
    first, second = await opens(writer="maker"), await opens(writer="maker")
    assert (first.writer, second.writer) == ("maker", "maker-2")
    await note(first, "one")
    await note(second, "two")
    await first.close()
    again = await opens(writer="renamed")
    assert again.writer == "maker"
    await note(again, "three")
    assert await again.writers() == ["maker", "maker-2"]
    for name in ("maker", "maker-2"):
        chain = await again.audit(writer=name)
        assert verify(chain) is None
        assert [entry.seq for entry in chain] == list(range(1, len(chain) + 1))
    assert [entry.subject for entry in await again.audit() if entry.event != HEADS] == ["one", "three"]


async def test_the_first_entry_quotes_the_heads_of_the_other_chains(opens: Opens) -> None:
    first = await opens()
    await note(first, "one")
    [head] = await first.audit()
    second = await opens()
    await note(second, "two")
    quoted, _ = await second.audit()
    assert (quoted.event, quoted.data) == (HEADS, {"heads": {first.writer: {"seq": 1, "hash": head.hash}}})


async def test_heads_are_quoted_again_as_time_passes_and_a_chain_that_was_cut_is_missed(opens: Opens, postgres: PostgresServer) -> None:
    first = await opens()
    second = await opens(quote_every=timedelta(milliseconds=50))
    await note(first, "one")
    await note(first, "two")
    async with asyncio.timeout(5):
        while not (quotes := await second.audit()) or quotes[-1].data["heads"][first.writer]["seq"] != 2:
            await asyncio.sleep(0.02)
    whole, quoting = await first.audit(), await second.audit()
    assert verify([*whole, *quoting]) is None
    broken = verify([*whole[:-1], *quoting])
    assert broken
    assert broken.writer == first.writer
    assert broken.seq == 2
    assert second.writer in broken.why


async def test_all_chains_are_read_as_of_one_moment_so_that_every_quote_is_there(opens: Opens) -> None:
    stores = [await opens(quote_every=timedelta(milliseconds=5)) for _ in range(3)]

    async def busy(store: PostgresStore) -> None:
        for n in range(60):
            await note(store, str(n))

    writing = [asyncio.create_task(busy(store)) for store in stores]
    while not all(task.done() for task in writing):
        assert verify(await stores[0].chains(), all_chains=True) is None
    chains = await stores[0].chains()
    assert {entry.writer for entry in chains} == {store.writer for store in stores}
    assert len([entry for entry in chains if entry.event != HEADS]) == 180
    assert len([entry for entry in chains if entry.event == HEADS]) > 3


async def test_an_idle_database_is_not_filled_with_quotes_of_the_same_heads(opens: Opens) -> None:
    first = await opens()
    await note(first, "one")
    second = await opens()
    for _ in range(3):
        await second.quote()
    assert len(await second.audit()) == 1


# --- a kill --------------------------------------------------------------------------------------

_WRITER = """
import asyncio, os, sys
from connector.ports import SystemClock
from connector.records import Letter, Note, View
from connector.storage.postgres import open_postgres

async def main() -> None:
    clock = SystemClock()
    store = await open_postgres(sys.argv[1], clock)
    async def one(lane: int) -> None:
        for n in range(10_000):
            async with store.transaction() as tx:
                tx.put(View(id=f"{lane}-{n}", title="t", grant="g"))
                tx.note(Note(event="view", subject=f"{lane}-{n}"))
                now = clock.now()
                tx.post(Letter(id=f"{lane}-{n}", process_kind="negotiation", process="p", purpose="turn", posted=now, due=now))
            os.write(1, f"{lane}-{n}\\n".encode())
    await asyncio.gather(*[one(lane) for lane in range(8)])

asyncio.run(main())
"""


async def test_what_was_committed_outlives_a_kill_and_the_next_process_goes_on_with_chain_and_letters(opens: Opens, url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", _WRITER, url], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout
    promised = [(await asyncio.to_thread(process.stdout.readline)).decode().strip() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    promised += process.stdout.read().decode().split()
    process.wait()
    process.stdout.close()
    clock = SystemClock()
    while True:  # the server takes a moment to see that the session has ended
        store = await opens(clock=clock)
        if len(await store.writers()) == 1:
            break
        await store.close()
        os.sched_yield()
    entries = await store.audit(limit=100_000)
    assert verify(entries) is None
    noted = {entry.subject for entry in entries}
    assert set(promised) <= noted
    async with store.transaction() as tx:
        assert {one.id for one in await tx.find(View, limit=100_000)} == noted
    claimed: set[str] = set()
    while letters := await store.claim(clock.now(), 1000):
        claimed |= {one.id for one in letters}
    assert claimed == noted


# --- alone and not alone -------------------------------------------------------------------------


async def alone(store: PostgresStore, is_so: bool = True) -> None:
    async with asyncio.timeout(10):
        while store._at_hand.alone is not is_so:
            await asyncio.sleep(0.01)


async def test_a_process_that_is_alone_answers_from_memory_until_another_one_has_joined(opens: Opens, postgres: PostgresServer) -> None:
    first = await opens()
    await alone(first)
    await write(first, view("a"))
    async with first.transaction() as tx:
        assert await tx.get(View, "a")
        assert first._snapshots[asyncio.current_task()]._connection is None  # nobody was asked
    second = await opens()
    assert not first._at_hand.alone
    assert not second._at_hand.alone
    for n, (writer, reader) in enumerate(((second, first), (first, second)) * 20, 1):
        await write(writer, view("a", grant=str(n), version=n))
        held = await read(reader, "a")
        assert held and (held.version, held.grant) == (n + 1, str(n))  # at once, not sooner or later
    await second.close()
    await alone(first)
    held = await read(first, "a")
    assert held and held.version == 41


async def test_only_who_is_alone_can_say_that_nothing_was_written(opens: Opens) -> None:
    first = await opens()
    await alone(first)
    before = first.generation(View)
    assert before is not None
    await write(first, view("a"))
    written = first.generation(View)
    assert written is not None and written > before
    assert first.generation(Model) == before  # nothing of these
    async with first.transaction() as tx:
        tx.delete(View, "a")
    removed = first.generation(View)
    assert removed is not None and removed > written
    second = await opens()
    assert first.generation(View) is None
    assert second.generation(View) is None
    await write(second, view("b"))
    await second.close()
    await alone(first)
    afterwards = first.generation(View)
    assert afterwards is not None and afterwards > removed  # what the other one wrote is not what was counted before


async def test_whoever_starts_waits_until_it_is_known(opens: Opens) -> None:
    first = await opens()
    await first._writer._one_at_a_time.acquire()  # busy with a long commit
    starting = asyncio.create_task(opens())
    await asyncio.sleep(0.3)
    assert not starting.done()
    assert first._at_hand.alone
    first._writer._one_at_a_time.release()
    second = await starting
    assert not first._at_hand.alone
    assert not second._at_hand.alone


async def test_what_is_at_hand_goes_with_the_session(opens: Opens, postgres: PostgresServer, url: str) -> None:
    first = await opens()
    await write(first, view("a"))
    session = first._writer._connection
    assert session
    pid = session.get_server_pid()
    await postgres.does(f"SELECT pg_terminate_backend({pid})")
    second = await opens()  # nobody has to be asked
    await write(second, view("a", grant="new", version=1))
    held = await read(first, "a")
    assert held and held.grant == "new"
    await second.close()
    await alone(first)
    held = await read(first, "a")
    assert held and held.grant == "new"


async def test_a_record_that_was_deleted_or_changed_while_it_was_read_is_not_kept(opens: Opens) -> None:
    store = await opens()
    await write(store, view("a"), view("b"))
    store._at_hand.begin()  # forget
    async with store.transaction() as tx:
        assert await tx.get(View, "a")  # from the database

        async def elsewhere() -> None:
            async with store.transaction() as other:
                other.delete(View, "b")

        await asyncio.create_task(elsewhere())
        assert await tx.get(View, "b")  # of the moment this unit sees
    assert await read(store, "b") is None
    assert await read(store, "a")


async def test_the_records_of_a_passport_are_of_one_moment_even_when_alone(opens: Opens, clock: ManualClock) -> None:
    store = await opens()

    async def publish(revision: int) -> None:
        async with store.transaction() as tx:
            model, layer = await tx.get(Model, "EV"), await tx.get(Layer, "EV/technical")
            tx.put(replace(model or Model(id="EV", category="ev", changed=clock.now()), revision=revision))
            tx.put(replace(layer or Layer(id="EV/technical", owner="EV", part="technical", content=""), content=str(revision)))

    async def look() -> None:
        for _ in range(30):
            async with store.transaction() as tx:
                model, layers = await tx.get(Model, "EV"), await tx.find(Layer, owner="EV")
                assert model and [layer.content for layer in layers] == [str(model.revision)]

    await publish(0)
    looking = [asyncio.create_task(look()) for _ in range(4)]
    for revision in range(1, 30):
        await publish(revision)
    await asyncio.gather(*looking)
