"""Requests are worked on lane by lane, so that one caller's many never keep another waiting."""

from __future__ import annotations

import asyncio

import pytest

from connector.errors import Unavailable
from connector.http.turns import Turns


async def _works(turns: Turns, name: str, done: list[str]) -> None:
    async with turns.lane(name), turns.turn(name):
        done.append(name)
        await asyncio.sleep(0)


async def test_lanes_are_served_in_turn_however_long_one_is() -> None:
    turns, done = Turns(at_once=1, in_lane=100), list[str]()
    loud = [asyncio.create_task(_works(turns, "loud", done)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(*loud, _works(turns, "quiet", done), _works(turns, "quiet", done))
    assert len(done) == 52
    assert [place for place, name in enumerate(done) if name == "quiet"][-1] < 8


async def test_a_full_lane_says_when_to_come_back_and_another_is_open() -> None:
    turns, done = Turns(at_once=1, in_lane=3), list[str]()
    first = [asyncio.create_task(_works(turns, "loud", done)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await _works(turns, "loud", done)
    assert (caught.value.code, caught.value.retry_after) == ("quota.requests", 2.0)
    await asyncio.gather(*first, _works(turns, "quiet", done))
    await _works(turns, "loud", done)
    assert sorted(done) == ["loud"] * 4 + ["quiet"]


async def test_who_is_slow_inside_a_turn_lends_it_to_others() -> None:
    turns, done, gate = Turns(at_once=1, in_lane=3), list[str](), asyncio.Event()

    async def slow() -> None:
        async with turns.lane("slow"), turns.turn("slow"):
            async with turns.rest("slow"):
                await gate.wait()
            done.append("slow")

    waiting = asyncio.create_task(slow())
    await asyncio.sleep(0)
    await _works(turns, "quick", done)
    gate.set()
    await waiting
    assert done == ["quick", "slow"]


async def test_one_that_gives_up_waiting_takes_no_turn_with_it() -> None:
    turns, done = Turns(at_once=1, in_lane=10), list[str]()
    async with turns.turn("first"):
        given_up = [asyncio.create_task(_works(turns, "impatient", done)) for _ in range(3)]
        patient = asyncio.create_task(_works(turns, "patient", done))
        await asyncio.sleep(0)
        for each in given_up:
            each.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
    await patient
    await _works(turns, "next", done)
    assert done == ["patient", "next"]
