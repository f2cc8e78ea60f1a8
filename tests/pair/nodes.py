"""Two real nodes in one process, and how a test speaks of them: over real HTTP, on real files, with one clock for both."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from connector import config, node
from connector.cli.init import make
from connector.errors import Misconfigured
from connector.exchange import transfer
from connector.http.outbound import Outbound
from connector.identity import static
from connector.operate import contracts, offers, passports, peers, transfers
from connector.ports import Answer, Decider, Record, World
from connector.protocol.vocabulary import CONTEXT
from connector.records import Agreement, Decision, Json, Letter, Negotiation, Peer, Step, Transfer
from submodels.folder import Batch, read_folder

from .wire import Recorder

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"
MODEL = "EV-72"
FIRST, SECOND = "EV-72.000017", "EV-72.000018"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PATIENCE = 10.0  # seconds; a test that waits longer has failed

R = TypeVar("R", bound=Record)
P = TypeVar("P", Negotiation, Transfer)


@dataclass
class MovableClock:
    """The true time, and as much more as a test has let pass."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class End:
    """One running node."""

    name: str
    node: node.Node
    wire: Recorder = field(default_factory=Recorder)

    @property
    def world(self) -> World:
        return self.node.world

    @property
    def id(self) -> str:
        return self.world.me.id

    @property
    def url(self) -> str:
        return self.world.me.public_url

    # --- what is stored

    async def negotiation(self, pid: str) -> Negotiation:
        return await self._get(Negotiation, pid)

    async def transfer(self, pid: str) -> Transfer:
        return await self._get(Transfer, pid)

    async def agreement(self, id: str) -> Agreement:
        return await self._get(Agreement, id)

    async def decision(self, id: str) -> Decision:
        return await self._get(Decision, id)

    async def _get(self, kind: type[R], id: str) -> R:
        async with self.world.store.transaction() as tx:
            found = await tx.get(kind, id)
        assert found is not None, f"{self.name} has no {kind.kind} {id}"
        return found

    async def every(self, kind: type[Any]) -> list[Any]:
        async with self.world.store.transaction() as tx:
            return await tx.find(kind)

    async def letters(self, pid: str) -> list[Letter]:
        async with self.world.store.transaction() as tx:
            return await tx.letters(pid)

    async def said(self, pid: str) -> list[tuple[str, str, str]]:
        """The timeline: (direction, message, state)."""
        async with self.world.store.transaction() as tx:
            steps = await tx.find(Step, process=pid)
        return [(step.direction, step.message, step.state) for step in sorted(steps, key=lambda each: each.at)]

    # --- waiting

    async def until(self, pid: str, holds: Callable[[Any], object], kind: type[P]) -> P:
        """The process once something holds of it; fails loudly when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            found: P = await self._get(kind, pid)
            if holds(found):
                return found
            assert loop.time() < deadline, f"{self.name}: {pid} is {found.place}, {await self.said(pid)}, {await self.letters(pid)}"
            await self.world.changes.wait(pid, 0.02)

    async def negotiation_is(self, pid: str, *states: str) -> Negotiation:
        """The negotiation once it is in one of the states and nothing of ours is under way."""
        return await self.until(pid, lambda it: it.place.state in states and not it.place.waiting, Negotiation)

    async def waits(self, pid: str) -> Negotiation:
        """The negotiation once it waits for an operator."""
        return await self.until(pid, lambda it: it.waits_for == "operator", Negotiation)

    async def transfer_is(self, pid: str, *states: str) -> Transfer:
        return await self.until(pid, lambda it: it.place.state in states and not it.place.waiting, Transfer)

    # --- what an operator does

    async def knows(self, other: End, **claims: str) -> None:
        card = other.node_card()
        wish = peers.Wish(
            card=card, fingerprint=static.read_card(card).fingerprint, name=other.name,
            claims={name: tuple(values.split(",")) for name, values in claims.items()},
        )  # fmt: skip
        await peers.add(self.world, static, wish)

    def node_card(self) -> Json:
        from connector.identity import keys

        return dict(static.card(self.world.me, keys.load(self.node.config.keys).dsp))

    async def stock(self, *wishes: offers.Wish) -> None:
        """Import and publish the sample, and offer views of it."""
        await passports.import_batch(self.world, sample())
        await passports.publish(self.world, MODEL)
        for wish in wishes:
            await offers.offer(self.world, wish)

    async def asks(self, provider: End, dataset: str = "dismantling", **more: Any) -> Negotiation:
        return await contracts.open(self.world, provider.name, dataset, **more)

    async def agrees(self, provider: End, dataset: str = "dismantling", **more: Any) -> Agreement:
        """Negotiate to the end; our agreement, which the provider has as FINALIZED too."""
        opened = await self.asks(provider, dataset, **more)
        ended = await self.negotiation_is(opened.id, "FINALIZED", "TERMINATED")
        assert ended.place.state == "FINALIZED", ended.place
        await provider.negotiation_is(ended.peer_pid, "FINALIZED")
        return await self.agreement(ended.agreement["@id"])

    async def starts(self, provider: End, agreement: Agreement) -> Transfer:
        """A transfer that both sides have as STARTED."""
        asked = await transfers.request(self.world, agreement.id)
        started = await self.transfer_is(asked.id, "STARTED", "TERMINATED")
        assert started.place.state == "STARTED", started.place
        await provider.transfer_is(started.peer_pid, "STARTED")
        return started

    async def moves(self, pid: str, verb: str, reason: str = "") -> Transfer:
        return await transfers.move(self.world, pid, verb, reason)

    async def looks(self) -> None:
        """Wake the delivery loop: a letter about nothing that was due before all others."""
        letter = Letter(
            id=f"l-{secrets.token_hex(8)}", process_kind="negotiation", process="nothing", purpose="turn", posted=LONG_AGO, due=LONG_AGO
        )
        async with self.world.store.transaction() as tx:
            tx.post(letter)
        await self.world.store.release([letter.id])

    # --- calls by hand

    async def sends(self, to: End, path: str, type: str, **fields: Any) -> Answer:
        """A message that our node would not have written, under our name and key."""
        body = json.dumps({"@context": list(CONTEXT), "@type": type, **fields}).encode()
        return await self.sends_bytes(to, path, body)

    async def sends_bytes(self, to: End, path: str, body: bytes) -> Answer:
        to.wire.by_hand.add(body)
        return await self.world.courier.post(f"{to.url}/dsp/2025-1", path, body, to.id, [to.url])

    async def reads(self, of: End, path: str) -> Answer:
        return await self.world.courier.get(f"{of.url}/dsp/2025-1", path, of.id, [of.url])

    async def address(self, pid: str) -> tuple[str, str]:
        """(url, token) of a started transfer of ours."""
        url, token, _ = await transfer.endpoint(self.world, pid)
        return url, token

    async def fetches(self, url: str, authorization: str = "") -> Answer:
        """What a data endpoint answers to this `Authorization`."""
        return await self.world.data.fetch(url, authorization=authorization, origins=[url.split("/data", maxsplit=1)[0]])

    async def pulls(self, address: tuple[str, str], battery: str = FIRST, path: str = "") -> Answer:
        """What a data address answers to whoever holds it."""
        url, token = address
        return await self.fetches(f"{url}/{battery}{path}", token)


@cache
def sample() -> Batch:
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    return read_folder(files)


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on, below those that the system gives to outgoing calls."""
    found: list[int] = []
    while len(found) < 2:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found[0], found[1]


@dataclass
class Stage:
    """Starts nodes and remembers them; everything ends with the test."""

    folder: Path
    stack: AsyncExitStack
    clock: MovableClock = field(default_factory=MovableClock)
    ends: list[End] = field(default_factory=list)

    async def start(
        self, name: str, *, decider: Decider | None = None, settings: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> End:
        """A node of this name; `settings` are environment variables without their prefix."""
        environ = {"STORE__SYNCHRONOUS": "NORMAL", "OUTBOUND__TIMEOUT": str(timeout), **(settings or {})}
        while True:
            try:
                end = await self._started(name, environ, decider)
                break
            except Misconfigured as error:
                if error.code != "port.taken":  # by another test, since we looked
                    raise
        self.ends.append(end)
        return end

    async def _started(self, name: str, environ: Mapping[str, str], decider: Decider | None) -> End:
        home = self.folder / f"{name}-{secrets.token_hex(4)}"
        port, operator = free_ports()
        networks = ["127.0.0.0/8", "::1/128"]
        await asyncio.to_thread(make, home, name=name, port=port, operator_port=operator, allow_private=networks, profile="demo")
        read = config.load(home, {f"SALTBRIDGE_{key}": value for key, value in environ.items()})
        end = End(name, node.build(read, decider=decider, clock=self.clock))
        end.node.dataspace.middlewares.insert(0, end.wire.middleware())
        await self.stack.enter_async_context(node.running(end.node))
        return end

    async def passes(self, **span: float) -> None:
        """Let time pass for every node, and have each look at its letters again."""
        self.clock.ahead += timedelta(**span)
        for end in self.ends:
            await end.looks()

    async def rests(self) -> None:
        """Take up no letter any more and let what is being sent arrive: nobody calls a node that is going down."""
        self.clock.ahead = timedelta(days=-10_000)
        sending = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == "_serve"]
        if sending:
            await asyncio.wait(sending, timeout=1.0)


@dataclass(frozen=True)
class Pair:
    """A provider that offers views of EV-72, and a consumer that it knows as a recycler."""

    maker: End
    recycler: End
    stage: Stage

    async def third(self, name: str = "oem", **claims: str) -> End:
        """Another node that the maker knows."""
        end = await self.stage.start(name)
        await self.maker.knows(end, **claims)
        await end.knows(self.maker)
        return end


DISMANTLING = offers.Wish(view="dismantling", model=MODEL, policy="recycler", until="2027-12-31")

__all__ = ["DISMANTLING", "FIRST", "MODEL", "SECOND", "Awaitable", "End", "Outbound", "Pair", "Peer", "Stage"]
