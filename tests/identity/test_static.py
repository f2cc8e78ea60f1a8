"""Static identity: who is let in, once, with which facts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.errors import Unauthenticated, Unavailable
from connector.identity import static
from connector.identity.jws import LIFE, SKEW
from connector.identity.keys import new_key, public_jwk
from connector.identity.static import StaticIdentity
from connector.ports import Me, Replayed, Store
from connector.records import Peer
from connector.storage.sqlite import open_sqlite
from policies.operands import PARTICIPANT, ROLE

PEER = Me(id="did:web:recycler.example", name="recycler", public_url="https://recycler.example")
US = Me(id="did:web:maker.example", name="maker", public_url="https://maker.example")
KEY, NEXT = new_key(), new_key()


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class World:
    """Our identity, the peer's, and the store in which we know it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.us = StaticIdentity(store, clock, new_key(), US)
        self.peer = StaticIdentity(store, clock, KEY, PEER)

    async def know(self, **changes: object) -> None:
        plain = Peer(
            id=PEER.id,
            name="recycler",
            address=PEER.dsp,
            origins=(PEER.public_url,),
            key=public_jwk(KEY),
            claims={"role": ("recycler",), "certified": ("iso-9001",), "empty": ()},
            wishes={"role": ("authority",)},
            added=self.clock.now(),
        )
        async with self.store.transaction() as tx:
            known = await tx.get(Peer, PEER.id)
            tx.put(replace(plain, version=known.version if known else 0, **changes))  # type: ignore[arg-type]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = Clock()
    store = open_sqlite(":memory:", clock)
    yield World(store, clock)
    await store.close()


async def test_a_known_peer_is_let_in_with_what_the_operator_vouches_for(world: World) -> None:
    await world.know()
    caller = await world.us.authenticate(await world.peer.token(US.id), safe=False)
    assert (caller.participant, caller.name, caller.origins) == (PEER.id, "recycler", ("https://recycler.example",))
    role, participant = caller.facts.get(ROLE), caller.facts.get(PARTICIPANT)
    assert role and (role.values, role.source) == (("recycler",), "vouched by operator")
    assert participant and participant.values == (PEER.id,)
    assert len(caller.facts.of) == 3  # and certified; what nobody vouches a value for is no fact


async def test_a_claim_cannot_make_a_peer_somebody_else(world: World) -> None:
    await world.know(claims={"participant": ("did:web:else.example",)})
    caller = await world.us.authenticate(await world.peer.token(US.id), safe=True)
    participant = caller.facts.get(PARTICIPANT)
    assert participant and participant.values == (PEER.id,)


@pytest.mark.parametrize("spoilt", ["", "Basic eDp5", "Bearer", "Bearer ", "token", "Bearer a.b.c"])
async def test_no_token_or_nonsense_is_refused_with_one_text(world: World, spoilt: str) -> None:
    await world.know()
    with pytest.raises(Unauthenticated) as refused:
        await world.us.authenticate(spoilt, safe=True)
    assert refused.value.reasons() == ["Not authenticated.", "Send a valid token for this node."]


async def test_strangers_blocked_peers_and_wrong_keys_are_refused_alike(world: World) -> None:
    token = await world.peer.token(US.id)
    texts = []
    for change in (None, {"blocked": "the key changed"}, {"key": public_jwk(NEXT)}):
        if change is not None:
            await world.know(**change)
        with pytest.raises(Unauthenticated) as refused:
            await world.us.authenticate(token, safe=True)
        texts.append(refused.value.reasons())
    assert texts[0] == texts[1] == texts[2]
    await world.know()
    assert await world.us.authenticate(token, safe=True)  # none of that used it up


async def test_a_token_for_somebody_else_is_refused(world: World) -> None:
    await world.know()
    with pytest.raises(Unauthenticated):
        await world.us.authenticate(await world.peer.token("did:web:oem.example"), safe=True)


async def test_the_announced_key_is_taken_beside_the_present_one(world: World) -> None:
    await world.know(next_key=public_jwk(NEXT))
    rotated = StaticIdentity(world.store, world.clock, NEXT, PEER)
    for identity in (world.peer, rotated):
        assert await world.us.authenticate(await identity.token(US.id), safe=False)


async def test_a_token_reads_once(world: World) -> None:
    await world.know()
    token = await world.peer.token(US.id)
    await world.us.authenticate(token, safe=True)
    with pytest.raises(Unauthenticated):
        await world.us.authenticate(token, safe=True)
    world.clock.at += LIFE + timedelta(seconds=SKEW)
    with pytest.raises(Unauthenticated):
        await world.us.authenticate(token, safe=True)  # now because it has expired


async def test_a_token_writes_once_and_only_when_its_message_does(world: World) -> None:
    await world.know()
    token = await world.peer.token(US.id)

    async def handle(fail: bool = False) -> None:
        caller = await world.us.authenticate(token, safe=False)
        assert caller.nonce
        async with world.store.transaction() as tx:
            tx.once(*caller.nonce)
            if fail:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await handle(fail=True)
    results = await asyncio.gather(handle(), handle(), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "Replayed"]
    with pytest.raises(Replayed):
        await handle()


async def test_the_memory_of_read_tokens_is_bounded_and_never_forgets_a_living_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "_NONCES_PER_PEER", 3)
    await world.know()
    tokens = [await world.peer.token(US.id) for _ in range(4)]
    for token in tokens[:3]:
        await world.us.authenticate(token, safe=True)
    with pytest.raises(Unavailable) as refused:
        await world.us.authenticate(tokens[3], safe=True)
    assert refused.value.retry_after
    with pytest.raises(Unauthenticated):
        await world.us.authenticate(tokens[0], safe=True)
    world.clock.at += LIFE + timedelta(seconds=SKEW + 1)
    assert await world.us.authenticate(await world.peer.token(US.id), safe=True)


async def test_a_participant_is_known_without_a_message_as_long_as_it_is_trusted(world: World) -> None:
    assert await world.us.caller(PEER.id) is None
    await world.know()
    caller = await world.us.caller(PEER.id)
    assert caller and caller.facts.get(ROLE) and caller.nonce is None
    await world.know(blocked="the key changed")
    assert await world.us.caller(PEER.id) is None
