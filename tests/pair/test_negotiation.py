"""Two nodes negotiate: who says what, and that both end with one and the same agreement."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from connector.exchange.decide import ProductDecider
from connector.operate import contracts, offers, pulls
from connector.ports import Move, Transaction, World
from connector.protocol.negotiation import Message as M
from connector.records import Agreement, Json, Negotiation

from .nodes import DISMANTLING, FIRST, Pair, Stage
from .terms import GRANT, LONGER, OTHERS, PURPOSE, SHORTER, only
from .wire import SCHEMAS, Exchange, Recorder

REQUEST, OFFER, AGREEMENT, VERIFICATION, TERMINATION = (
    "ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage", "ContractAgreementVerificationMessage",
    "ContractNegotiationTerminationMessage",
)  # fmt: skip
ACCEPTED, FINALIZED = "ContractNegotiationEventMessage:ACCEPTED", "ContractNegotiationEventMessage:FINALIZED"


def _constraints(agreement: Agreement) -> dict[str, Any]:
    [rule] = agreement.policy["permission"]
    return {re.split("[/:]", each["leftOperand"])[-1]: each["rightOperand"] for each in rule["constraint"]}


async def _same_end(pair: Pair, pid: str, state: str) -> tuple[Negotiation, Negotiation]:
    """Both ends of a negotiation, in this state."""
    ours = await pair.recycler.negotiation_is(pid, state)
    return ours, await pair.maker.negotiation_is(ours.peer_pid, state)


# --- four messages -------------------------------------------------------------------------------


async def test_four_messages_make_one_agreement_that_is_equal_on_both_sides(pair: Pair) -> None:
    maker, recycler = pair.maker, pair.recycler
    agreed = await recycler.agrees(maker, purpose=["dismantling"])
    [ours], [theirs] = await recycler.every(Agreement), await maker.every(Agreement)
    assert ours.policy == theirs.policy == agreed.policy
    assert (ours.assigner, ours.assignee) == (maker.id, recycler.id)
    assert ours.grant == theirs.grant != ""
    assert ours.dataset == theirs.dataset == agreed.policy["target"]
    assert ours.purpose == theirs.purpose == ("dismantling",)
    assert (ours.state, theirs.state) == ("FINALIZED", "FINALIZED")
    assert maker.wire.types() == [REQUEST, VERIFICATION]
    assert recycler.wire.types() == [AGREEMENT, FINALIZED]


async def test_both_timelines_tell_all_four_messages(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    ours = await pair.recycler.negotiation(agreed.negotiation)
    told = await pair.recycler.said(ours.id), await pair.maker.said(ours.peer_pid)
    assert [{message for _, message, _ in timeline} for timeline in told] == [{REQUEST, AGREEMENT, VERIFICATION, FINALIZED}] * 2
    assert [[way for way, message, _ in timeline if message == AGREEMENT] for timeline in told] == [["in"], ["out"]]


async def test_many_negotiations_at_once_all_end_finalized(pair: Pair) -> None:
    import asyncio

    agreed = await asyncio.gather(*(pair.recycler.agrees(pair.maker) for _ in range(20)))
    assert len({each.id for each in agreed}) == 20
    assert {each.state for each in await pair.maker.every(Agreement)} == {"FINALIZED"}


async def test_a_narrower_request_is_agreed_as_asked(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker, terms=SHORTER)
    assert _constraints(agreed)["dateTime"] == "2027-01-31T23:59:59Z"
    assert _constraints(agreed)["role"] == "recycler", "what was not mentioned stays as offered"


async def test_narrowing_the_purpose_ends_in_the_agreement(stage: Stage, pair: Pair) -> None:
    await offers.offer(pair.maker.world, replace(DISMANTLING, purposes=("dismantling", "recycling")))
    agreed = await pair.recycler.agrees(pair.maker, purpose=["recycling"])
    assert _constraints(agreed)["purpose"] == "recycling"
    assert agreed.purpose == ("recycling",)
    [theirs] = await pair.maker.every(Agreement)
    assert theirs.purpose == ("recycling",)


# --- six messages --------------------------------------------------------------------------------


async def test_wider_terms_are_answered_with_the_offer_which_is_accepted_when_it_is_within_what_was_asked(pair: Pair) -> None:
    asked = await pair.recycler.asks(pair.maker, terms=LONGER, as_is=True)
    ours, theirs = await _same_end(pair, asked.id, "FINALIZED")
    assert pair.maker.wire.types() == [REQUEST, ACCEPTED, VERIFICATION]
    assert pair.recycler.wire.types() == [OFFER, AGREEMENT, FINALIZED]
    agreed = await pair.recycler.agreement(ours.agreement["@id"])
    assert _constraints(agreed)["dateTime"] == "2027-12-31T23:59:59Z"
    assert ours.agreement == theirs.agreement


async def test_an_offer_other_than_asked_waits_for_the_consumers_operator(pair: Pair) -> None:
    asked = await pair.recycler.asks(pair.maker, terms=OTHERS, as_is=True)
    waiting = await pair.recycler.waits(asked.id)
    assert waiting.place.state == "OFFERED"
    assert any("role" in why for why in waiting.why_waiting)
    await contracts.accept(pair.recycler.world, asked.id)
    ours, theirs = await _same_end(pair, asked.id, "FINALIZED")
    assert ours.waits_for == ""
    assert pair.maker.wire.types() + pair.recycler.wire.types() == [REQUEST, ACCEPTED, VERIFICATION, OFFER, AGREEMENT, FINALIZED]
    assert ours.agreement == theirs.agreement


async def test_wider_terms_asked_again_end_it_and_name_the_constraint(pair: Pair) -> None:
    asked = await pair.recycler.asks(pair.maker, terms=OTHERS, as_is=True)
    await pair.recycler.waits(asked.id)
    await contracts.counter(pair.recycler.world, asked.id, terms=OTHERS)
    ours, theirs = await _same_end(pair, asked.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "terms.not.narrower"
    assert ours.place.reason == theirs.place.reason
    assert any("role isAnyOf recycler" in text for text in ours.place.reason)
    assert (ours.place.by, theirs.place.by) == ("peer", "us")
    assert await pair.recycler.every(Agreement) == await pair.maker.every(Agreement) == []
    assert pair.recycler.wire.types() == [OFFER, TERMINATION]


async def test_the_original_terms_asked_after_the_counter_offer_are_agreed(pair: Pair) -> None:
    asked = await pair.recycler.asks(pair.maker, terms=OTHERS, as_is=True)
    await pair.recycler.waits(asked.id)
    await contracts.counter(pair.recycler.world, asked.id, terms=SHORTER)
    ours, _ = await _same_end(pair, asked.id, "FINALIZED")
    assert _constraints(await pair.recycler.agreement(ours.agreement["@id"]))["dateTime"] == "2027-01-31T23:59:59Z"


async def test_a_request_for_another_grant_is_terminated_as_such(pair: Pair) -> None:
    other = only(GRANT, "eq", "sha-256:" + "A" * 43)
    asked = await pair.recycler.asks(pair.maker, terms=other, as_is=True)
    ours, theirs = await _same_end(pair, asked.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "grant.mismatch"
    assert pair.recycler.wire.types() == [TERMINATION], "attributes are not negotiated: nothing is offered instead"


async def test_an_operand_off_the_accept_list_waits_for_the_operator(stage: Stage) -> None:
    maker = await stage.start("maker")
    careful = await stage.start("recycler", settings={"NEGOTIATION__ACCEPT": "grant,dateTime"})
    await maker.knows(careful, role="recycler")
    await careful.knows(maker)
    await maker.stock(DISMANTLING)
    asked = await careful.asks(maker, terms=LONGER, as_is=True)
    waiting = await careful.waits(asked.id)
    assert any("accept list" in why and PURPOSE in why for why in waiting.why_waiting)


# --- offers out of the blue ----------------------------------------------------------------------


async def _proposed(pair: Pair) -> tuple[Negotiation, Negotiation]:
    """An unasked offer of the maker, (maker's end, recycler's end)."""
    said = await contracts.propose(pair.maker.world, "recycler", "dismantling")
    theirs = await pair.maker.negotiation_is(said.id, "OFFERED")
    return theirs, await pair.recycler.waits(theirs.peer_pid)


async def test_an_unasked_offer_is_stored_and_never_accepted_by_itself(pair: Pair) -> None:
    theirs, ours = await _proposed(pair)
    assert (ours.side, ours.place.state, ours.waits_for) == ("consumer", "OFFERED", "operator")
    assert ours.offer["permission"] == theirs.offer["permission"]
    assert "never accepted by itself" in ours.why_waiting[0]
    assert [each["id"] for each in await contracts.list_negotiations(pair.recycler.world, waiting=True)] == [ours.id]


async def test_an_unasked_offer_that_the_operator_accepts_is_finalized(pair: Pair) -> None:
    _, ours = await _proposed(pair)
    await contracts.accept(pair.recycler.world, ours.id)
    await _same_end(pair, ours.id, "FINALIZED")
    [mine], [yours] = await pair.recycler.every(Agreement), await pair.maker.every(Agreement)
    assert mine.policy == yours.policy
    assert mine.purpose == yours.purpose == ("dismantling",)
    assert pair.recycler.wire.types() == [OFFER, AGREEMENT, FINALIZED]
    pulled = await pulls.pull(pair.recycler.world, pulls.Wish(peer="maker", what="dismantling", battery=FIRST))
    assert (pulled["agreement"], pulled["elements"] > 10) == (mine.id, True), "what came could be checked against the grant"


async def test_an_unasked_offer_that_the_operator_declines_ends_with_the_reason_on_both_sides(pair: Pair) -> None:
    _, ours = await _proposed(pair)
    await contracts.decline(pair.recycler.world, ours.id, "We have enough batteries.")
    ours, theirs = await _same_end(pair, ours.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "offer.declined"
    assert ours.place.reason == theirs.place.reason == ("We have enough batteries.",)
    assert (ours.place.by, theirs.place.by, ours.waits_for) == ("us", "peer", "")


async def test_an_unasked_offer_that_nobody_answers_is_dropped_after_seven_days(pair: Pair) -> None:
    _, ours = await _proposed(pair)
    await pair.stage.passes(days=6, hours=23)
    await pair.recycler.agrees(pair.maker)  # the loop has looked at everything that is due
    assert (await pair.recycler.negotiation(ours.id)).place.state == "OFFERED"
    await pair.stage.passes(hours=2)
    ours, theirs = await _same_end(pair, ours.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "offer.unanswered"
    assert "7 days" in " ".join(theirs.place.reason)
    assert ours.waits_for == ""


async def test_an_unasked_offer_may_be_countered_and_is_then_no_longer_dropped(pair: Pair) -> None:
    _, ours = await _proposed(pair)
    await contracts.counter(pair.recycler.world, ours.id, terms=SHORTER)
    await _same_end(pair, ours.id, "FINALIZED")
    await pair.stage.passes(days=8)
    await pair.recycler.agrees(pair.maker)
    assert (await pair.recycler.negotiation(ours.id)).place.state == "FINALIZED"


async def test_wider_terms_asked_after_an_unasked_offer_are_answered_with_it_once(pair: Pair) -> None:
    _, ours = await _proposed(pair)
    await contracts.counter(pair.recycler.world, ours.id, terms=OTHERS)
    await pair.recycler.until(ours.id, lambda it: it.place.state == "OFFERED" and it.waits_for and it.asked, Negotiation)
    await contracts.counter(pair.recycler.world, ours.id, terms=OTHERS)
    ours, _ = await _same_end(pair, ours.id, "TERMINATED")
    assert ours.place.code == "terms.not.narrower"


# --- an operator's word --------------------------------------------------------------------------


@pytest.fixture
async def asking(pair: Pair) -> Pair:
    """The same pair, where the maker's operator wants to be asked."""
    await offers.offer(pair.maker.world, replace(DISMANTLING, confirm="ask"))
    return pair


async def test_a_definition_that_asks_waits_for_the_providers_operator_who_approves(asking: Pair) -> None:
    asked = await asking.recycler.asks(asking.maker)
    ours = await asking.recycler.negotiation_is(asked.id, "REQUESTED")
    theirs = await asking.maker.waits(ours.peer_pid)
    assert theirs.decision, "the policy was judged before a person was asked"
    await contracts.approve(asking.maker.world, theirs.id)
    await _same_end(asking, asked.id, "FINALIZED")


async def test_a_definition_that_asks_ends_with_the_reason_when_the_operator_says_no(asking: Pair) -> None:
    asked = await asking.recycler.asks(asking.maker)
    ours = await asking.recycler.negotiation_is(asked.id, "REQUESTED")
    await asking.maker.waits(ours.peer_pid)
    await contracts.decline(asking.maker.world, ours.peer_pid, "Not this year.")
    ours, theirs = await _same_end(asking, asked.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "request.declined"
    assert ours.place.reason == theirs.place.reason == ("Not this year.",)


async def test_nobody_is_asked_to_approve_what_the_policy_refuses(asking: Pair) -> None:
    stranger = await asking.third("stranger")
    asked = await stranger.asks(asking.maker)
    assert (await stranger.negotiation_is(asked.id, "TERMINATED")).place.code.startswith("policy.")


# --- agreements that are not what stood ----------------------------------------------------------


class Forger(ProductDecider):
    """A provider's decider that changes one thing in the agreement it sends."""

    def __init__(self, change: Json) -> None:
        self.change = change

    async def negotiation(self, world: World, tx: Transaction, process: Negotiation) -> Move:
        move = await super().negotiation(world, tx, process)
        if move.message != M.AGREEMENT:
            return move
        return replace(move, content={"agreement": move.content["agreement"] | self.change})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"target": "battery.EV-72.000017." + "A" * 43}, "target is"),
        ({"assigner": "did:web:somebody.example"}, "assigner is"),
        ({"assignee": "did:web:somebody.example"}, "assignee is"),
        ({"permission": [{"action": "use"}]}, "is missing"),
        ({"prohibition": [{"action": "use"}]}, "prohibition"),
        (SHORTER, "is missing"),
    ],
)
async def test_an_agreement_that_differs_is_terminated_by_the_consumer_naming_the_difference(
    stage: Stage, change: Json, named: str
) -> None:
    maker, recycler = await stage.start("maker", decider=Forger(change)), await stage.start("recycler")
    await maker.knows(recycler, role="recycler")
    await recycler.knows(maker)
    await maker.stock(DISMANTLING)
    asked = await recycler.asks(maker)
    ours = await recycler.negotiation_is(asked.id, "TERMINATED")
    theirs = await maker.negotiation_is(ours.peer_pid, "TERMINATED")
    assert ours.place.code == theirs.place.code == "agreement.differs"
    assert (ours.place.by, theirs.place.by) == ("us", "peer")
    assert named in " ".join(theirs.place.reason)
    assert {each.state for end in (maker, recycler) for each in await end.every(Agreement)} == {"TERMINATED"}


async def test_an_agreement_id_that_is_in_use_is_refused(stage: Stage) -> None:
    maker, recycler = await stage.start("maker", decider=Forger({"@id": "urn:uuid:one-for-all"})), await stage.start("recycler")
    await maker.knows(recycler, role="recycler")
    await recycler.knows(maker)
    await maker.stock(DISMANTLING)
    await recycler.agrees(maker)
    asked = await recycler.asks(maker)
    ours = await recycler.negotiation_is(asked.id, "REQUESTED", "TERMINATED")
    await maker.negotiation_is(ours.peer_pid, "TERMINATED")
    [agreed] = await recycler.every(Agreement)
    assert agreed.state == "FINALIZED"


# --- the net itself ------------------------------------------------------------------------------


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"the schemas of DSP 2025-1 are not here: {SCHEMAS}")
def test_a_message_that_the_standard_forbids_would_be_noticed() -> None:
    bad = b'{"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "ContractAgreementVerificationMessage"}'
    recorder = Recorder([Exchange("POST", "/x", bad, 200, b""), Exchange("POST", "/y", b"", 400, b'{"@type": "OddError"}')])
    faults = recorder.faults()
    assert any("consumerPid" in fault for fault in faults)
    assert any("no schema for OddError" in fault for fault in faults)
    recorder.by_hand.add(bad)
    assert not any("consumerPid" in fault for fault in recorder.faults())
