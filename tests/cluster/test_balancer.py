"""The balancer: requests go to who is ready, a lost process costs nobody but those it had taken, and what was answered is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from scripts.lib.balancer import Backend, Balancer
from scripts.lib.cluster_nodes import free_port


@dataclass
class Served:
    """A process that answers, as long as it lives."""

    name: str
    port: int = field(default_factory=free_port)
    operator_port: int = field(default_factory=free_port)
    ready: bool = True
    taken: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # answers /slow when set
    runners: list[web.AppRunner] = field(default_factory=list)

    async def start(self) -> None:
        app, operator = web.Application(), web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        operator.router.add_get("/health/ready", self._state)
        for each, port in ((app, self.port), (operator, self.operator_port)):
            runner = web.AppRunner(each, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.runners.append(runner)

    async def die(self) -> None:
        for runner in self.runners:
            for connection in list(runner.server.connections) if runner.server else []:
                connection.force_close()
            await runner.cleanup()
        self.runners.clear()

    async def _state(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self.ready else 503)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.taken += 1
        body = await request.read()
        if request.path == "/slow":
            await self.gate.wait()
        if request.path == "/chunks":
            response = web.StreamResponse()
            await response.prepare(request)
            for piece in (b"a" * 70_000, b"b", body):
                await response.write(piece)
            await response.write_eof()
            return response
        status = 201 if request.method == "POST" else 200
        return web.Response(status=status, text=f"{self.name} {len(body)}", headers={"Retry-After": "1"} if not self.ready else {})

    @property
    def backend(self) -> Backend:
        return Backend(self.name, self.port, self.operator_port)


@dataclass
class Front:
    balancer: Balancer
    one: Served
    two: Served
    session: aiohttp.ClientSession

    async def asks(self, path: str = "/x", method: str = "GET", body: bytes = b"") -> tuple[int, str]:
        async with self.session.request(method, f"http://127.0.0.1:{self.balancer.port}{path}", data=body) as answer:
            return answer.status, await answer.text()

    async def states(self, *wanted: str) -> None:
        async with asyncio.timeout(5):
            while [each.state for each in self.balancer.backends] != list(wanted):
                await asyncio.sleep(0.02)


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    one, two = Served("one"), Served("two")
    balancer = Balancer(free_port(), [one.backend, two.backend])
    for each in (one, two):
        await each.start()
    await balancer.start()
    await balancer.until_ready(2)
    async with aiohttp.ClientSession() as session:
        yield Front(balancer, one, two, session)
    await balancer.stop()
    for each in (one, two):
        await each.die()


async def test_requests_of_one_connection_are_spread_and_bodies_pass_whole(front: Front) -> None:
    for number in range(20):
        status, text = await front.asks("/x", "POST", b"x" * (number * 10_000))
        assert status == 201 and text.endswith(f" {number * 10_000}")
    assert front.one.taken == front.two.taken == 10
    assert (await front.asks("/chunks", "PUT", b"c" * 200_000))[1] == "a" * 70_000 + "b" + "c" * 200_000
    kept = front.balancer.seen[0]
    assert (kept.method, kept.path, kept.status, kept.body[-2:]) == ("POST", "/x", 201, b" 0")


async def test_a_process_that_is_not_ready_gets_nothing_while_another_is(front: Front) -> None:
    front.one.ready = False
    await front.states("alive", "ready")
    assert {(await front.asks())[1] for _ in range(6)} == {"two 0"}
    front.two.ready = False
    await front.states("alive", "alive")
    assert {(await front.asks())[1] for _ in range(6)} == {"one 0", "two 0"}  # they know what to answer


async def test_a_dead_process_is_passed_over_at_once_and_served_again_when_it_is_back(front: Front) -> None:
    await front.asks()
    await front.one.die()
    assert {(await front.asks())[1] for _ in range(10)} >= {"two 0"}
    await front.states("down", "ready")
    assert {await front.asks() for _ in range(10)} == {(200, "two 0")}
    await front.two.die()
    await front.states("down", "down")
    assert (await front.asks())[0] == 503
    await front.one.start()
    await front.states("ready", "down")
    assert await front.asks() == (200, "one 0")


async def test_what_a_process_took_and_did_not_answer_is_502_and_never_given_to_another(front: Front) -> None:
    asking = [asyncio.create_task(front.asks("/slow", "POST", b"once")) for _ in range(2)]
    async with asyncio.timeout(5):
        while front.one.taken + front.two.taken < 2:
            await asyncio.sleep(0.01)
    await front.one.die()
    front.two.gate.set()
    assert sorted(status for status, _ in await asyncio.gather(*asking)) == [201, 502]
    assert (front.one.taken, front.two.taken) == (1, 1)
    assert sorted(each.status for each in front.balancer.seen) == [201, 502]


async def test_what_is_held_can_be_lost_and_never_arrives(front: Front) -> None:
    front.balancer.hold()
    asking = asyncio.create_task(front.asks("/x", "POST", b"lost"))
    await asyncio.sleep(0.1)
    assert not asking.done()
    front.balancer.lose()
    with pytest.raises(aiohttp.ClientError):
        await asking
    assert front.one.taken + front.two.taken == 0
    assert (await front.asks())[0] == 200
