"""A node killed at any message and started again goes on where it was: one kill for each message, each side, each moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from connector.cli.client import part
from connector.errors import SaltbridgeError
from connector.protocol.negotiation import Message as N
from connector.protocol.negotiation import State as NS
from connector.protocol.transfer import Message as T
from connector.protocol.transfer import State as TS

from .conftest import Pair

Arm = Callable[[], None]

WANTED = {"peer": "maker", "dataset": "dismantling", "purpose": ["dismantling"], "wait": 0}
PROPOSED = {"peer": "recycler", "dataset": "dismantling", "propose": True, "wait": 0}
SENDERS_MOMENTS = ("before-send", "before-settle")
RECEIVERS_MOMENTS = ("before-answer", "before-turn")
OTHER = {"consumer": "provider", "provider": "consumer"}


# --- what is going on when the node dies ---------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """How a story ended: the process on both sides."""

    kind: str  # negotiations | transfers
    consumer: Any
    provider: Any


def requested(pair: Pair, arm: Arm) -> Told:
    """The plain four messages."""
    before = pair.ids("negotiations")
    arm()
    pair.act("consumer", "/negotiations", WANTED)
    return both(pair, "negotiations", before, NS.FINALIZED)


def answered_with_an_offer(pair: Pair, arm: Arm) -> Told:
    """The consumer asks for longer than is offered; the provider offers once again; the consumer accepts."""
    before = pair.ids("negotiations")
    arm()
    until = {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2199-12-31T23:59:59Z"}
    terms = {"permission": [{"action": "use", "constraint": [until]}]}
    pair.act("consumer", "/negotiations", {**WANTED, "purpose": [], "offer": terms, "as_is": True})
    return both(pair, "negotiations", before, NS.FINALIZED)


def proposed(pair: Pair, arm: Arm) -> Told:
    """The provider offers unasked, the consumer's operator accepts."""
    before = pair.ids("negotiations")
    arm()
    pair.act("provider", "/negotiations", PROPOSED)
    answer_offer(pair, before, "accept", {})
    return both(pair, "negotiations", before, NS.FINALIZED)


def countered(pair: Pair, arm: Arm) -> Told:
    """The provider offers unasked, the consumer's operator asks for less."""
    before = pair.ids("negotiations")
    pair.act("provider", "/negotiations", PROPOSED)
    answer_offer(pair, before, "counter", {"purpose": ["dismantling"]}, arm)
    return both(pair, "negotiations", before, NS.FINALIZED)


def declined(pair: Pair, arm: Arm) -> Told:
    """The provider offers unasked, the consumer's operator declines."""
    before = pair.ids("negotiations")
    pair.act("provider", "/negotiations", PROPOSED)
    answer_offer(pair, before, "decline", {}, arm)
    return both(pair, "negotiations", before, NS.TERMINATED)


def refused(pair: Pair, arm: Arm) -> Told:
    """The consumer asks for what its role does not allow; the provider's decider says no."""
    before = pair.ids("negotiations")
    arm()
    pair.act("consumer", "/negotiations", {"peer": "maker", "dataset": "condition", "wait": 0})
    return both(pair, "negotiations", before, NS.TERMINATED)


def started(pair: Pair, arm: Arm) -> Told:
    before = pair.ids("transfers")
    arm()
    pair.act("consumer", "/transfers", {"agreement": pair.agreement, "wait": 0})
    return both(pair, "transfers", before, TS.STARTED)


def moved(side: str, verb: str, to: TS, *, prelude: str = "") -> Callable[[Pair, Arm], Told]:
    """One side's operator moves a started transfer along (or one that somebody suspended first)."""

    def story(pair: Pair, arm: Arm) -> Told:
        before = pair.ids("transfers")
        pair.act("consumer", "/transfers", {"agreement": pair.agreement, "wait": 0})
        both(pair, "transfers", before, TS.STARTED)
        if prelude:
            move(pair, before, side, prelude)
            both(pair, "transfers", before, TS.SUSPENDED)
        arm()
        move(pair, before, side, verb)
        return both(pair, "transfers", before, to)

    return story


def answer_offer(pair: Pair, before: Any, verb: str, body: dict[str, Any], arm: Arm = lambda: None) -> None:
    """The consumer's operator answers the offer as soon as it waits for somebody."""

    def waits() -> Any:
        row = pair.new("negotiations", before, "consumer")
        return row if row and row["waits_for"] == "operator" else None

    row = pair.until("an offer that waits for its operator", waits)
    pair.rest()
    arm()
    pair.act("consumer", f"/negotiations/{part(row['id'])}/{verb}", {**body, "wait": 0})


def move(pair: Pair, before: Any, side: str, verb: str) -> None:
    pair.rest()
    row = pair.new("transfers", before, side)
    pair.act(side, f"/transfers/{part(row['id'])}/{verb}", {"reason": "for a test", "wait": 0})


def both(pair: Pair, kind: str, before: Any, state: str) -> Told:
    """The same process on both sides once both are there."""
    consumer, provider = (pair.wait_new(kind, before, side, state) for side in ("consumer", "provider"))
    return Told(kind, consumer, provider)


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    message: N | T
    sender: str
    story: Callable[[Pair, Arm], Told]
    times: int = 1  # how often the sender says it in this story

    @property
    def name(self) -> str:
        return f"{'negotiation' if isinstance(self.message, N) else 'transfer'}.{self.message.name}"


ROWS = {
    "request": Row(N.REQUEST, "consumer", requested),
    "counter-request": Row(N.REQUEST, "consumer", countered),
    "opening-offer": Row(N.OFFER, "provider", proposed),
    "counter-offer": Row(N.OFFER, "provider", answered_with_an_offer),
    "accept-by-operator": Row(N.ACCEPT, "consumer", proposed),
    "accept-by-itself": Row(N.ACCEPT, "consumer", answered_with_an_offer),
    "agreement": Row(N.AGREEMENT, "provider", requested),
    "verification": Row(N.VERIFY, "consumer", requested),
    "finalization": Row(N.FINALIZE, "provider", requested),
    "negotiation-termination-consumer": Row(N.TERMINATE, "consumer", declined),
    "negotiation-termination-provider": Row(N.TERMINATE, "provider", refused),
    "transfer-request": Row(T.REQUEST, "consumer", started),
    "start": Row(T.START, "provider", started),
    "start-resuming-consumer": Row(T.START, "consumer", moved("consumer", "resume", TS.STARTED, prelude="suspend")),
    "start-resuming-provider": Row(T.START, "provider", moved("provider", "resume", TS.STARTED, prelude="suspend"), times=2),
    "suspension-consumer": Row(T.SUSPEND, "consumer", moved("consumer", "suspend", TS.SUSPENDED)),
    "suspension-provider": Row(T.SUSPEND, "provider", moved("provider", "suspend", TS.SUSPENDED)),
    "completion-consumer": Row(T.COMPLETE, "consumer", moved("consumer", "complete", TS.COMPLETED)),
    "completion-provider": Row(T.COMPLETE, "provider", moved("provider", "complete", TS.COMPLETED)),
    "transfer-termination-consumer": Row(T.TERMINATE, "consumer", moved("consumer", "terminate", TS.TERMINATED)),
    "transfer-termination-provider": Row(T.TERMINATE, "provider", moved("provider", "terminate", TS.TERMINATED)),
}
# A message that ends a conversation leaves its receiver no turn to take.
ENDING = {N.TERMINATE, N.FINALIZE, T.COMPLETE, T.TERMINATE}
CASES = [
    pytest.param(row, moment, id=f"{name}-{moment}")
    for name, row in ROWS.items()
    for moment in (*SENDERS_MOMENTS, *RECEIVERS_MOMENTS)
    if not (moment == "before-turn" and row.message in ENDING)
]


def test_the_table_names_every_message_of_both_protocols() -> None:
    assert {row.message for row in ROWS.values()} == {*N, *T}


@pytest.mark.parametrize(("row", "moment"), CASES)
def test_a_killed_node_goes_on_where_it_was(pair: Pair, row: Row, moment: str) -> None:
    pair.revive()
    victim = pair.node(row.sender if moment in SENDERS_MOMENTS else OTHER[row.sender])
    lives = len(victim.endings)
    agreements = pair.ids("agreements")
    try:
        told = row.story(pair, lambda: victim.arm(f"{row.name}.{moment}"))
        pair.rest()
    finally:
        missed = victim.armed
        victim.disarm()
    assert not missed, "the node was never killed: the moment did not come"
    assert victim.endings[lives:] == [-9]
    for side, process in (("consumer", told.consumer), ("provider", told.provider)):
        assert pair.state(side, told.kind, process["id"]) == process["state"], "it moved on after the end"
    assert told.consumer["peer_pid"] == told.provider["id"]
    assert told.provider["peer_pid"] == told.consumer["id"]
    said_once(pair, row, told)
    one_agreement_or_none(pair, told, agreements)
    for process in (pair.maker, pair.recycler):
        assert process.client.get("/audit/verify")["holds"], process.name
    if told.kind == "transfers" and told.consumer["state"] == TS.STARTED:
        the_data_flows(pair, told)


@pytest.mark.parametrize("moment", ["before-send", "before-settle", "before-answer"])
def test_an_agreement_stays_retired_and_its_transfer_ends_through_a_kill(pair: Pair, moment: str) -> None:
    pair.revive()
    agreed = pair.recycler.client.post("/negotiations", {**WANTED, "wait": 30})["agreement"]
    before = pair.ids("transfers")
    pair.act("consumer", "/transfers", {"agreement": agreed, "wait": 30})
    both(pair, "transfers", before, TS.STARTED)
    pair.rest()
    victim = pair.node("provider" if moment in SENDERS_MOMENTS else "consumer")
    victim.arm(f"transfer.TERMINATE.{moment}")
    pair.act("provider", f"/agreements/{part(agreed)}/retire", {"reason": "for a test"})
    told = both(pair, "transfers", before, TS.TERMINATED)
    pair.rest()
    assert not victim.armed
    assert {told.consumer["code"], told.provider["code"]} == {"agreement.retired"}
    assert pair.maker.client.get(f"/agreements/{part(agreed)}")["state"] == "RETIRED"
    assert pair.maker.client.get("/audit/verify")["holds"]
    with pytest.raises(SaltbridgeError) as refused_again:
        pair.recycler.client.post("/transfers", {"agreement": agreed, "wait": 30})
    assert refused_again.value.code == "agreement.retired"


def said_once(pair: Pair, row: Row, told: Told) -> None:
    """Sent twice on the wire or not: each side has it on record as often as it was meant."""
    for side, direction in ((row.sender, "out"), (OTHER[row.sender], "in")):
        process = told.consumer if side == "consumer" else told.provider
        steps = pair.node(side).client.get(f"/{told.kind}/{part(process['id'])}/timeline")["steps"]
        found = [step for step in steps if step["direction"] == direction and step["message"] == row.message]
        assert len(found) == row.times, f"{side}: {[(step['direction'], step['message'], step['state']) for step in steps]}"


def one_agreement_or_none(pair: Pair, told: Told, before: dict[str, frozenset[str]]) -> None:
    new = {side: ids - before[side] for side, ids in pair.ids("agreements").items()}
    if told.kind == "transfers" or told.consumer["state"] == NS.TERMINATED:
        assert new == {"consumer": frozenset(), "provider": frozenset()}
        return
    assert len(new["consumer"]) == 1
    assert new["consumer"] == new["provider"] == {told.consumer["agreement"]} == {told.provider["agreement"]}
    for side, process in (("consumer", told.consumer), ("provider", told.provider)):
        agreement = pair.node(side).client.get(f"/agreements/{part(process['agreement'])}")
        assert (agreement["state"], agreement["negotiation"]) == ("FINALIZED", process["id"])


def the_data_flows(pair: Pair, told: Told) -> None:
    address = pair.recycler.client.get(f"/transfers/{part(told.consumer['id'])}/dataaddress")
    answer = requests.get(f"{address['endpoint']}/EV-72.000017", headers={"Authorization": address["authorization"]}, timeout=10)
    assert answer.status_code == 200, answer.text
