"""Trust is given once, by a fingerprint; a changed key blocks until a person confirms it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jwcrypto.jwk import JWK

from connector.errors import Clash, Malformed
from connector.identity import static
from connector.identity.keys import new_key
from connector.operate import peers
from connector.operate.peers import Wish
from connector.ports import Me
from connector.records import Json, Peer

from .conftest import Holder

RECYCLER = Me(id="did:web:recycler.example", name="Recycler Ltd", public_url="https://recycler.example", wishes={"role": ("recycler",)})


def card(key: JWK, me: Me = RECYCLER, following: JWK | None = None) -> Json:
    return static.card(me, key, following)


def wish(document: Json, **more: Any) -> Wish:
    return Wish(**{"card": document, "fingerprint": static.read_card(document).fingerprint, **more})


async def stored(holder: Holder) -> Peer:
    async with holder.store.transaction() as tx:
        peer = await tx.get(Peer, RECYCLER.id)
    assert peer is not None
    return peer


async def test_a_card_becomes_a_peer_whose_wishes_are_not_believed(holder: Holder) -> None:
    added = await peers.add(holder.world, static, wish(card(new_key())))
    assert (added["new"], added["name"], added["claims"]) == (True, "recycler-ltd", {})
    peer = await stored(holder)
    assert (peer.claims, peer.wishes) == ({}, {"role": ("recycler",)})
    assert peer.origins == ("https://recycler.example",)
    assert await holder.events() == [("peer.added", RECYCLER.id)]


async def test_the_same_input_twice_changes_nothing(holder: Holder) -> None:
    document = card(new_key())
    await peers.add(holder.world, static, wish(document, claims={"role": ("recycler",)}))
    assert not (await peers.add(holder.world, static, wish(document, claims={"role": ("recycler",)})))["changed"]
    assert not (await peers.add(holder.world, static, wish(document)))["changed"]  # claims that are not named are kept
    assert len(await holder.events()) == 1


@pytest.mark.parametrize("typed", ["", "0", "0000-" * 15 + "0000", "x" * 64])
async def test_without_the_fingerprint_nothing_is_trusted(holder: Holder, typed: str) -> None:
    with pytest.raises(Malformed) as raised:
        await peers.add(holder.world, static, wish(card(new_key()), fingerprint=typed))
    assert raised.value.code == "peer.fingerprint"
    assert await holder.events() == []


@pytest.mark.parametrize("typed", [str.upper, lambda text: text.replace("-", ":"), lambda text: text.replace("-", " ")])
def test_a_fingerprint_is_the_same_however_it_is_typed(typed: Any) -> None:
    known = static.read_card(card(new_key())).fingerprint
    assert peers.same_fingerprint(typed(known), known)
    assert not peers.same_fingerprint(known[:-1], known)
    assert not peers.same_fingerprint("", "")


async def test_a_changed_key_blocks_until_confirmed(holder: Holder) -> None:
    old, new = card(new_key()), card(new_key())
    await peers.add(holder.world, static, wish(old, claims={"role": ("recycler",)}))
    before = await stored(holder)
    blocked = await peers.add(holder.world, static, wish(new, claims={"role": ("oem",)}))
    assert "another key" in blocked["blocked"]
    kept = await stored(holder)
    assert replace(kept, blocked="", version=before.version) == before  # nothing of the new card was taken
    assert await holder.world.identity.caller(RECYCLER.id) is None
    assert (await peers.look(holder.world, static, new))["key"] == "changed"

    freed = await peers.add(holder.world, static, wish(new, confirm_key=True))
    assert freed["blocked"] == ""
    assert (await stored(holder)).key != before.key
    assert [event for event, _ in await holder.events()] == ["peer.added", "peer.blocked", "peer.changed"]


async def test_an_announced_key_needs_no_confirmation(holder: Holder) -> None:
    first, second = new_key(), new_key()
    await peers.add(holder.world, static, wish(card(first, following=second)))
    following = card(second)
    assert (await peers.look(holder.world, static, following))["key"] == "announced"
    moved = await peers.add(holder.world, static, wish(following))
    assert moved["blocked"] == ""
    assert (await stored(holder)).next_key is None


async def test_a_name_belongs_to_one_peer(holder: Holder) -> None:
    await holder.know("recycler-ltd")
    with pytest.raises(Clash, match="Another peer"):
        await peers.add(holder.world, static, wish(card(new_key())))
    assert (await peers.add(holder.world, static, wish(card(new_key()), name="second")))["name"] == "second"


async def test_our_own_card_is_refused(holder: Holder) -> None:
    with pytest.raises(Malformed, match="our own"):
        await peers.add(holder.world, static, wish(card(new_key(), holder.world.me)))


@pytest.mark.parametrize("claims", [{"role": ("recylcer",)}, {"role": ("re cycler",)}, {"": ("x",)}, {"bad\x1bname": ("x",)}])
async def test_claims_that_could_never_match_are_refused(holder: Holder, claims: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(Malformed):
        await peers.add(holder.world, static, wish(card(new_key()), claims=claims))


async def test_a_removed_peer_is_nobody(holder: Holder) -> None:
    await peers.add(holder.world, static, wish(card(new_key())))
    assert "would" in await peers.remove(holder.world, "recycler", dry_run=True)
    assert await holder.world.identity.caller(RECYCLER.id) is not None
    await peers.remove(holder.world, "recycler")
    assert await holder.world.identity.caller(RECYCLER.id) is None
