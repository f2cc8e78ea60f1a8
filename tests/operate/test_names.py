"""From what a person types to the record that is meant; nothing is guessed."""

from __future__ import annotations

import pytest

from connector.errors import Hidden, Malformed
from connector.operate import names
from connector.records import Negotiation, Place

from .conftest import Holder


async def negotiation(holder: Holder, id: str) -> None:
    now = holder.clock.now()
    async with holder.store.transaction() as tx:
        tx.put(
            Negotiation(
                id=id, side="consumer", peer="did:web:x.example", address="", place=Place(), dataset="d", offer={}, opened=now, changed=now
            )
        )


@pytest.mark.parametrize("text", ["maker", "did:web:maker.example", "mak", "did:web:maker"])
async def test_a_peer_is_found_by_name_id_or_a_unique_beginning(holder: Holder, text: str) -> None:
    await holder.know("maker")
    await holder.know("other")
    async with holder.store.transaction() as tx:
        assert (await names.peer(tx, text)).name == "maker"


async def test_a_whole_name_wins_over_a_longer_one(holder: Holder) -> None:
    await holder.know("maker")
    await holder.know("maker-two")
    async with holder.store.transaction() as tx:
        assert (await names.peer(tx, "maker")).name == "maker"
        with pytest.raises(Malformed, match="More than one peer"):
            await names.peer(tx, "make")


@pytest.mark.parametrize("text", ["", "nobody", "%", "urn:uuid:"])
async def test_what_names_nothing_says_where_to_look(holder: Holder, text: str) -> None:
    async with holder.store.transaction() as tx:
        with pytest.raises(Hidden) as raised:
            await names.negotiation(tx, text)
    assert raised.value.next == "saltbridge contract list"


async def test_process_ids_may_leave_out_their_scheme(holder: Holder) -> None:
    for id in ("urn:uuid:7c1e0000-aaaa", "urn:uuid:7c1f0000-bbbb"):
        await negotiation(holder, id)
    async with holder.store.transaction() as tx:
        assert (await names.negotiation(tx, "7c1e")).id == "urn:uuid:7c1e0000-aaaa"
        assert (await names.negotiation(tx, "urn:uuid:7c1f")).id == "urn:uuid:7c1f0000-bbbb"
        with pytest.raises(Malformed) as raised:
            await names.negotiation(tx, "7c1")
    assert "7c1e0000-aaaa" in raised.value.why
