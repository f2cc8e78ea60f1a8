"""Letters in every store: born leased, released, claimed, taken over, and a wait that neither polls nor misses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from connector.ports import Conflict, Store
from connector.records import Letter

from .conftest import LEASE, ManualClock, Reopen, letter


async def post(store: Store, *letters: Letter) -> None:
    async with store.transaction() as tx:
        for one in letters:
            tx.post(one)


async def claimed(store: Store, clock: ManualClock, limit: int = 64) -> list[str]:
    return [one.id for one in await store.claim(clock.now(), limit)]


async def returns(wait: Awaitable[None], within: float = 2) -> bool:
    try:
        await asyncio.wait_for(asyncio.ensure_future(wait), within)
    except TimeoutError:
        return False
    return True


async def test_a_letter_is_nobody_elses_until_it_is_released(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock))
    assert await claimed(store, clock) == []
    await store.release(["a"])
    assert await claimed(store, clock) == ["a"]
    assert await claimed(store, clock) == []  # claimed is leased again
    await store.release(["a"])
    assert await claimed(store, clock) == ["a"]


async def test_a_lease_that_ends_frees_the_letter(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock))
    clock.pass_(LEASE.total_seconds() - 1)
    assert await claimed(store, clock) == []
    clock.pass_(1)
    assert await claimed(store, clock) == ["a"]  # born, never released
    clock.pass_(LEASE.total_seconds())
    assert await claimed(store, clock) == ["a"]  # claimed, never settled


async def test_a_released_letter_waits_for_its_due_time(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock, due=clock.now() + timedelta(seconds=5)))
    await store.release(["a"])
    assert await claimed(store, clock) == []
    clock.pass_(5)
    assert await claimed(store, clock) == ["a"]


async def test_oldest_due_first_and_no_more_than_asked(store: Store, clock: ManualClock) -> None:
    for id, due in (("late", 3), ("first", 1), ("second", 2), ("also first", 1)):
        await post(store, letter(id, clock, due=clock.now() + timedelta(seconds=due)))
    await store.release(["late", "first", "second", "also first", "unknown"])
    clock.pass_(10)
    assert await claimed(store, clock, 3) == ["first", "also first", "second"]
    assert await claimed(store, clock, 3) == ["late"]


async def test_a_replaced_letter_comes_back_with_its_new_content_and_time(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock, body="{}"))
    await store.release(["a"])
    [taken] = await store.claim(clock.now())
    again = replace(taken, attempts=1, last_error="timeout", due=clock.now() + timedelta(seconds=2))
    async with store.transaction() as tx:
        tx.replace(again)
    assert await claimed(store, clock) == []
    clock.pass_(2)
    assert await store.claim(clock.now()) == [again]


async def test_a_dropped_letter_never_comes_back(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock))
    async with store.transaction() as tx:
        tx.drop("a")
    async with store.transaction() as tx:
        tx.replace(letter("a", clock))  # somebody still held it
    await store.release(["a"])
    clock.pass_(1000)
    assert await claimed(store, clock) == []
    assert await store.outbox() == (0, None)


async def test_a_letter_of_a_conflict_was_never_posted(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock))
    with pytest.raises(Conflict):
        await post(store, letter("b", clock), letter("a", clock))
    clock.pass_(1000)
    assert await claimed(store, clock) == ["a"]


async def test_letters_of_a_process_are_listed_with_own_changes_oldest_first(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock), letter("x", clock, process="other"))
    clock.pass_(1)
    await post(store, letter("b", clock))
    clock.pass_(1)
    async with store.transaction() as tx:
        tx.post(letter("c", clock))
        tx.drop("a")
        held = (await tx.letters("p"))[0]
        tx.replace(replace(held, attempts=3))
        assert [(one.id, one.attempts) for one in await tx.letters("p")] == [("b", 3), ("c", 0)]
    async with store.transaction() as tx:
        assert [(one.id, one.attempts) for one in await tx.letters("p")] == [("b", 3), ("c", 0)]
        assert [one.id for one in await tx.letters("other")] == ["x"]


async def test_the_outbox_counts_all_letters_and_names_the_oldest(store: Store, clock: ManualClock) -> None:
    assert await store.outbox() == (0, None)
    since = clock.now()
    await post(store, letter("a", clock))
    clock.pass_(60)
    await post(store, letter("b", clock))
    assert await store.outbox() == (2, since)


async def test_a_letter_for_a_later_day_is_counted_from_that_day_on(store: Store, clock: ManualClock) -> None:
    week = clock.now() + timedelta(days=7)
    await post(store, replace(letter("a", clock), posted=week, due=week))
    assert await store.outbox() == (0, None)
    clock.pass_(7 * 24 * 3600)
    assert await store.outbox() == (1, week)


async def test_wait_returns_at_once_when_a_letter_is_free(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock))
    await store.release(["a"])
    assert await returns(store.wait(clock.now()))


async def test_wait_is_woken_by_a_release_and_by_nothing_less(store: Store, clock: ManualClock) -> None:
    waiting = asyncio.ensure_future(store.wait(clock.now()))
    await asyncio.sleep(0)
    async with store.transaction() as tx:
        tx.keep(b"no letter")
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await post(store, letter("a", clock))
    await store.release(["a"])
    assert await returns(waiting)
    assert await claimed(store, clock) == ["a"]


async def test_wait_is_woken_by_a_replaced_letter(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock))
    waiting = asyncio.ensure_future(store.wait(clock.now()))
    await asyncio.sleep(0)
    async with store.transaction() as tx:
        tx.replace(letter("a", clock))
    assert await returns(waiting)


async def test_wait_ends_when_the_next_letter_is_due(store: Store, clock: ManualClock) -> None:
    await post(store, letter("a", clock, due=clock.now() + timedelta(seconds=0.05)))
    await store.release(["a"])
    began = asyncio.get_running_loop().time()
    assert await returns(store.wait(clock.now()))
    assert asyncio.get_running_loop().time() - began >= 0.045


async def test_wait_ends_when_a_lease_ends_though_it_began_without_any_letter(store: Store, clock: ManualClock) -> None:
    waiting = asyncio.ensure_future(store.wait(clock.now()))
    await asyncio.sleep(0)
    await post(store, letter("a", clock))  # never released: its writer died
    assert await returns(waiting)  # to set the timer anew
    clock.pass_(LEASE.total_seconds() - 0.05)
    assert await returns(store.wait(clock.now()))
    clock.pass_(0.05)
    assert await claimed(store, clock) == ["a"]


async def test_a_restarted_node_goes_on_with_what_the_old_one_had_in_hand(kept: tuple[Store, Reopen], clock: ManualClock) -> None:
    store, reopen = kept
    await post(store, letter("claimed", clock), letter("born", clock), letter("later", clock, due=clock.now() + timedelta(hours=1)))
    await store.release(["claimed"])
    assert await claimed(store, clock) == ["claimed"]
    store = await reopen(store)
    assert sorted(await claimed(store, clock)) == ["born", "claimed"]
    clock.pass_(3600)
    assert "later" in await claimed(store, clock)
