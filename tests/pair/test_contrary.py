"""Everything that works with a friendly peer works with one that is legal and awkward: both roles of both protocols, and the data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from catalog.asset import split_view_asset_id
from connector.errors import PeerRefused
from connector.operate import audit, contracts, offers, pulls, received, transfers
from connector.records import Agreement, Negotiation, Transfer
from connector.storage.chain import verify

from .contrary import DROP_EVERY, Contrary, Held, Shelf, contrary
from .nodes import DISMANTLING, FIRST, MODEL, End, Stage
from .terms import LONGER

SEED = 7
KINDS = {"Content-Type", "saltbridge-battery", "saltbridge-receipt", "saltbridge-revision"}


@dataclass
class Odd:
    """One of our nodes, and the contrary peer."""

    end: End
    peer: Contrary
    stage: Stage


# --- we provide ----------------------------------------------------------------------------------


@pytest.fixture
async def maker(stage: Stage) -> AsyncIterator[Odd]:
    """We offer, the contrary peer is the recycler."""
    end = await stage.start("maker")
    await end.stock(DISMANTLING)
    async with contrary(SEED) as peer:
        await peer.known_to(end)
        yield Odd(end, peer, stage)


async def _agreed(maker: Odd) -> tuple[Held, Agreement]:
    """A negotiation that the peer opened and that both sides finished; the agreement as we keep it."""
    dataset = await maker.peer.catalog_of(maker.end)
    held = await maker.peer.opens_negotiation(maker.end, dataset["hasPolicy"][0] | {"target": dataset["@id"]})
    await maker.peer.until(held, "FINALIZED", "TERMINATED")
    ours = await maker.end.negotiation_is(held.theirs, "FINALIZED", "TERMINATED")
    assert held.state == ours.place.state == "FINALIZED", ours.place
    return held, await maker.end.agreement(ours.agreement["@id"])


async def _started(maker: Odd) -> Held:
    _, agreement = await _agreed(maker)
    return await _opened(maker, agreement)


async def _opened(maker: Odd, agreement: Agreement) -> Held:
    held = await maker.peer.opens_transfer(maker.end, agreement.id)
    await maker.peer.until(held, "STARTED", "TERMINATED")
    await maker.end.transfer_is(held.theirs, "STARTED")
    return held


async def test_it_negotiates_transfers_and_pulls_what_we_offer(maker: Odd) -> None:
    held = await _started(maker)
    status, body = await maker.peer.pulls(held.content, f"/{FIRST}")
    assert status == 200
    assert "materials" in json.loads(body)
    await maker.peer.says(held, "completion", "TransferCompletionMessage", "COMPLETED")
    await maker.end.transfer_is(held.theirs, "COMPLETED")
    assert (await maker.peer.pulls(held.content, f"/{FIRST}"))[0] == 403
    assert (await audit.verified(maker.end.world, verify))["holds"]


async def test_it_suspends_and_resumes_and_gets_a_new_address(maker: Odd) -> None:
    held = await _started(maker)
    for generation in (2, 3):
        before = held.content
        await maker.peer.says(held, "suspension", "TransferSuspensionMessage", "SUSPENDED", reason=["Lunch."], code="lunch")
        await maker.end.transfer_is(held.theirs, "SUSPENDED")
        assert (await maker.peer.pulls(before, f"/{FIRST}"))[0] == 403
        await maker.peer.says(held, "start", "TransferStartMessage", "STARTED")
        await maker.end.until(held.theirs, _renewed(generation), Transfer)
        assert (await maker.peer.pulls(held.content, f"/{FIRST}"))[0] == 200


def _renewed(generation: int) -> Callable[[Transfer], bool]:
    return lambda it: it.generation == generation and not it.place.waiting


@pytest.mark.parametrize("verb", ["suspend", "complete", "terminate"])
async def test_our_operator_moves_its_transfer(maker: Odd, verb: str) -> None:
    held = await _started(maker)
    await maker.end.moves(held.theirs, verb, "For a test.")
    state = {"suspend": "SUSPENDED", "complete": "COMPLETED", "terminate": "TERMINATED"}[verb]
    await maker.peer.until(held, state)
    await maker.end.transfer_is(held.theirs, state)
    if verb == "suspend":
        await maker.end.moves(held.theirs, "resume")
        await maker.peer.until(held, "STARTED")
        await maker.end.transfer_is(held.theirs, "STARTED")
        assert (await maker.peer.pulls(held.content, f"/{FIRST}"))[0] == 200


async def test_retiring_the_agreement_ends_its_transfer(maker: Odd) -> None:
    _, agreement = await _agreed(maker)
    held = await _opened(maker, agreement)
    await contracts.retire(maker.end.world, agreement.id, "Recalled.")
    await maker.peer.until(held, "TERMINATED")
    await maker.end.transfer_is(held.theirs, "TERMINATED")


async def test_it_ends_a_negotiation_and_a_transfer(maker: Odd) -> None:
    maker.peer.by_itself = False
    dataset = await maker.peer.catalog_of(maker.end)
    asked = await maker.peer.opens_negotiation(maker.end, dataset["hasPolicy"][0] | {"target": dataset["@id"]})
    await maker.peer.until(asked, "AGREED")
    await maker.end.negotiation_is(asked.theirs, "AGREED")
    await maker.peer.says(asked, "termination", "ContractNegotiationTerminationMessage", "TERMINATED", reason=[{"no": "more"}, 7])
    await maker.end.negotiation_is(asked.theirs, "TERMINATED")
    maker.peer.by_itself = True
    held = await _started(maker)
    await maker.peer.says(held, "termination", "TransferTerminationMessage", "TERMINATED")
    await maker.end.transfer_is(held.theirs, "TERMINATED")


async def test_it_is_refused_what_its_role_does_not_allow_and_hears_why(maker: Odd) -> None:
    await offers.offer(maker.end.world, offers.Wish(view="condition", model=MODEL, policy="second-life", until="2027-12-31"))
    status, found = await maker.peer._sends(f"{maker.end.url}/dsp/2025-1", "/catalog/request", {
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage",
    })  # fmt: skip
    assert status == 200
    [dataset] = [each for each in found["dataset"] if "condition" in json.dumps(each)]
    held = await maker.peer.opens_negotiation(maker.end, dataset["hasPolicy"][0] | {"target": dataset["@id"]})
    await maker.peer.until(held, "TERMINATED")
    await maker.end.negotiation_is(held.theirs, "TERMINATED")


async def test_our_operator_offers_and_it_accepts(maker: Odd) -> None:
    proposed = await contracts.propose(maker.end.world, "contrary", "dismantling")
    ours = await maker.end.negotiation_is(proposed.id, "FINALIZED")
    held = await maker.peer.until(maker.peer.processes[ours.peer_pid], "FINALIZED")
    assert held.content["@id"] == ours.agreement["@id"]


async def test_of_thirty_that_it_opens_at_once_each_is_finished_once(maker: Odd) -> None:
    done = await asyncio.gather(*(_agreed(maker) for _ in range(30)))
    assert len({agreement.id for _, agreement in done}) == 30
    assert [each.state for each in await maker.end.every(Agreement)] == ["FINALIZED"] * 30
    assert len(await maker.end.every(Negotiation)) == 30
    assert maker.peer.counts["answers dropped"] >= 30 * 2 // DROP_EVERY, "nothing was awkward"
    assert maker.peer.counts["repeats heard"] >= maker.peer.counts["answers dropped"] // 2
    assert await maker.end.world.store.outbox() == (0, None)


# --- we consume ----------------------------------------------------------------------------------


_shelf: list[Shelf] = []


@pytest.fixture
async def recycler(stage: Stage) -> AsyncIterator[Odd]:
    """We ask; the contrary peer has what a maker of ours would have, and hands it out in its own way."""
    if not _shelf:
        _shelf.append(await _filled(stage))
    end = await stage.start("recycler")
    async with contrary(SEED, _shelf[0]) as peer:
        await peer.known_to(end)
        yield Odd(end, peer, stage)


async def _filled(stage: Stage) -> Shelf:
    """What the peer gets from a maker of ours as its consumer."""
    end = await stage.start("maker")
    await end.stock(DISMANTLING)
    async with contrary(SEED) as peer:
        await peer.known_to(end)
        maker = Odd(end, peer, stage)
        dataset = await peer.catalog_of(end)
        split = split_view_asset_id(dataset["@id"])
        assert split is not None
        status, grant = await peer.reads(end, f"/grants/{split[1]}")
        assert status == 200
        held = await _started(maker)
        battery = f"battery={quote(FIRST)}"
        listed = json.loads((await peer.pulls(held.content, f"/documents?{battery}"))[1])
        paths = [f"?{battery}", f"/documents?{battery}", *(f"/documents/{each['id']}?{battery}" for each in listed)]
        assert peer.session is not None
        said = {entry["name"]: entry["value"] for entry in held.content["endpointProperties"]}
        data: dict[str, Any] = {}
        for path in paths:
            headers = {"Authorization": said["authorization"]}
            async with peer.session.get(f"{held.content['endpoint']}{path}", headers=headers) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() in KINDS}
                data[path] = answer.content_type, await answer.read(), kept
                assert answer.status == 200, path
    shown = {key: value for key, value in dataset.items() if key != "distribution"}
    service = {"@type": "DataService", "@id": "their-service", "endpointURL": "http://localhost:1/elsewhere"}
    distribution = {"@type": "Distribution", "format": "HttpData-PULL", "accessService": service}
    return Shelf(
        shown | {"distribution": [distribution, {**distribution, "format": "AmazonS3-PUSH", "accessService": "their-service"}]}, grant, data
    )


async def _asked(recycler: Odd, **more: Any) -> Negotiation:
    opened = await contracts.open(recycler.end.world, "contrary", "dismantling", **more)
    ours = await recycler.end.negotiation_is(opened.id, "FINALIZED", "TERMINATED")
    held = recycler.peer.processes[ours.peer_pid]
    await recycler.peer.until(held, ours.place.state)
    return ours


async def test_we_negotiate_transfer_and_pull_what_it_offers(recycler: Odd) -> None:
    pulled = await pulls.pull(recycler.end.world, pulls.Wish(peer="contrary", what="dismantling", battery=FIRST))
    assert (pulled["elements"], len(pulled["documents"])) == (17, 2)
    [transfer] = [held for held in recycler.peer.processes.values() if held.kind == "transfers"]
    await recycler.peer.until(transfer, "COMPLETED")
    again = await pulls.pull(recycler.end.world, pulls.Wish(peer="contrary", what="dismantling", battery=FIRST))
    assert again["reused"]["agreement"]
    assert again["agreement"] == pulled["agreement"]
    kept = await received.list_received(recycler.end.world, agreement=pulled["agreement"])
    assert {row["battery"] for row in kept} == {FIRST}
    assert (await audit.verified(recycler.end.world, verify))["holds"]


async def test_it_offers_once_again_and_we_accept(recycler: Odd) -> None:
    recycler.peer.wider = True
    ours = await _asked(recycler, terms=LONGER, as_is=True)
    assert ours.place.state == "FINALIZED", ours.place
    assert [message for _, message, _ in await recycler.end.said(ours.id)].count("ContractOfferMessage") == 1


@pytest.mark.parametrize("answer", ["accept", "counter", "decline"])
async def test_it_offers_out_of_the_blue_and_our_operator_answers(recycler: Odd, answer: str) -> None:
    held = await recycler.peer.proposes(recycler.end)
    waiting = await recycler.end.waits(held.theirs)
    if answer == "counter":
        await contracts.counter(recycler.end.world, waiting.id, purpose=["dismantling"])
    else:
        await (contracts.accept if answer == "accept" else contracts.decline)(recycler.end.world, waiting.id)
    state = "TERMINATED" if answer == "decline" else "FINALIZED"
    await recycler.peer.until(held, state)
    await recycler.end.negotiation_is(waiting.id, state)


@pytest.mark.parametrize("verb", ["suspend", "complete", "terminate"])
async def test_our_operator_moves_a_transfer_of_its_data(recycler: Odd, verb: str) -> None:
    ours = await _asked(recycler)
    asked = await transfers.request(recycler.end.world, ours.agreement["@id"])
    started = await recycler.end.transfer_is(asked.id, "STARTED")
    held = await recycler.peer.until(recycler.peer.processes[started.peer_pid], "STARTED")
    await recycler.end.moves(started.id, verb, "For a test.")
    state = {"suspend": "SUSPENDED", "complete": "COMPLETED", "terminate": "TERMINATED"}[verb]
    await recycler.peer.until(held, state)
    await recycler.end.transfer_is(started.id, state)
    if verb == "suspend":
        await recycler.end.moves(started.id, "resume")
        await recycler.peer.until(held, "STARTED")
        await recycler.end.transfer_is(started.id, "STARTED")


async def test_it_suspends_resumes_and_ends_a_transfer_of_ours(recycler: Odd) -> None:
    ours = await _asked(recycler)
    asked = await transfers.request(recycler.end.world, ours.agreement["@id"])
    started = await recycler.end.transfer_is(asked.id, "STARTED")
    held = await recycler.peer.until(recycler.peer.processes[started.peer_pid], "STARTED")
    await recycler.peer.says(held, "suspension", "TransferSuspensionMessage", "SUSPENDED", reason=["Maintenance."])
    await recycler.end.transfer_is(started.id, "SUSPENDED")
    await recycler.peer.starts(held)
    await recycler.end.transfer_is(started.id, "STARTED")
    await recycler.peer.says(held, "termination", "TransferTerminationMessage", "TERMINATED")
    await recycler.end.transfer_is(started.id, "TERMINATED")


async def test_it_ends_a_negotiation_of_ours_and_we_hear_why(recycler: Odd) -> None:
    recycler.peer.by_itself = False
    opened = await contracts.open(recycler.end.world, "contrary", "dismantling")
    asked = await recycler.end.negotiation_is(opened.id, "REQUESTED")
    held = recycler.peer.processes[asked.peer_pid]
    await recycler.peer.says(
        held, "termination", "ContractNegotiationTerminationMessage", "TERMINATED", code="no", reason=[{"@value": "Not today."}]
    )
    ended = await recycler.end.negotiation_is(opened.id, "TERMINATED")
    assert ended.place.reason == ("Not today.",)
    with pytest.raises(PeerRefused, match="Not today"):
        await contracts.concluded(recycler.end.world, ended)


async def test_of_thirty_that_we_open_at_once_each_is_finished_once(recycler: Odd) -> None:
    done = await asyncio.gather(*(_asked(recycler) for _ in range(30)))
    assert {each.place.state for each in done} == {"FINALIZED"}
    assert len({each.agreement["@id"] for each in done}) == 30
    held = [each for each in recycler.peer.processes.values() if each.kind == "negotiations"]
    assert [each.state for each in held] == ["FINALIZED"] * 30
    assert recycler.peer.counts["answers dropped"] >= 3
    assert await recycler.end.world.store.outbox() == (0, None)
