"""A peer that is not ours: a tiny HTTP server with a key of its own that answers as a test has written down.

It speaks just enough DSP to be believed: a card, signed calls, process objects in its answers.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from jwcrypto.jwk import JWK

from connector.exchange import negotiate
from connector.identity import jws, keys, static
from connector.operate import peers
from connector.ports import Me
from connector.protocol.vocabulary import CONTEXT
from connector.records import Json, Negotiation, Peer

from .nodes import PATIENCE, End

TERMS = {"permission": [{"action": "use"}]}
DATASET = "their-dataset"


@dataclass
class Reply:
    """One answer: an HTTP answer, a dropped connection, or (`held`) one that waits until the test lets it go."""

    status: int = 200
    body: Any = None  # None: the process object; bytes as they are; else JSON
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    held: asyncio.Event | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


DROP = Reply(drop=True)


@dataclass(frozen=True)
class Call:
    """One request that the node made."""

    method: str
    path: str
    body: Json
    token: str
    at: float  # seconds of the loop's clock

    @property
    def type(self) -> str:
        return str(self.body.get("@type", self.method))


@dataclass
class Scripted:
    """The peer.  `says` holds what it answers next, `always` what it answers when that is used up."""

    port: int
    key: JWK = field(default_factory=keys.new_key)
    says: deque[Reply] = field(default_factory=deque)
    always: Reply = field(default_factory=Reply)
    state: str = ""  # what a GET of its process tells; "" is 404
    troubles: deque[Reply] = field(default_factory=deque)  # what comes of the first GETs instead
    calls: list[Call] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    session: aiohttp.ClientSession | None = None

    @property
    def id(self) -> str:
        return f"did:web:localhost%3A{self.port}"

    @property
    def me(self) -> Me:
        return Me(id=self.id, name="scripted", public_url=f"http://localhost:{self.port}")

    def will(self, *replies: Reply | int) -> None:
        self.says.extend(reply if isinstance(reply, Reply) else Reply(reply) for reply in replies)

    def heard(self) -> list[str]:
        return [call.type for call in self.calls]

    async def known_to(self, end: End, name: str = "scripted") -> Peer:
        card = dict(static.card(self.me, self.key))
        fingerprint = static.read_card(card).fingerprint
        await peers.add(end.world, static, peers.Wish(card=card, fingerprint=fingerprint, name=name, claims={"role": ("recycler",)}))
        async with end.world.store.transaction() as tx:
            peer = await tx.get(Peer, self.id)
        assert peer is not None
        return peer

    # --- answering

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read() or b"{}")
        token, now = request.headers.get("Authorization", ""), asyncio.get_running_loop().time()
        self.calls.append(Call(request.method, request.path, body, token, now))
        self.came.set()
        if request.method == "GET" and not self.troubles:
            return self._state(request)
        if request.method == "GET":
            self.says.appendleft(self.troubles.popleft())
        reply = self.says.popleft() if self.says else self.always
        reply.arrived.set()
        if reply.held is not None:
            await reply.held.wait()
        if reply.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(reply.body, bytes):
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        said = reply.body if reply.body is not None or reply.status >= 300 else self._process(body)
        return web.json_response(said if said is not None else {}, status=reply.status, headers=reply.headers)

    def _state(self, request: web.Request) -> web.Response:
        if not self.state:
            return web.json_response({}, status=404)
        noun = "TransferProcess" if "/transfers/" in request.path else "ContractNegotiation"
        return web.json_response({"@context": list(CONTEXT), "@type": noun, **self.pids(self._consumer()), "state": self.state})

    def _consumer(self) -> str:
        return next(str(call.body["consumerPid"]) for call in self.calls if "consumerPid" in call.body)

    def _process(self, said: Json) -> Json:
        noun = "TransferProcess" if str(said.get("@type", "")).startswith("Transfer") else "ContractNegotiation"
        return {"@context": list(CONTEXT), "@type": noun, **self.pids(str(said["consumerPid"])), "state": "REQUESTED"}

    @staticmethod
    def pids(consumer: str) -> dict[str, str]:
        return {"consumerPid": consumer, "providerPid": f"their:{consumer}"}

    # --- speaking

    async def sends(self, to: End, path: str, type: str, **fields: Any) -> tuple[int, Any]:
        token = jws.sign(self.key, self.id, to.id, to.world.clock.now())
        body = json.dumps({"@context": list(CONTEXT), "@type": type, **fields}).encode()
        to.wire.by_hand.add(body)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        assert self.session is not None
        async with self.session.post(f"{to.url}/dsp/2025-1{path}", data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def reads(self, of: End, path: str) -> tuple[int, Any]:
        token = jws.sign(self.key, self.id, of.id, of.world.clock.now())
        assert self.session is not None
        async with self.session.get(f"{of.url}/dsp/2025-1{path}", headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status, await answer.json()

    async def gets(self, type: str) -> Call:
        """The first message of a type that the node sends us, once it has come (`ContractNegotiationEventMessage` or any other)."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not (found := [call for call in self.calls if call.type == type]):
            assert asyncio.get_running_loop().time() < deadline, self.heard()
            await self.came.wait()
            self.came.clear()
        return found[0]

    async def agrees(self, to: End, pid: str) -> None:
        """Send the agreement that a negotiation of the node asks for."""
        agreement = {
            "@id": f"their-agreement-{pid}", "@type": "Agreement", "target": DATASET, "assigner": self.id, "assignee": to.id,
            "timestamp": "2026-11-24T20:53:55Z", **TERMS,
        }  # fmt: skip
        status, said = await self.sends(
            to, f"/negotiations/{pid}/agreement", "ContractAgreementMessage", **{"@id": f"a-{pid}"}, **self.pids(pid), agreement=agreement
        )
        assert status == 200, said

    async def finalizes(self, to: End, pid: str) -> None:
        status, said = await self.sends(
            to, f"/negotiations/{pid}/events", "ContractNegotiationEventMessage", **self.pids(pid), eventType="FINALIZED"
        )
        assert status == 200, said


async def asks(end: End, peer: Peer) -> Negotiation:
    """A negotiation that the node opens with the scripted peer."""
    offer = {"@id": "their-offer", "@type": "Offer", "target": DATASET, **TERMS}
    return await negotiate.request(end.world, peer, offer)


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """The peer, listening until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    peer = Scripted(listener.getsockname()[1])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", peer.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    async with aiohttp.ClientSession() as peer.session:
        yield peer
    await runner.cleanup()
