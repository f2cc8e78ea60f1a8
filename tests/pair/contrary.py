"""A peer of another make that keeps the standard and is awkward in everything it leaves open.

A real HTTP server with a protocol of its own writing (nothing of `connector.exchange` or `connector.protocol` is in it; only
keys and cards are ours, because the identity is).  It plays both roles, by itself as far as no person is asked.

    keys in reverse order, fields that nobody knows, a second context, no Content-Type or an odd one, bodies with white space
    200 where 201 is meant, 204 or an empty body where one is free, ids that need quoting, a callback path that is not the card's
    it waits a moment before each answer and each message, says every third message twice, often leaves out the @id
    every 20th answer is lost after the message took effect: the connection just ends
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
from aiohttp import web
from jwcrypto.jwk import JWK
from yarl import URL

from connector.identity import jws, keys, static
from connector.operate import peers
from connector.ports import Me
from connector.records import Json, Peer

from .nodes import PATIENCE, End

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
CALLBACK = "/another/path/v7"
HTTP_PULL, ENDPOINT_TYPE = "HttpData-PULL", "https://w3id.org/idsa/v4.1/HTTP"
DROP_EVERY = 20

# (state, message) -> state, as each side receives it; what is not here is answered 400.
NEGOTIATION = {
    ("provider", "", "ContractRequestMessage"): "REQUESTED",
    ("provider", "OFFERED", "ContractRequestMessage"): "REQUESTED",
    ("provider", "OFFERED", "ACCEPTED"): "ACCEPTED",
    ("provider", "AGREED", "ContractAgreementVerificationMessage"): "VERIFIED",
    ("consumer", "", "ContractOfferMessage"): "OFFERED",
    ("consumer", "REQUESTED", "ContractOfferMessage"): "OFFERED",
    ("consumer", "REQUESTED", "ContractAgreementMessage"): "AGREED",
    ("consumer", "ACCEPTED", "ContractAgreementMessage"): "AGREED",
    ("consumer", "VERIFIED", "FINALIZED"): "FINALIZED",
}
TRANSFER = {
    ("provider", "", "TransferRequestMessage"): "REQUESTED",
    ("provider", "SUSPENDED", "TransferStartMessage"): "STARTED",
    ("consumer", "REQUESTED", "TransferStartMessage"): "STARTED",
    ("consumer", "STARTED", "TransferStartMessage"): "STARTED",
    ("consumer", "SUSPENDED", "TransferStartMessage"): "STARTED",
}
for _side in ("provider", "consumer"):
    for _state in ("REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED"):
        NEGOTIATION[_side, _state, "ContractNegotiationTerminationMessage"] = "TERMINATED"
    for _state in ("REQUESTED", "STARTED", "SUSPENDED"):
        TRANSFER[_side, _state, "TransferTerminationMessage"] = "TERMINATED"
        TRANSFER[_side, _state, "TransferCompletionMessage"] = "COMPLETED"
    TRANSFER[_side, "STARTED", "TransferSuspensionMessage"] = "SUSPENDED"


@dataclass
class Held:
    """One conversation at this peer's end."""

    id: str
    kind: str  # negotiations | transfers
    side: str
    address: str  # where the other side is called
    theirs: str = ""
    state: str = ""
    content: Json = field(default_factory=dict)  # offer, agreement or data address as it last came
    seen: set[str] = field(default_factory=set)  # what was applied: @id, or the content where there is none
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pids(self) -> dict[str, str]:
        ours, other = ("consumerPid", "providerPid") if self.side == "consumer" else ("providerPid", "consumerPid")
        return {ours: self.id} | ({other: self.theirs} if self.theirs else {})


@dataclass
class Shelf:
    """What the peer offers and hands out: a dataset as a catalog shows it, its grant, and what its data endpoint answers."""

    dataset: Json
    grant: bytes
    data: Mapping[str, tuple[str, bytes, Mapping[str, str]]]  # path and query -> type, body, headers


@dataclass
class Contrary:
    """The peer."""

    port: int
    seed: int
    shelf: Shelf | None = None
    wider: bool = False  # provider: answer the first request with an offer
    by_itself: bool = True
    key: JWK = field(default_factory=keys.new_key)
    processes: dict[str, Held] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    session: aiohttp.ClientSession | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    minted: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @property
    def id(self) -> str:
        return f"did:web:localhost%3A{self.port}"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def me(self) -> Me:
        return Me(id=self.id, name="contrary", public_url=self.url)

    async def known_to(self, end: End) -> Peer:
        card = dict(static.card(self.me, self.key))
        wish = peers.Wish(
            card=card, fingerprint=static.read_card(card).fingerprint, name="contrary", claims={"role": ("recycler",)}
        )  # fmt: skip
        await peers.add(end.world, static, wish)
        async with end.world.store.transaction() as tx:
            peer = await tx.get(Peer, self.id)
        assert peer is not None
        return peer

    # --- being called

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.chance.random() * 0.05)
        path = unquote(request.raw_path.partition("?")[0])
        for base in (CALLBACK, "/dsp/2025-1"):
            if path.startswith(base):
                status, body = await self._heard(request, path.removeprefix(base).replace("//", "/"))
                return self._say(request, status, body)
        return self._hands_out(request, path)

    def _say(self, request: web.Request, status: int, body: Json | None) -> web.StreamResponse:
        takes_effect = request.method == "POST" and not request.path.endswith("/catalog/request")
        self.counts["answers"] += takes_effect
        if takes_effect and self.counts["answers"] % DROP_EVERY == 0:
            self.counts["answers dropped"] += 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if body is None:
            return web.Response(status=self.chance.choice([200, 204, 202]))
        types = [{}, {"Content-Type": "application/ld+json; charset=utf-8"}, {"Content-Type": "application/json;charset=UTF-8"}]
        return web.Response(status=status, body=self._odd(body), headers=self.chance.choice(types))

    async def _heard(self, request: web.Request, path: str) -> tuple[int, Json | None]:
        steps = path.strip("/").split("/", 1)
        if request.method == "GET" and steps[0] in ("negotiations", "transfers"):
            held = self.processes.get(steps[1])
            return (200, self._process(held)) if held else (404, {})
        if request.method == "GET":
            assert self.shelf is not None
            return 200, {"@context": [CONTEXT], **self.shelf.dataset}
        said = json.loads(await request.read())
        if steps[0] == "catalog":
            return 200, self._catalog()
        return await self._applied(steps[0], said)

    async def _applied(self, kind: str, said: Json) -> tuple[int, Json | None]:
        """Take a message: once, however often it comes."""
        type = said.get("eventType") or said["@type"]
        held, opens = self._found(kind, said)
        if held is None:
            return 404, None
        async with held.lock:
            mark = said.get("@id") or json.dumps(said, sort_keys=True)
            if mark in held.seen:
                self.counts["repeats heard"] += 1
                return 200, self._process(held) if opens else None
            table = NEGOTIATION if kind == "negotiations" else TRANSFER
            to = table.get((held.side, held.state, type))
            if to is None:
                self.counts["refused"] += 1
                noun = "ContractNegotiationError" if kind == "negotiations" else "TransferError"
                return 400, {"@context": [CONTEXT], "@type": noun, **held.pids, "code": "state", "reason": [f"{type} in {held.state}"]}
            held.seen.add(mark)
            held.state = to
            held.theirs = said["providerPid" if held.side == "consumer" else "consumerPid"]
            held.content = said.get("agreement") or said.get("offer") or said.get("dataAddress") or held.content
            if type == "TransferRequestMessage":
                held.content = {"agreement": said["agreementId"]}
        held.moved.set()
        if self.by_itself:
            self._soon(self._reacts(held, type))
        return 200, self._process(held) if opens or self.chance.random() < 0.3 else None

    def _found(self, kind: str, said: Json) -> tuple[Held | None, bool]:
        """The conversation of a message, and whether the message opens it."""
        for key in ("consumerPid", "providerPid"):
            if said.get(key) in self.processes:
                held = self.processes[said[key]]
                return held, not (said.get("consumerPid") and said.get("providerPid"))
        if "callbackAddress" not in said:
            return None, False
        theirs = said.get("consumerPid") or said["providerPid"]
        for held in self.processes.values():
            if held.theirs == theirs:
                return held, True
        side = "provider" if "consumerPid" in said else "consumer"
        return self._new(kind, side, said["callbackAddress"]), True

    def _new(self, kind: str, side: str, address: str) -> Held:
        held = Held(f"their/{kind}:{next(self.minted)}+ü", kind, side, address.rstrip("/"))
        self.processes[held.id] = held
        return held

    def _process(self, held: Held) -> Json:
        noun = "ContractNegotiation" if held.kind == "negotiations" else "TransferProcess"
        return {"@context": [CONTEXT], "@type": noun, **held.pids, "state": held.state}

    # --- its own mind

    async def _reacts(self, held: Held, type: str) -> None:
        """What follows from a message without a person."""
        match held.side, type:
            case "provider", "ContractRequestMessage" if self.wider:
                self.wider = False
                await self.offers(held)
            case "provider", "ContractRequestMessage" | "ACCEPTED":
                await self.agrees(held)
            case "provider", "ContractAgreementVerificationMessage":
                await self.says(held, "events", "ContractNegotiationEventMessage", "FINALIZED", eventType="FINALIZED")
            case "consumer", "ContractAgreementMessage":
                await self.says(held, "agreement/verification", "ContractAgreementVerificationMessage", "VERIFIED")
            case "consumer", "ContractOfferMessage":
                await self.says(held, "events", "ContractNegotiationEventMessage", "ACCEPTED", eventType="ACCEPTED")
            case "provider", "TransferRequestMessage" | "TransferStartMessage":
                await self.starts(held)

    async def offers(self, held: Held) -> None:
        assert self.shelf is not None
        held.content = self.shelf.dataset["hasPolicy"][0] | {"target": self.shelf.dataset["@id"]}
        await self.says(held, "offers", "ContractOfferMessage", "OFFERED", offer=held.content)

    async def agrees(self, held: Held) -> None:
        terms = {key: held.content[key] for key in ("permission", "prohibition", "obligation") if held.content.get(key)}
        agreement = {
            "@id": f"deal {held.id}", "@type": "Agreement", "target": held.content["target"], "assigner": self.id,
            "assignee": _did_at(held.address), "timestamp": "2026-11-25T02:53:55.123Z", **terms,
        }  # fmt: skip
        await self.says(held, "agreement", "ContractAgreementMessage", "AGREED", agreement=agreement)

    async def starts(self, held: Held) -> None:
        names = {"authorization": f"key-of-{quote(held.id)}", "https://w3id.org/edc/v0.0.1/ns/authType": "bearer", "region": "eu"}
        address = {
            "@type": "DataAddress", "endpointType": ENDPOINT_TYPE, "endpoint": f"{self.url}/files/",
            "endpointProperties": [{"@type": "EndpointProperty", "name": name, "value": value} for name, value in names.items()],
        }  # fmt: skip
        await self.says(held, "start", "TransferStartMessage", "STARTED", dataAddress=address)

    # --- calling

    async def opens_negotiation(self, end: End, offer: Json) -> Held:
        held = self._new("negotiations", "consumer", f"{end.url}/dsp/2025-1")
        await self.says(held, "request", "ContractRequestMessage", "REQUESTED", offer=offer, callbackAddress=f"{self.url}{CALLBACK}/")
        return held

    async def proposes(self, end: End) -> Held:
        assert self.shelf is not None
        held = self._new("negotiations", "provider", f"{end.url}/dsp/2025-1")
        held.content = self.shelf.dataset["hasPolicy"][0] | {"target": self.shelf.dataset["@id"]}
        callback = f"{self.url}{CALLBACK}"
        await self.says(held, "offers", "ContractOfferMessage", "OFFERED", offer=held.content, callbackAddress=callback)
        return held

    async def opens_transfer(self, end: End, agreement: str) -> Held:
        held = self._new("transfers", "consumer", f"{end.url}/dsp/2025-1")
        more = {"agreementId": agreement, "format": HTTP_PULL, "callbackAddress": f"{self.url}{CALLBACK}"}
        await self.says(held, "request", "TransferRequestMessage", "REQUESTED", **more)
        return held

    async def says(self, held: Held, path: str, type: str, to: str, **content: Any) -> None:
        """Send a message until it is taken, in its own way; our end has moved when the other side has it."""
        await asyncio.sleep(self.chance.random() * 0.05)
        pids = held.pids
        message = {"@context": [CONTEXT], "@type": type, **pids, **content}
        if self.chance.random() < 0.6:
            message["@id"] = f"message {next(self.minted)}"
        where = f"{quote(held.theirs, safe='')}/{path}" if held.theirs else path
        async with held.lock:
            for _ in range(2 if "@id" in message and self.chance.random() < 0.34 else 1):
                status, answer = await self._sends(held.address, f"/{held.kind}/{where}", message)
                assert 200 <= status < 300, f"{type}: {status} {answer}"
            if not held.theirs:
                held.theirs = answer["providerPid" if held.side == "consumer" else "consumerPid"]
            held.state = to
        held.moved.set()

    async def _sends(self, address: str, path: str, message: Json) -> tuple[int, Any]:
        headers = {**self._signed(address), "Content-Type": self.chance.choice(["application/json", "application/json; charset=utf-8"])}
        assert self.session is not None
        async with self.session.post(f"{address}{path}", data=self._odd(message), headers=headers) as answer:
            return answer.status, json.loads(await answer.read() or b"null")

    async def reads(self, end: End, path: str) -> tuple[int, bytes]:
        assert self.session is not None
        async with self.session.get(f"{end.url}{path}", headers=self._signed(end.url)) as answer:
            return answer.status, await answer.read()

    async def catalog_of(self, end: End) -> Json:
        """The single dataset that a node shows us."""
        status, found = await self._sends(f"{end.url}/dsp/2025-1", "/catalog/request", {
            "@context": [CONTEXT], "@type": "CatalogRequestMessage", "filter": [],
        })  # fmt: skip
        assert status == 200, found
        [dataset] = found["dataset"]
        return dict(dataset)

    async def pulls(self, address: Json, path: str) -> tuple[int, bytes]:
        said = {entry["name"]: entry["value"] for entry in address["endpointProperties"]}
        assert self.session is not None
        async with self.session.get(f"{address['endpoint']}{path}", headers={"Authorization": said["authorization"]}) as answer:
            return answer.status, await answer.read()

    async def until(self, held: Held, *states: str) -> Held:
        async with asyncio.timeout(PATIENCE):
            while held.state not in states:
                held.moved.clear()
                await held.moved.wait()
        return held

    # --- its handwriting

    def _odd(self, document: Any) -> bytes:
        """Legal JSON that nobody would write: keys backwards, more of them than known, white space, escapes."""
        return json.dumps(
            self._strange(document, root=True), indent=self.chance.choice([None, 3]), ensure_ascii=self.chance.random() < 0.5
        ).encode()

    def _strange(self, value: Any, *, root: bool = False) -> Any:
        if isinstance(value, list):
            return [self._strange(each) for each in value]
        if not isinstance(value, dict):
            return value
        more = {"x-nobody-knows": {"why": ["because", 1, None]}} if root else {}
        return {key: value[key] if key == "@context" else self._strange(value[key]) for key in reversed(value)} | more

    def _signed(self, address: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {jws.sign(self.key, self.id, _did_at(address), datetime.now(UTC))}"}

    def _soon(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # --- its shelf

    def _catalog(self) -> Json:
        assert self.shelf is not None
        return {
            "@context": [CONTEXT], "@type": "Catalog", "@id": "their catalog", "participantId": self.id, "dataset": [self.shelf.dataset],
            "service": [{"@type": "DataService", "@id": "their-service", "endpointURL": f"{self.url}/dsp/2025-1"}],
        }  # fmt: skip

    def _hands_out(self, request: web.Request, path: str) -> web.StreamResponse:
        assert self.shelf is not None
        if path.startswith("/grants/"):
            return web.Response(body=self.shelf.grant, content_type="application/json")
        if not path.startswith("/files"):
            return web.Response(status=404)
        tokens = {f"key-of-{quote(held.id)}": held for held in self.processes.values() if held.kind == "transfers"}
        held = tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        found = self.shelf.data.get(request.raw_path.removeprefix("/files"))
        if held is None or held.state != "STARTED":
            return web.json_response({"code": "transfer.not.started", "reason": ["Not now."]}, status=403)
        if found is None:
            return web.json_response({"code": "unknown", "reason": ["Nothing here."]}, status=404)
        type, body, headers = found
        return web.Response(body=body, headers={**headers, "Content-Type": type})


def _did_at(address: str) -> str:
    """The id of the node at an address."""
    return f"did:web:{URL(address).authority.replace(':', '%3A')}"


@asynccontextmanager
async def contrary(seed: int, shelf: Shelf | None = None) -> AsyncIterator[Contrary]:
    """The peer, listening until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    peer = Contrary(listener.getsockname()[1], seed, shelf)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", peer.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    async with aiohttp.ClientSession() as peer.session:
        yield peer
        broken = [task.exception() for task in await _done(peer) if not task.cancelled() and task.exception()]
    with contextlib.suppress(asyncio.CancelledError):
        await runner.cleanup()
    assert not broken, broken


async def _done(peer: Contrary) -> set[asyncio.Task[None]]:
    tasks = set(peer.tasks)
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)
    return tasks
