"""Whose turn it is at the dataspace listener: one caller's many requests keep nobody else waiting.

One thread serves everybody, so what is begun is finished before another request moves.  Therefore only a few are worked on at
once, and those that wait are taken lane by lane, one of each in turn.  A lane is an authenticated participant, so that nobody can
stand in somebody else's; who says no name shares the lane of its address.  A lane holds a bounded number, whatever of it is
still arriving, waiting or being answered; one more is told to come back (503), which costs neither a row nor a look at its body.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from connector.errors import Unavailable

AT_ONCE = 32  # requests worked on: enough to share one commit, few enough to be over soon
IN_LANE = 128  # requests of one caller; our own node has at most 64 on their way to a peer
COME_BACK = 2.0  # seconds


class Turns:
    """The lanes of one listener."""

    def __init__(self, at_once: int = AT_ONCE, in_lane: int = IN_LANE) -> None:
        self._free = at_once
        self._in_lane = in_lane
        self._present: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # only lanes where somebody waits; the first is next

    @asynccontextmanager
    async def lane(self, name: str) -> AsyncIterator[None]:
        """Be in a lane; Unavailable when it is full."""
        here = self._present.get(name, 0)
        if here >= self._in_lane:
            raise Unavailable(
                "Too many requests at once.",
                f"{here} of yours are being answered or wait.",
                "Send it again a little later, and fewer at a time.",
                code="quota.requests",
                retry_after=COME_BACK,
            )
        self._present[name] = here + 1
        try:
            yield
        finally:
            if self._present[name] == 1:
                del self._present[name]
            else:
                self._present[name] -= 1

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait in a lane until it is its turn; what waits for somebody else inside goes into `rest`."""
        await self._take(name)
        try:
            yield
        finally:
            self._next()

    @asynccontextmanager
    async def rest(self, name: str) -> AsyncIterator[None]:
        """Give the turn back while a caller is slow, and take one again."""
        self._next()
        try:
            yield
        finally:
            await self._take(name)

    async def _take(self, name: str) -> None:
        if self._free:
            self._free -= 1
        else:
            await self._wait(name)

    async def _wait(self, name: str) -> None:
        came: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(came)
        try:
            await came
        except asyncio.CancelledError:
            if came.done() and not came.cancelled():  # it was given a turn that it will not take
                self._next()
            raise

    def _next(self) -> None:
        """Hand the turn to the first of the lane that waited longest since its last one."""
        while self._waiting:
            name = next(iter(self._waiting))
            lane = self._waiting.pop(name)
            came = lane.popleft()
            if lane:
                self._waiting[name] = lane  # to the end of the round
            if not came.done():
                came.set_result(None)
                return
        self._free += 1


TURNS = web.AppKey("turns", Turns)
LANE = web.RequestKey("lane", str)


@asynccontextmanager
async def in_turn(request: web.Request, name: str) -> AsyncIterator[None]:
    """Answer a request of this caller when it is its turn; a caller without a name is known by its address."""
    turns, lane = request.app[TURNS], name or f"from {request.remote}"
    async with turns.lane(lane), turns.turn(lane):
        request[LANE] = lane
        try:
            yield
        finally:
            del request[LANE]


@asynccontextmanager
async def resting(request: web.Request) -> AsyncIterator[None]:
    """While a caller or somebody else lets us wait, its turn is somebody else's."""
    lane = request.get(LANE)
    if lane is None:
        yield
        return
    async with request.app[TURNS].rest(lane):
        yield
