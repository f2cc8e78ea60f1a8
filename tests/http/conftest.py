"""A node's skin on a real store and the real conversations; the tests bring identity, as they may.

No letter is delivered here: what a message causes stays in the outbox, where a test can see it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connector.dataplane.sources import HttpSources
from connector.errors import PeerUnreachable, Unauthenticated
from connector.exchange.decide import ProductDecider
from connector.http.app import dataspace_app, operator_app
from connector.http.outbound import Outbound
from connector.http.settings import Settings
from connector.ports import Answer, Caller, Limits, Me, Store, SystemClock, World
from connector.storage.sqlite import open_sqlite
from policies.facts import Facts

ME = "did:web:maker.example"
PEER = "did:web:recycler.example"
OTHER = "did:web:oem.example"
TOKEN = "an-operator-token-of-good-length"
NIL = "urn:uuid:00000000-0000-0000-0000-000000000000"
CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]

Client = TestClient[web.Request, web.Application]


@dataclass
class ByName:
    """An identity adapter: `Authorization` is the participant id, and a number makes it a fresh token."""

    safe: list[bool] = field(default_factory=list)

    async def authenticate(self, authorization: str, *, safe: bool) -> Caller:
        name, _, nonce = authorization.partition(" ")
        if name not in (PEER, OTHER):
            raise Unauthenticated("nobody we know")
        self.safe.append(safe)
        caller = await self.caller(name)
        until = datetime.now(UTC) + timedelta(minutes=5)
        return Caller(participant=name, origins=caller.origins, facts=Facts(), nonce=(name, nonce, until) if nonce and not safe else None)

    async def caller(self, participant: str) -> Caller:
        return Caller(participant=participant, origins=(f"https://{participant.removeprefix('did:web:')}",), facts=Facts())

    async def token(self, audience: str) -> str:
        return ME


class Alone:
    """Courier, data client and data tokens of a node that nobody answers and that issued no token."""

    async def post(self, address: str, path: str, body: bytes, audience: str, origins: Iterable[str]) -> Answer:
        raise PeerUnreachable("Nobody there.")

    async def get(self, address: str, path: str, audience: str, origins: Iterable[str]) -> Answer:
        raise PeerUnreachable("Nobody there.")

    async def fetch(self, url: str, *, authorization: str = "", origins: Iterable[str] = (), accept: str = "*/*") -> Answer:
        raise PeerUnreachable("Nobody there.")

    def issue(self, transfer: str, generation: int, consumer: str, expires: datetime) -> str:
        return ""

    def read(self, authorization: str, now: datetime) -> tuple[str, int, str]:
        raise Unauthenticated("no token of ours")


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = open_sqlite(":memory:", SystemClock())
    yield opened
    await opened.close()


@pytest.fixture
def world(store: Store) -> World:
    alone = Alone()
    return World(
        me=Me(id=ME, name="maker", public_url="https://maker.example"),
        store=store,
        clock=SystemClock(),
        identity=ByName(),
        courier=alone,
        data=alone,
        tokens=alone,
        decider=ProductDecider(),
        secret=b"a key of this node alone",
        sources=HttpSources(Outbound()),
        limits=Limits(message_bytes=20_000, page=2),
    )


@pytest.fixture
def settings() -> Settings:
    return Settings(
        card=lambda: {"id": ME}, token=TOKEN, hosts=("127.0.0.1", "localhost", "maker.example:7402"), upload_bytes=5000, json_bytes=1000
    )


@pytest.fixture
async def dataspace(world: World, settings: Settings) -> AsyncIterator[Client]:
    async with TestClient(TestServer(dataspace_app(world, settings))) as client:
        yield client


@pytest.fixture
async def operator(world: World, settings: Settings) -> AsyncIterator[Client]:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"read": len(await request.read())})

    routes = [
        web.get("/management/saltbridge/status", echo),
        web.post("/management/saltbridge/views", echo),
        web.post("/management/saltbridge/passports/import", echo),
    ]
    async with TestClient(TestServer(operator_app(world, settings, routes))) as client:
        yield client


def message(type: str, **fields: Any) -> bytes:
    """A DSP message as a peer writes it."""
    return json.dumps({"@context": CONTEXT, "@type": type, **fields}).encode()


def offer(**fields: Any) -> dict[str, Any]:
    return {"@id": "offer-1", "@type": "Offer", "target": "dataset-1", "permission": [{"action": "use"}], **fields}
