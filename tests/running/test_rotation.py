"""A signing key is rotated under two nodes that talk all the while: nothing is interrupted, and who missed it is told why."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import replace

import pytest

from connector.exchange import transfer
from connector.identity import static
from connector.identity.ring import NEXT
from connector.operate import peers, transfers
from connector.records import Peer, Transfer

from .stage import FIRST, Pair, Run, Stage
from .test_metrics import number, scraped


async def peer_of(run: Run, other: Run) -> Peer:
    return await run.get(Peer, other.id)


async def unauthorised(run: Run) -> float:
    """How many of the calls that reached this node were answered 401."""
    wanted = {("listener", "dataspace"), ("status", "401")}
    return sum(value for (name, labels), value in (await scraped(run)).items() if name == "requests_total" and wanted <= labels)


async def test_a_key_is_rotated_between_two_nodes_without_an_interruption(pair: Pair) -> None:
    maker, recycler = pair.maker, pair.recycler
    old = (await peer_of(recycler, maker)).key
    done = asyncio.Event()

    async def talk() -> int:
        count = 0
        while not done.is_set() or count < 6:
            ended = await recycler.negotiates(maker)
            assert ended.place.state == "FINALIZED", ended.place
            count += 1
        return count

    talking = asyncio.create_task(talk())
    try:
        said = await maker.types("peer", "card", "--next", "--json")
        assert said.code == 0 and said.json["next_fingerprint"], said.err
        assert stat.S_IMODE((maker.home / "keys" / NEXT).stat().st_mode) == 0o600
        again = await maker.types("peer", "card", "--next", "--json")
        assert again.json == said.json  # announced once, however often it is asked
        refreshed = await recycler.types("peer", "refresh", "maker", "--json")
        assert [row["found"] for row in refreshed.json] == ["changed"], refreshed.err
        between = await peer_of(recycler, maker)
        assert between.key == old and between.next_key
        rotated = await maker.types("keys", "rotate", "--yes", "--json")
        assert rotated.code == 0 and rotated.json["fingerprint"] == said.json["next_fingerprint"], rotated.err
        assert not (maker.home / "keys" / NEXT).exists()
        await recycler.negotiates(maker)  # both keys are known here: the new one signs
        assert [row["found"] for row in (await recycler.types("peer", "refresh", "--json")).json] == ["changed"]
        after = await peer_of(recycler, maker)
        assert after.key == between.next_key and after.next_key is None and not after.blocked
    finally:
        done.set()
        assert await talking >= 6
    assert await unauthorised(maker) == 0 == await unauthorised(recycler)

    again_up = await pair.stage.start("maker", maker.settings)  # the new key is what a restarted node signs with
    assert (await recycler.negotiates(again_up)).place.state == "FINALIZED"
    events = [entry.event for entry in await again_up.world.store.audit(limit=10_000)]
    assert events.count("keys.announced") == events.count("keys.rotated") == 1


async def test_a_data_token_from_before_the_rotation_lives_on(pair: Pair) -> None:
    agreement = await pair.recycler.agrees(pair.maker)
    asked = await transfers.request(pair.recycler.world, agreement.id)
    await pair.recycler.until(Transfer, asked.id, lambda it: it.place.state == "STARTED")
    url, token, origins = await transfer.endpoint(pair.recycler.world, asked.id)
    await pair.maker.types("peer", "card", "--next")
    await pair.recycler.types("peer", "refresh", "maker")
    await pair.maker.types("keys", "rotate", "--yes")
    pulled = await pair.recycler.world.data.fetch(f"{url}/{FIRST}", authorization=token, origins=origins)
    assert pulled.status == 200


async def test_who_missed_the_announcement_refuses_cleanly_and_learns_how_to_go_on(pair: Pair) -> None:
    maker, recycler = pair.maker, pair.recycler
    assert (await maker.types("peer", "card", "--next")).code == 0
    assert (await maker.types("keys", "rotate", "--yes")).code == 0
    pinged = await maker.types("peer", "ping", "recycler", "--json")
    assert pinged.json["failed"] == "identity"
    refreshed = await recycler.types("peer", "refresh", "maker")
    assert refreshed.code == 1 and "never announced" in refreshed.out and "--confirm-key" in refreshed.err
    known = await peer_of(recycler, maker)
    assert not known.blocked  # a card that nobody vouches for blocks nobody
    card = (await maker.types("peer", "card", "--json")).json
    told = await recycler.types("peer", "add", maker.url, "--fingerprint", card["fingerprint"], "--confirm-key")
    assert told.code == 0, told.err
    assert (await recycler.negotiates(maker)).place.state == "FINALIZED"


async def test_a_blocked_peer_stays_blocked_whatever_its_card_says(pair: Pair) -> None:
    known = await peer_of(pair.recycler, pair.maker)
    async with pair.recycler.world.store.transaction() as tx:
        tx.put(replace(known, blocked="looked into"))
    said = await pair.recycler.types("peer", "refresh", "maker")
    assert said.code == 1 and "looked into" in said.out
    assert (await peer_of(pair.recycler, pair.maker)).blocked == "looked into"


async def test_nothing_is_rotated_that_was_not_announced(stage: Stage) -> None:
    solo = await stage.start("solo")
    said = await solo.types("keys", "rotate", "--yes")
    assert said.code == 1 and "peer card --next" in said.err
    before = (await solo.types("keys", "show", "--json")).json
    assert before["announced"] == "" and 364 < before["days_left"] <= 365


async def test_the_days_of_a_key_are_told_before_they_are_over(stage: Stage) -> None:
    solo = await stage.start("solo", {"IDENTITY__KEY_DAYS": "90"})
    assert number(await scraped(solo), "key_days_left", key="signing") == pytest.approx(90, abs=0.1)
    stage.passes(days=100)
    assert number(await scraped(solo), "key_days_left", key="signing") == pytest.approx(-10, abs=0.1)
    await solo.types("peer", "card", "--next")
    await solo.types("keys", "rotate", "--yes")
    assert number(await scraped(solo), "key_days_left", key="signing") == pytest.approx(90, abs=0.1)


async def test_a_node_reads_its_peers_cards_by_itself_and_a_silent_peer_is_asked_another_time(pair: Pair) -> None:
    recycler = pair.recycler
    assert [row["found"] for row in await peers.refresh_all(recycler.world, static)] == ["unchanged"]
    await pair.maker.types("peer", "card", "--next")
    assert [row["found"] for row in await peers.refresh_all(recycler.world, static)] == ["changed"]
    known = await peer_of(recycler, pair.maker)
    await pair.stage.stop("maker")
    [row] = await peers.refresh_all(recycler.world, static)
    assert row["found"] == "refused" and "could not be reached" in row["why"]
    assert await peer_of(recycler, pair.maker) == known
