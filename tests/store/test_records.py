"""Records in every store: compare-and-swap, reads over own writes, keys, pages, one commit for many."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connector.ports import Conflict, Replayed, Store, Transaction
from connector.records import Asset, Battery, Document, Note, Past, Peer, Received, View

from .conftest import ManualClock, read, view, write


async def test_a_record_comes_back_as_it_was_written(store: Store, clock: ManualClock) -> None:
    peer = Peer(
        id="did:web:localhost%3A7411",
        name="oem",
        address="http://localhost:7411/dsp/2025-1",
        origins=("http://localhost:7411",),
        key={"kty": "EC", "x": 'ü\u0000"\\', "n": [1, 2.5, None, True]},
        claims={"role": ("recycler", "second-life")},
        added=clock.now(),
    )
    async with store.transaction() as tx:
        written = tx.put(peer)
    async with store.transaction() as tx:
        got = await tx.get(Peer, peer.id)
    assert got == written == replace(peer, version=1)
    assert got.added.utcoffset() == datetime.now(UTC).utcoffset()


async def test_a_second_writer_of_the_same_version_conflicts_and_writes_nothing(store: Store) -> None:
    await write(store, view("a"))
    first, second = await read(store, "a"), await read(store, "a")
    assert first and second
    await write(store, replace(first, title="First"))
    with pytest.raises(Conflict):
        async with store.transaction() as tx:
            tx.put(view("b"))
            tx.put(replace(second, title="Second"))
    assert (await read(store, "a")) == replace(first, title="First", version=2)
    assert await read(store, "b") is None


async def test_version_zero_means_must_not_exist(store: Store) -> None:
    await write(store, view("a"))
    with pytest.raises(Conflict):
        await write(store, view("a"))


async def test_a_version_that_was_never_written_conflicts(store: Store) -> None:
    for version in (1, 7):
        with pytest.raises(Conflict):
            await write(store, view("a", version=version))


async def test_of_two_openings_in_one_tick_exactly_one_stands(store: Store) -> None:
    async def open_it(title: str) -> str:
        async with store.transaction() as tx:
            assert await tx.get(View, "a") is None  # neither sees the other
            tx.put(replace(view("a"), title=title))
        return title

    results = await asyncio.gather(open_it("one"), open_it("two"), return_exceptions=True)
    [stood] = [result for result in results if isinstance(result, str)]
    [fell] = [result for result in results if not isinstance(result, str)]
    assert isinstance(fell, Conflict)
    got = await read(store, "a")
    assert got and got.title == stood


async def test_one_conflict_among_many_fails_only_its_own(store: Store) -> None:
    await write(store, view("taken"))

    async def put(id: str) -> None:
        async with store.transaction() as tx:
            tx.put(view(f"{id}-with"))
            tx.note(Note(event="e", subject=id))
            tx.put(view(id))

    ids = [f"n{n:02}" for n in range(20)]
    ids[7] = "taken"
    results = await asyncio.gather(*[put(id) for id in ids], return_exceptions=True)
    assert [type(result) for result in results] == [Conflict if id == "taken" else type(None) for id in ids]
    assert await read(store, "taken-with") is None
    assert [entry.subject for entry in await store.audit()] == [id for id in ids if id != "taken"]
    assert all([await read(store, f"{id}-with") for id in ids if id != "taken"])


async def test_an_exception_inside_writes_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.transaction() as tx:
            tx.put(view("a"))
            digest = tx.keep(b"bytes")
            tx.note(Note(event="e", subject="s"))
            raise ZeroDivisionError
    async with store.transaction() as tx:
        assert await tx.get(View, "a") is None
        assert await tx.blob(digest) is None
    assert await store.audit() == []


async def test_a_cancelled_exit_writes_nothing(store: Store) -> None:
    task = asyncio.create_task(write(store, view("a")))
    other = asyncio.create_task(write(store, view("b")))
    await asyncio.sleep(0)  # both have reached their exit, nothing is committed
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await other
    assert await read(store, "a") is None
    assert await read(store, "b")


async def test_reads_see_own_writes_over_committed_state(store: Store) -> None:
    await write(store, view("a", "g"), view("b", "g"), view("c", "h"), view("d", "g"))
    async with store.transaction() as tx:
        b, c = await tx.get(View, "b"), await tx.get(View, "c")
        assert b and c
        tx.put(replace(b, grant="h"))
        tx.put(replace(c, grant="g"))
        tx.put(view("e", "g"))
        tx.delete(View, "a")
        assert await tx.get(View, "a") is None
        assert [v.id for v in await tx.find(View, grant="g")] == ["c", "d", "e"]
        assert [v.id for v in await tx.find(View, grant="g", limit=2)] == ["c", "d"]
        assert [v.id for v in await tx.find(View, after="b")] == ["c", "d", "e"]
        assert [v.id for v in await tx.find_any(View, "grant", ["h", "g"])] == ["b", "c", "d", "e"]
        assert [v.id for v in await tx.find_any(View, "grant", ["h", "g"], after="b", limit=2)] == ["c", "d"]
        assert await tx.count(View, grant="g") == 3
        assert await tx.count(View) == 4
    async with store.transaction() as tx:  # and so does everybody after the commit
        assert [v.id for v in await tx.find(View, grant="g")] == ["c", "d", "e"]
        assert await tx.count(View, grant="g") == 3


async def test_others_see_nothing_before_the_commit(store: Store) -> None:
    async with store.transaction() as mine:
        mine.put(view("a"))
        assert await read(store, "a") is None
    assert await read(store, "a")


async def test_a_record_can_be_written_twice_and_again_after_deletion_in_one_transaction(store: Store) -> None:
    async with store.transaction() as tx:
        once = tx.put(view("a", "g1"))
        twice = tx.put(replace(once, grant="g2"))
        assert twice.version == 2
        tx.put(view("b", "g1"))
        tx.delete(View, "b")
        tx.put(view("b", "g3"))
    async with store.transaction() as tx:
        assert await tx.find(View, grant="g1") == []
        assert await tx.find(View, grant="g2") == [twice]
        assert [v.id for v in await tx.find(View, grant="g3")] == ["b"]


async def test_writing_the_stale_version_of_an_own_write_conflicts(store: Store) -> None:
    with pytest.raises(Conflict):
        async with store.transaction() as tx:
            tx.put(view("a"))
            tx.put(view("a"))
    assert await read(store, "a") is None


async def test_keys_follow_the_record_even_when_it_was_not_read_in_this_transaction(store: Store) -> None:
    await write(store, view("a", "old"))
    await write(store, view("a", "new", version=1))
    async with store.transaction() as tx:
        assert await tx.find(View, grant="old") == []
        assert len(await tx.find(View, grant="new")) == 1
        tx.delete(View, "a")
    async with store.transaction() as tx:
        assert await tx.find(View, grant="new") == []
        assert await tx.count(View) == 0


async def test_a_key_with_several_values_finds_by_each_and_counts_once(store: Store, clock: ManualClock) -> None:
    battery = Battery(id="EV-72.1", model="EV-72", serial="1", aliases=("https://id.example/1", "1"), changed=clock.now())
    async with store.transaction() as tx:
        tx.put(battery)
    async with store.transaction() as tx:
        for alias in ("EV-72.1", "1", "https://id.example/1"):
            assert [b.id for b in await tx.find(Battery, alias=alias, model="EV-72")] == ["EV-72.1"]
        assert await tx.find(Battery, alias="2") == []
        assert await tx.find(Battery, alias="1", model="EV-73") == []
        assert await tx.count(Battery, alias="1", model="EV-72") == 1
        assert await tx.count(Battery, alias="1", model="EV-73") == 0


async def test_paging_meets_each_record_once_in_byte_order(store: Store) -> None:
    ids = sorted(["a", "a.b", "a.b.c", "aa", "b", "B", "ä", "z", "0", "~", "€", "\U0001f50b", "a:1", "a-1"])
    await write(store, *[view(id) for id in reversed(ids)])

    async def walk(tx: Transaction, limit: int) -> list[str]:
        met: list[str] = []
        while page := await tx.find(View, grant="g", after=met[-1] if met else "", limit=limit):
            met += [v.id for v in page]
        return met

    async with store.transaction() as tx:
        for limit in (1, 3, 14, 100):
            assert await walk(tx, limit) == ids
        assert [v.id for v in await tx.find(View)] == ids
        assert [v.id for v in await tx.find(View, prefix="a")] == [id for id in ids if id.startswith("a")]
        assert [v.id for v in await tx.find(View, prefix="a.b", after="a.b", grant="g")] == ["a.b.c"]
        assert await tx.find(View, prefix="a", after="b") == []
        assert [v.id for v in await tx.find(View, after="a", limit=1, prefix="\U0001f50b")] == ["\U0001f50b"]


async def test_find_any_pages_through_overlapping_values_each_id_once(store: Store) -> None:
    def asset(n: int) -> Asset:
        chosen = tuple(f"def-{d}" for d in range(1, 8) if n % d == 0)
        return Asset(id=f"asset-{n:03}", form="plain", definitions=chosen)

    async with store.transaction() as tx:
        for n in range(60):
            tx.put(asset(n))
    wanted = ["def-2", "def-3", "def-7", "def-9"]
    expected = [f"asset-{n:03}" for n in range(60) if n % 2 == 0 or n % 3 == 0 or n % 7 == 0]
    async with store.transaction() as tx:
        for limit in (1, 4, 7, 100):
            met: list[str] = []
            while page := await tx.find_any(Asset, "definition", wanted, after=met[-1] if met else "", limit=limit):
                assert len(page) <= limit
                met += [a.id for a in page]
            assert met == expected
        assert await tx.find_any(Asset, "definition", []) == []


async def test_ids_of_one_kind_are_not_those_of_another(store: Store) -> None:
    await write(store, view("same"))
    async with store.transaction() as tx:
        tx.put(Asset(id="same", form="plain"))
    async with store.transaction() as tx:
        tx.delete(View, "same")
    async with store.transaction() as tx:
        assert await tx.get(Asset, "same")
        assert await tx.get(View, "same") is None


async def test_blobs_are_named_by_their_hash_and_kept_once(store: Store) -> None:
    async with store.transaction() as tx:
        name, empty = tx.keep(b"%PDF-1.7"), tx.keep(b"")
        assert await tx.blob(name) == b"%PDF-1.7"
        assert await tx.blob(empty) == b""
    async with store.transaction() as tx:
        assert tx.keep(b"%PDF-1.7") == name == hashlib.sha256(b"%PDF-1.7").hexdigest()
    async with store.transaction() as tx:
        assert await tx.blob(name) == b"%PDF-1.7"
        assert await tx.blob(empty) == b""
        assert await tx.blob("00") is None


async def test_a_nonce_works_once_per_issuer_and_a_replay_writes_nothing(store: Store, clock: ManualClock) -> None:
    until = clock.now()

    async def use(issuer: str, nonce: str, id: str) -> None:
        async with store.transaction() as tx:
            tx.put(view(id))
            tx.once(issuer, nonce, until)

    await use("peer", "n1", "a")
    await use("other", "n1", "b")
    with pytest.raises(Replayed):
        await use("peer", "n1", "c")
    assert await read(store, "c") is None
    results = await asyncio.gather(use("peer", "n2", "d"), use("peer", "n2", "e"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "Replayed"]


async def test_text_that_is_no_unicode_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        async with store.transaction() as tx:
            tx.put(view("a"))
            tx.put(view("\ud800"))
    assert await read(store, "a") is None


async def test_bytes_go_once_no_record_names_them(store: Store, clock: ManualClock) -> None:
    def received(id: str, sha256: str) -> Received:
        return Received(id=id, agreement="a", peer="p", battery="b", part="x", size=1, sha256=sha256, at=clock.now())

    async with store.transaction() as tx:
        one, two, three = tx.keep(b"one"), tx.keep(b"two"), tx.keep(b"three")
        tx.put(received("r1", one))
        tx.put(received("r2", one))
        tx.put(Document(id="d", owner="m", identifier="i", document_kind="", title="", filename="f", media_type="m", size=3, sha256=two))
    assert await store.forget_unnamed() == 1
    async with store.transaction() as tx:
        assert [await tx.blob(name) for name in (one, two, three)] == [b"one", b"two", None]
        tx.delete(Received, "r1")
    assert await store.forget_unnamed() == 0
    async with store.transaction() as tx:
        tx.delete(Received, "r2")
        tx.delete(Document, "d")
        tx.keep(b"two")
    assert await store.forget_unnamed() == 2
    async with store.transaction() as tx:
        assert tx.keep(b"one") == one
    async with store.transaction() as tx:
        assert await tx.blob(one) == b"one"


async def test_the_bytes_of_what_a_document_was_stay(store: Store) -> None:
    async with store.transaction() as tx:
        was = tx.keep(b"an earlier declaration")
        older = Document(id="d", owner="m", identifier="i", document_kind="", title="", filename="f", media_type="m", size=3, sha256=was)
        tx.put(Past(id="d@000000001", since=1, last=1, document=older, sha256=was))
        tx.keep(b"nobody's")
    assert await store.forget_unnamed() == 1
    async with store.transaction() as tx:
        assert await tx.blob(was) == b"an earlier declaration"
        past = await tx.get(Past, "d@000000001")
        assert past is not None
        assert past.document == older
        tx.delete(Past, "d@000000001")
    assert await store.forget_unnamed() == 1


def test_only_documents_what_they_were_and_what_was_received_name_bytes() -> None:
    """`forget_unnamed` looks into these kinds; a new one that names bytes belongs into its queries."""
    from connector import records

    kinds = [each for each in vars(records).values() if isinstance(each, type) and hasattr(each, "kind")]
    naming = {each.kind for each in kinds if "sha256" in getattr(each, "__dataclass_fields__", {})}
    assert naming - {"backup"} == {"document", "received", "past"}
