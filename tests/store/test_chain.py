"""The audit chain: what a store appends holds, and no change to it goes unseen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
import rfc8785

from connector.ports import Store
from connector.records import AuditEntry, Note
from connector.storage.chain import HEADS, verify
from connector.storage.sqlite import open_sqlite

from .conftest import ManualClock, Reopen


async def chain(store: Store, clock: ManualClock, *subjects: str) -> list[AuditEntry]:
    for subject in subjects:
        async with store.transaction() as tx:
            tx.note(Note(event="negotiation.state", subject=subject, data={"to": "AGREED", "ä\n": [1, 2.5, None], "n": subject}))
        clock.pass_(1)
    return await store.audit()


async def test_entries_are_numbered_linked_and_timed(store: Store, clock: ManualClock) -> None:
    at = clock.now()
    entries = await chain(store, clock, "one", "two", "three")
    assert [(e.writer, e.seq, e.subject) for e in entries] == [("w-test", 1, "one"), ("w-test", 2, "two"), ("w-test", 3, "three")]
    assert [e.prev for e in entries] == ["", entries[0].hash, entries[1].hash]
    assert [e.at - at for e in entries] == [timedelta(seconds=n) for n in range(3)]
    assert entries[0].data == {"to": "AGREED", "ä\n": [1, 2.5, None], "n": "one"}
    assert verify(entries) is None


async def test_the_hash_is_that_of_the_canonical_entry(store: Store, clock: ManualClock) -> None:
    [entry] = await chain(store, clock, 'quo"te \u2028')
    plain = {
        "writer": entry.writer,
        "seq": 1,
        "prev": "",
        "at": "2026-11-24T12:00:00.000000Z",
        "event": entry.event,
        "subject": entry.subject,
        "data": entry.data,
    }
    assert entry.hash == hashlib.sha256(rfc8785.dumps(plain)).hexdigest()


async def test_audit_pages_by_number_and_knows_no_other_writer(store: Store, clock: ManualClock) -> None:
    await chain(store, clock, *"abcde")
    assert [e.subject for e in await store.audit(after=1, limit=2)] == ["b", "c"]
    assert [e.subject for e in await store.audit(after=4, writer="w-test")] == ["e"]
    assert await store.audit(writer="w-other") == []


CHANGES = {
    "another event": {"event": "decision"},
    "another subject": {"subject": "x"},
    "other data": {"data": {"to": "FINALIZED"}},
    "another time": {"at": ManualClock().now()},
    "another hash": {"hash": "0" * 64},
    "another link": {"prev": "0" * 64},
    "data without a canonical form": {"data": {"n": float("nan")}},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_any_change_of_an_entry_breaks_the_chain_there(store: Store, clock: ManualClock, change: str) -> None:
    entries = await chain(store, clock, *"abcde")
    entries[2] = replace(entries[2], **CHANGES[change])
    broken = verify(entries)
    assert broken and (broken.seq == 3) and broken.writer == "w-test" and broken.why


async def test_a_forged_entry_breaks_the_chain_at_the_next_one(store: Store, clock: ManualClock) -> None:
    from connector.storage.chain import Entry, canonical, link, stamp

    entries = await chain(store, clock, *"abc")
    forged = replace(entries[1], subject="forged")
    parts = Entry("w-test", 2, forged.prev, stamp(forged.at), forged.event, "forged", canonical(forged.data))
    entries[1] = replace(forged, hash=link(parts))
    broken = verify(entries)
    assert broken and broken.seq == 3


async def test_a_missing_a_repeated_and_a_moved_entry_are_seen(store: Store, clock: ManualClock) -> None:
    a, b, c = await chain(store, clock, *"abc")
    for wrong in ([a, c], [b, c], [a, b, b, c], [a, c, b], [c]):
        assert verify(wrong) is not None
    assert verify([a, b]) is None  # a cut tail leaves no trace: it takes a copy kept elsewhere
    other = [replace(e, writer="w-2") for e in (a, b)]
    assert verify([a, *other, b, c]) is not None  # the writer's name is part of the hash


async def test_all_chains_are_at_least_the_own_one(store: Store, clock: ManualClock) -> None:
    entries = await chain(store, clock, *"abc")
    assert await store.chains() == entries == await store.audit()


async def test_the_chain_goes_on_after_a_restart(kept: tuple[Store, Reopen], clock: ManualClock) -> None:
    store, reopen = kept
    await chain(store, clock, "before")
    store = await reopen(store)
    entries = await chain(store, clock, "after")
    assert [e.seq for e in entries] == [1, 2]
    assert len({e.writer for e in entries}) == 1
    assert verify(entries) is None


async def test_a_note_without_canonical_form_is_refused_before_anything_is_written(store: Store) -> None:
    for data in ({"n": 2**60}, {"n": float("inf")}, {"s": {1, 2}}):
        with pytest.raises(ValueError):
            async with store.transaction() as tx:
                tx.keep(b"x")
                tx.note(Note(event="e", subject="s", data=data))
    assert await store.audit() == []


async def test_a_quote_of_another_chain_has_to_be_true(clock: ManualClock) -> None:
    store, other = open_sqlite(":memory:", clock, writer="w-1"), open_sqlite(":memory:", clock, writer="w-2")
    theirs = await chain(other, clock, "a", "b")
    quote = {"heads": {"w-2": {"seq": 2, "hash": theirs[1].hash}}}
    async with store.transaction() as tx:
        tx.note(Note(event=HEADS, subject="w-1", data=quote))
    ours = await store.audit()
    for whole in ([*ours, *theirs], [*theirs, *ours]):
        assert verify(whole) is None
    for missing in ([*ours, theirs[0]], [theirs[0], *ours]):
        broken = verify(missing)
        assert broken and (broken.writer, broken.seq) == ("w-2", 2)
    assert verify(ours) is None  # one chain alone
    assert verify(ours, all_chains=True) is not None
    for wrong in ({"heads": {"w-2": {"seq": 0, "hash": ""}}}, {"heads": {"w-2": {}}}, {"heads": []}, {}):
        async with store.transaction() as tx:
            tx.note(Note(event=HEADS, subject="w-1", data=wrong))
        assert verify([*(await store.audit())[-1:], *theirs]) is not None
        assert verify([*await store.audit(), *theirs]) is not None
    await store.close()
    await other.close()
