"""Real nodes on real files that an operator starts, stops and starts again, and the operator's hand on each."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import ClientSession

from connector import config, node
from connector.cli.init import make
from connector.cli.main import main
from connector.identity import static
from connector.operate import contracts, offers, passports, peers
from connector.ports import Record, World
from connector.records import Agreement, Json, Negotiation
from submodels.folder import Batch, read_folder

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
MODEL = "EV-72"
FIRST, SECOND = "EV-72.000017", "EV-72.000018"
LOOPBACK = ("127.0.0.0/8", "::1/128")
PATIENCE = 15.0  # seconds; a test that waits longer has failed
DISMANTLING = offers.Wish(view="dismantling", model=MODEL, policy="recycler", until="2099-12-31")

R = TypeVar("R", bound=Record)


@dataclass
class MovableClock:
    """The true time, and as much more as a test has let pass."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Said:
    """What one command line printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Run:
    """One node, from its start to its stop."""

    name: str
    node: node.Node
    settings: Mapping[str, str]
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def world(self) -> World:
        return self.node.world

    @property
    def id(self) -> str:
        return self.world.me.id

    @property
    def url(self) -> str:
        return self.world.me.public_url

    @property
    def home(self) -> Path:
        return self.node.config.home

    async def stop(self) -> None:
        await self.stack.aclose()

    # --- what is stored

    async def get(self, kind: type[R], id: str) -> R:
        async with self.world.store.transaction() as tx:
            found = await tx.get(kind, id)
        assert found is not None, f"{self.name} has no {kind.kind} {id}"
        return found

    async def every(self, kind: type[R]) -> list[R]:
        async with self.world.store.transaction() as tx:
            return await tx.find(kind)

    async def until(self, kind: type[R], id: str, holds: Callable[[Any], object]) -> R:
        """The record once something holds of it."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not holds(found := await self.get(kind, id)):
            assert asyncio.get_running_loop().time() < deadline, f"{self.name}: {found}"
            await self.world.changes.wait(id, 0.02)
        return found

    # --- what its operator does

    async def types(self, *words: str) -> Said:
        """A command typed in this home, while the node goes on."""
        return await asyncio.to_thread(types, self.home, *words)

    async def asks(self, path: str, token: str | None = None) -> tuple[int, str]:
        """A GET at the operator listener: status and text."""
        given = config.read_token(self.node.config) if token is None else token
        headers = {"Authorization": f"Bearer {given}"} if given else {}
        async with ClientSession() as session, session.get(f"http://{self.node.config.operator.listen}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def knows(self, other: Run, **claims: str) -> Json:
        async with ClientSession() as session, session.get(f"{other.url}/.well-known/did.json") as answer:
            card = await answer.json()
        return await self.takes(card, other.name, **claims)

    async def takes(self, card: Json, name: str, **claims: str) -> Json:
        vouched = {claim: (value,) for claim, value in claims.items()} or None
        wish = peers.Wish(card=card, fingerprint=static.read_card(card).fingerprint, name=name, claims=vouched)
        return await peers.add(self.world, static, wish)

    async def stock(self, *wishes: offers.Wish) -> None:
        """Import and publish the sample, and offer views of it."""
        await passports.import_batch(self.world, sample())
        await passports.publish(self.world, MODEL)
        for wish in wishes or (DISMANTLING,):
            await offers.offer(self.world, wish)

    async def negotiates(self, provider: Run, dataset: str = "dismantling", **more: Any) -> Negotiation:
        """A negotiation to its end, which both sides have reached."""
        opened = await contracts.open(self.world, provider.name, dataset, **more)
        ended = await self.until(Negotiation, opened.id, lambda it: it.place.state in ("FINALIZED", "TERMINATED") and not it.place.waiting)
        await provider.until(Negotiation, ended.peer_pid, lambda it: it.place.state == ended.place.state and not it.place.waiting)
        return ended

    async def agrees(self, provider: Run, dataset: str = "dismantling", **more: Any) -> Agreement:
        ended = await self.negotiates(provider, dataset, **more)
        assert ended.place.state == "FINALIZED", ended.place
        return await self.get(Agreement, ended.agreement["@id"])


def types(home: Path, *words: str) -> Said:
    """A command as an operator types it."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setenv("SALTBRIDGE_HOME", "")  # the command line sets it; given back afterwards
        code = main(["--home", str(home), *words])
    return Said(code, out.getvalue(), err.getvalue())


@cache
def sample() -> Batch:
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    return read_folder(files)


_given: set[int] = set()


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on, that nobody was given here before, below those that the system gives to outgoing calls."""
    found: list[int] = []
    while len(found) < 2:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                found.append(port)
    return found[0], found[1]


@dataclass
class Stage:
    """Makes homes, starts and restarts nodes in them; everything ends with the test."""

    folder: Path
    clock: MovableClock = field(default_factory=MovableClock)
    runs: dict[str, Run] = field(default_factory=dict)

    def home(self, name: str) -> Path:
        """The node's home, made when it is not there."""
        home = self.folder / name
        if not home.exists():
            port, operator = free_ports()
            make(home, name=name, port=port, operator_port=operator, allow_private=LOOPBACK, profile="development")
        return home

    async def start(self, name: str, settings: Mapping[str, str] | None = None) -> Run:
        """A node of this name; `settings` are environment variables without their prefix.  Again: stopped before, in the same home."""
        await self.stop(name)
        environ = {"STORE__SYNCHRONOUS": "NORMAL", **(settings or {})}
        read = config.load(await asyncio.to_thread(self.home, name), {f"SALTBRIDGE_{key}": value for key, value in environ.items()})
        run = Run(name, node.build(read, clock=self.clock), environ)
        await run.stack.enter_async_context(node.running(run.node))
        self.runs[name] = run
        return run

    async def stop(self, name: str) -> None:
        if name in self.runs:
            await self.runs.pop(name).stop()

    async def close(self) -> None:
        for name in list(self.runs):
            await self.stop(name)

    def passes(self, **span: float) -> None:
        self.clock.ahead += timedelta(**span)


@dataclass(frozen=True)
class Pair:
    """A maker that offers views of EV-72, and a recycler that it vouches for."""

    stage: Stage
    maker: Run
    recycler: Run


async def introduced(stage: Stage, maker: Run, recycler: Run) -> Pair:
    await maker.knows(recycler, role="recycler")
    await recycler.knows(maker)
    await maker.stock()
    return Pair(stage, maker, recycler)
