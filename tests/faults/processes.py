"""A maker and a recycler as two processes of their own, each behind a gate, either of which may be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import secrets
import socket
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from connector.cli.init import make
from connector.config import load, read_token
from connector.identity import keys

from .gate import Gate, Wire
from .node import ORDER

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
BATTERY = "EV-72.000017"
PATIENCE = 30.0  # seconds for anything to come true
READY_WITHIN = 120.0  # seconds for a process to have imported the product, on a machine that does other things as well
CALL_WITHIN = 2.0  # seconds that a node waits for an answer of its peer ([outbound] timeout)
LOOK = 0.04  # seconds between two looks


class Down(Exception):
    """The node does not answer its operator."""


class Refused(Exception):
    """It answers that it cannot or will not."""

    def __init__(self, status: int, said: Any) -> None:
        super().__init__(f"{status} {said}")
        self.status = status
        self.code = said.get("code", "") if isinstance(said, dict) else ""


class Stuck(AssertionError):
    """Something did not come true in time."""


@dataclass
class Node:
    """One node: started, killed by itself when ordered to, started again."""

    role: str
    home: Path
    gate: Gate
    operator: str
    token: str
    forker: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    endings: list[int] = field(default_factory=list)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    reviving: asyncio.Lock = field(default_factory=asyncio.Lock)
    known: set[str] = field(default_factory=set)  # processes that were there before
    ear: asyncio.Task[None] | None = None

    # --- its life

    async def start(self) -> None:
        """Fork a new life of the node and wait until it answers."""
        assert self.forker.stdin
        self.forker.stdin.write(b"start\n")
        await self.forker.stdin.drain()
        async with asyncio.timeout(READY_WITHIN):
            while not self.running.is_set():
                assert self.forker.returncode is None, f"the forker of the {self.role} ended: {self.forker.returncode}"
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.running.wait(), 1.0)
            while self.running.is_set() and not await self._ready():
                await asyncio.sleep(LOOK)

    async def revive(self) -> None:
        """Start it again when it is dead."""
        async with self.reviving:
            while not self.running.is_set():
                await self.start()

    async def listen(self) -> None:
        """Hear from the forker what becomes of the node."""
        assert self.forker.stdout
        async for line in self.forker.stdout:
            what, _, number = line.decode().strip().partition(" ")
            if what == "started":
                self.running.set()
            elif what == "ended":
                self.running.clear()
                self.endings.append(int(number))

    async def close(self) -> None:
        """End forker and node: the forker ends with its stdin, the node with the forker."""
        assert self.forker.stdin
        self.forker.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.forker.wait()
        except TimeoutError:
            self.forker.kill()
        if self.ear:
            await self.ear
        await self.session.close()

    def order(self, what: str) -> None:
        """What the node shall suffer from now on; see `node`."""
        fresh = self._order.with_suffix(".new")
        fresh.write_text(f"{what} {secrets.token_hex(4)}")
        fresh.replace(self._order)

    @property
    def ordered(self) -> bool:
        return self._order.exists()

    def calm(self) -> None:
        self._order.unlink(missing_ok=True)

    @property
    def _order(self) -> Path:
        return self.home / ORDER

    def log(self) -> str:
        return (self.home / "node.log").read_text(errors="replace")

    async def _ready(self) -> bool:
        try:
            async with self.session.get(f"http://{self.operator}/health/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    # --- its operator

    async def get(self, path: str, **query: str) -> Any:
        return await self.call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self.call("POST", path, data=json.dumps(body), headers={"Content-Type": "application/json"})

    async def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        url = f"http://{self.operator}/management/saltbridge{path}"
        asked = {"X-Api-Key": self.token, **(headers or {})}
        try:
            async with self.session.request(method, url, headers=asked, **more) as answer:
                said = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Down(f"{self.role}: {error}") from error
        if answer.status >= 300:
            raise Refused(answer.status, said)
        return said

    async def new(self, kind: str) -> Any:
        """The one process that nobody knew before; None when there is none."""
        rows = [row for row in await self.get(f"/{kind}") if row["id"] not in self.known]
        assert len(rows) <= 1, f"{self.role} has more than one new: {rows}"
        return rows[0] if rows else None

    async def knows_all(self, kind: str) -> None:
        self.known |= {row["id"] for row in await self.get(f"/{kind}")}


@dataclass
class Pair:
    """Both nodes, the wire between them, and the agreement that the transfers' cases stand on."""

    maker: Node
    recycler: Node
    wire: Wire
    store: str
    folder: Path
    agreement: str = ""
    whole: Any = None  # what a pull gives, whichever transfer it is under
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    def node(self, side: str) -> Node:
        return self.maker if side == "provider" else self.recycler

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.maker, self.recycler

    async def revive(self) -> None:
        for node in self.nodes:
            await node.revive()

    async def pull(self, address: Mapping[str, str]) -> tuple[int, Any]:
        """Pull the battery from where a start message said it lies."""
        headers = {"Authorization": address["authorization"]}
        try:
            async with self.recycler.session.get(f"{address['endpoint']}/{BATTERY}", headers=headers) as answer:
                return answer.status, _without_receipt(await answer.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Down(str(error)) from error


def _without_receipt(document: Any) -> Any:
    """A pull's bytes hold a receipt id of their own."""
    if isinstance(document, dict):
        return {key: value for key, value in document.items() if key not in {"receipt", "decision"}}
    return document


@contextlib.asynccontextmanager
async def running_pair(folder: Path, store: str, urls: Mapping[str, str], plant: str = "") -> AsyncIterator[Pair]:
    """Two nodes that know each other; the maker offers `dismantling` to recyclers, `condition` to nobody here.

    `urls`: [store] url by role, '' for the home's own SQLite file.  `plant`: the mistake that both make (`plants`).
    """
    async with contextlib.AsyncExitStack() as stack:
        wire = Wire()
        maker = await _made(stack, folder / "maker", "provider", wire, urls.get("provider", ""), plant)
        recycler = await _made(stack, folder / "recycler", "consumer", wire, urls.get("consumer", ""), plant)
        for node, other in ((maker, recycler), (recycler, maker)):
            node.gate.receiver_id, node.gate.sender_id = _did(node), _did(other)
            node.gate.sender_key = keys.load(other.home / "keys").dsp
            await node.gate.open()
            stack.push_async_callback(node.gate.close)
            await node.start()
        pair = Pair(maker, recycler, wire, store, folder)
        await _introduce(pair)
        yield pair


async def _made(stack: contextlib.AsyncExitStack, home: Path, role: str, wire: Wire, url: str, plant: str = "") -> Node:
    public, own, operator = free_ports(3)
    await asyncio.to_thread(
        make, home, name=home.name, port=own, operator_port=operator, public_url=f"http://localhost:{public}",
        allow_private=["127.0.0.0/8", "::1/128"], profile="demo",
    )  # fmt: skip
    environ = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "SALTBRIDGE_OUTBOUND__TIMEOUT": str(CALL_WITHIN)}
    environ |= {"SALTBRIDGE_STORE__URL": url} if url else {}
    forker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.node", str(home), plant,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=environ,
    )  # fmt: skip
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
    token = read_token(load(home, {}))
    node = Node(role, home, Gate(wire, role, public, own), f"127.0.0.1:{operator}", token, forker, session)
    node.ear = asyncio.create_task(node.listen())
    stack.push_async_callback(node.close)
    return node


def _did(node: Node) -> str:
    return f"did:web:localhost%3A{node.gate.port}"


async def _introduce(pair: Pair) -> None:
    for host, guest, claims in ((pair.maker, pair.recycler, {"role": ["recycler"]}), (pair.recycler, pair.maker, {})):
        card = await guest.get("/peers/card")
        await host.post("/peers", {"card": card["card"], "fingerprint": card["fingerprint"], "name": guest.home.name, "claims": claims})
    await pair.maker.call("POST", "/passports/import", data=packed_sample(), headers={"Content-Type": "application/zip"})
    await pair.maker.post("/passports/EV-72/publish", {})
    for view, policy in (("dismantling", "recycler"), ("condition", "second-life")):
        await pair.maker.post("/offers", {"view": view, "model": "EV-72", "policy": policy, "until": "2099-12-31"})
    agreed = await pair.recycler.post("/negotiations", {"peer": "maker", "dataset": "dismantling", "purpose": ["dismantling"]})
    pair.agreement = agreed["agreement"]
    started = await pair.recycler.post("/transfers", {"agreement": pair.agreement})
    status, pair.whole = await pair.pull(await pair.recycler.get(f"/transfers/{part(started['id'])}/dataaddress"))
    assert status == 200, pair.whole
    for node in pair.nodes:
        for kind in ("negotiations", "transfers"):
            await node.knows_all(kind)


@cache
def packed_sample() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(SAMPLE.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(SAMPLE).as_posix())
    return packed.getvalue()


def part(id: str) -> str:
    return quote(id, safe="")


_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the system gives to outgoing calls."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                found.append(port)
    return found
