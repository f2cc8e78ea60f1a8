"""A holder's world for the operator's functions: the real store in memory, a clock that stands, peers as facts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from connector.ports import Caller, Me, Store, World
from connector.records import Peer
from connector.storage.sqlite import open_sqlite
from policies.facts import Facts
from policies.operands import claim_iri
from submodels.folder import Batch, read_folder

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"


@dataclass
class ManualClock:
    """Time that moves when a test says so."""

    at: datetime = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pass_(self, **span: float) -> datetime:
        self.at += timedelta(**span)
        return self.at


@dataclass
class Vouched:
    """Identity for tests of the holder: what the stored peers' claims say, nobody ever calls."""

    store: Store
    clock: ManualClock

    async def authenticate(self, authorization: str, *, safe: bool) -> Caller:
        raise AssertionError("nobody calls in these tests")

    async def caller(self, participant: str) -> Caller | None:
        async with self.store.transaction() as tx:
            peer = await tx.get(Peer, participant)
        if peer is None or peer.blocked:
            return None
        facts = Facts()
        for name, values in peer.claims.items():
            facts = facts.with_fact(claim_iri(name), *values, source="the operator")
        return Caller(participant=participant, origins=peer.origins, facts=facts, name=peer.name)

    async def token(self, audience: str) -> str:
        raise AssertionError("nobody is called in these tests")


@dataclass
class Holder:
    """The world and what a story needs beside it."""

    world: World
    clock: ManualClock
    store: Store
    names: list[str] = field(default_factory=list)

    async def know(self, name: str, **claims: str) -> str:
        """A trusted peer with vouched claims; its participant id."""
        id = f"did:web:{name}.example"
        peer = Peer(
            id=id,
            name=name,
            address=f"https://{name}.example/dsp/2025-1",
            origins=(f"https://{name}.example",),
            key={"kty": "EC"},
            claims={claim: (value,) for claim, value in claims.items()},
            added=self.clock.now(),
        )
        async with self.store.transaction() as tx:
            tx.put(peer)
        return id

    async def events(self) -> list[tuple[str, str]]:
        return [(entry.event, entry.subject) for entry in await self.store.audit()]


@pytest.fixture
async def holder() -> AsyncIterator[Holder]:
    clock = ManualClock()
    store = open_sqlite(":memory:", clock, writer="w-test")
    nobody = cast("Any", None)
    me = Me(id="did:web:maker.example", name="maker", public_url="https://maker.example")
    identity = Vouched(store, clock)
    yield Holder(
        World(
            me=me, store=store, clock=clock, identity=identity, courier=nobody, data=nobody, tokens=nobody, decider=nobody, secret=b"s" * 32
        ),
        clock,
        store,
    )
    await store.close()


@pytest.fixture(scope="session")
def sample() -> Batch:
    """The project's own battery, as its folder says it."""
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    return read_folder(files)
