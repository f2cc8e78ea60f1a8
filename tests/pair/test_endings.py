"""Negotiations end early: by either side, in every state, and what is over stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.exchange.decide import ProductDecider
from connector.operate import contracts
from connector.ports import Move, Transaction, World
from connector.records import Agreement, Negotiation

from .conftest import introduced
from .nodes import End, Pair, Stage
from .terms import OTHERS


class Holding(ProductDecider):
    """A decider that does nothing in one state: the conversation stands there."""

    def __init__(self, state: str) -> None:
        self.state = state

    async def negotiation(self, world: World, tx: Transaction, process: Negotiation) -> Move:
        return Move() if process.place.state == self.state else await super().negotiation(world, tx, process)


async def _standing(stage: Stage, state: str) -> tuple[End, End, Negotiation, Negotiation]:
    """(maker, recycler, maker's end, recycler's end) of a negotiation that stands in a state."""
    maker, recycler = await stage.start("maker", decider=Holding(state)), await stage.start("recycler", decider=Holding(state))
    await introduced(stage, maker, recycler)
    widened: dict[str, Any] = {"terms": OTHERS, "as_is": True} if state in ("OFFERED", "ACCEPTED") else {}
    asked = await recycler.asks(maker, **widened)
    if state == "ACCEPTED":
        await recycler.waits(asked.id)
        await contracts.accept(recycler.world, asked.id)
    ours = await recycler.negotiation_is(asked.id, state)
    return maker, recycler, await maker.negotiation_is(ours.peer_pid, state), ours


@pytest.mark.parametrize("who", ["recycler", "maker"])
@pytest.mark.parametrize("state", ["REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED"])
async def test_each_side_terminates_in_each_state_with_its_reason_on_both(stage: Stage, state: str, who: str) -> None:
    maker, recycler, theirs, ours = await _standing(stage, state)
    by_us = who == "recycler"
    await contracts.terminate((recycler if by_us else maker).world, (ours if by_us else theirs).id, "Enough.")
    ours = await recycler.negotiation_is(ours.id, "TERMINATED")
    theirs = await maker.negotiation_is(theirs.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "operator.terminated"
    assert ours.place.reason == theirs.place.reason == ("Enough.",)
    assert (ours.place.by, theirs.place.by) == (("us", "peer") if by_us else ("peer", "us"))
    assert {each.state for end in (maker, recycler) for each in await end.every(Agreement)} <= {"TERMINATED"}
    there = await recycler.reads(maker, f"/negotiations/{theirs.id}")
    here = await maker.reads(recycler, f"/negotiations/{ours.id}")
    assert json.loads(there.body) == json.loads(here.body)
    assert json.loads(there.body)["state"] == "TERMINATED"


def _every_message(ours: Negotiation, theirs: Negotiation) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(sender, path, @type, fields) of each message that belongs to a running negotiation."""
    pids = {"consumerPid": ours.id, "providerPid": theirs.id}
    offer = {"@id": "o", "@type": "Offer", "target": ours.dataset, "permission": [{"action": "use"}]}
    agreement = offer | {"@type": "Agreement", "assigner": theirs.peer, "assignee": ours.peer, "timestamp": "2026-11-24T20:53:55Z"}
    event = "ContractNegotiationEventMessage"
    return [
        ("recycler", "request", "ContractRequestMessage", pids | {"offer": offer}),
        ("recycler", "events", event, pids | {"eventType": "ACCEPTED"}),
        ("recycler", "agreement/verification", "ContractAgreementVerificationMessage", pids),
        ("recycler", "termination", "ContractNegotiationTerminationMessage", pids),
        ("maker", "offers", "ContractOfferMessage", pids | {"offer": offer}),
        ("maker", "agreement", "ContractAgreementMessage", pids | {"agreement": agreement}),
        ("maker", "events", event, pids | {"eventType": "FINALIZED"}),
        ("maker", "termination", "ContractNegotiationTerminationMessage", pids),
    ]


async def _refused_in(pair: Pair, ours: Negotiation, theirs: Negotiation) -> None:
    for sender, path, type, fields in _every_message(ours, theirs):
        by, to, pid = (pair.recycler, pair.maker, theirs.id) if sender == "recycler" else (pair.maker, pair.recycler, ours.id)
        answer = await by.sends(to, f"/negotiations/{pid}/{path}", type, **{"@id": f"urn:uuid:late-{sender}-{path}"}, **fields)
        body = json.loads(answer.body)
        assert (answer.status, body["@type"], body["code"]) == (400, "ContractNegotiationError", "state.illegal"), (type, body)
        assert (body["consumerPid"], body["providerPid"]) == (ours.id, theirs.id)
    assert (await pair.recycler.negotiation(ours.id)).place == ours.place
    assert (await pair.maker.negotiation(theirs.id)).place == theirs.place


async def test_nothing_moves_a_finalized_negotiation(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    ours = await pair.recycler.negotiation(agreed.negotiation)
    await _refused_in(pair, ours, await pair.maker.negotiation(ours.peer_pid))
    assert {each.state for end in (pair.maker, pair.recycler) for each in await end.every(Agreement)} == {"FINALIZED"}


async def test_nothing_moves_a_terminated_negotiation(pair: Pair) -> None:
    said = await contracts.propose(pair.maker.world, "recycler", "dismantling")
    theirs = await pair.maker.negotiation_is(said.id, "OFFERED")
    ours = await pair.recycler.waits(theirs.peer_pid)
    await contracts.decline(pair.recycler.world, ours.id)
    await _refused_in(
        pair, await pair.recycler.negotiation_is(ours.id, "TERMINATED"), await pair.maker.negotiation_is(said.id, "TERMINATED")
    )


@pytest.mark.parametrize(
    ("state", "sender", "path"),
    [
        ("REQUESTED", "recycler", "agreement/verification"),
        ("REQUESTED", "recycler", "events"),
        ("REQUESTED", "maker", "events"),
        ("OFFERED", "maker", "agreement"),
        ("AGREED", "recycler", "events"),
        ("AGREED", "maker", "offers"),
        ("VERIFIED", "recycler", "request"),
        ("VERIFIED", "maker", "agreement"),
    ],
)
async def test_a_message_out_of_turn_is_400_and_changes_nothing(stage: Stage, state: str, sender: str, path: str) -> None:
    maker, recycler, theirs, ours = await _standing(stage, state)
    by, to, pid = (recycler, maker, theirs.id) if sender == "recycler" else (maker, recycler, ours.id)
    [(_, _, type, fields)] = [each for each in _every_message(ours, theirs) if each[:2] == (sender, path)]
    answer = await by.sends(to, f"/negotiations/{pid}/{path}", type, **fields)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "state.illegal")
    assert (await recycler.negotiation(ours.id)).place == ours.place
    assert (await maker.negotiation(theirs.id)).place == theirs.place


async def test_an_operators_no_comes_before_what_the_node_would_say_next(pair: Pair) -> None:
    """The maker's agreement is on its way when its operator ends the negotiation: it is ended, not finalized."""
    maker, recycler = pair.maker, pair.recycler
    door = recycler.wire.closes("ContractAgreementMessage")
    asked = await recycler.asks(maker)
    await door.arrived.wait()
    theirs = (await maker.every(Negotiation))[0]
    assert theirs.place.waiting
    await contracts.terminate(maker.world, theirs.id, "Stop.")
    assert (await maker.negotiation(theirs.id)).ending
    door.open.set()
    ours = await recycler.negotiation_is(asked.id, "TERMINATED", "FINALIZED")
    assert (ours.place.state, ours.place.code) == ("TERMINATED", "operator.terminated")
    await maker.negotiation_is(theirs.id, "TERMINATED")


async def test_an_agreement_id_that_another_provider_used_is_refused_and_both_sides_end(stage: Stage) -> None:
    from .test_negotiation import Forger

    forger = Forger({"@id": "urn:uuid:one-for-all"})
    recycler = await stage.start("recycler")
    makers = [await stage.start(name, decider=forger) for name in ("maker", "copier")]
    for maker in makers:
        await introduced(stage, maker, recycler)
    await recycler.agrees(makers[0])
    asked = await recycler.asks(makers[1])
    ours = await recycler.negotiation_is(asked.id, "TERMINATED")
    theirs = await makers[1].negotiation_is(ours.peer_pid, "TERMINATED")
    assert "agreement id is in use" in " ".join(theirs.place.reason)
    assert ours.place.by == "peer"
    [agreed] = await recycler.every(Agreement)
    assert (agreed.state, agreed.peer) == ("FINALIZED", makers[0].id)
