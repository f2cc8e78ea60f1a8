"""The chain read from its end, and decisions that can be repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connector.operate import audit
from connector.records import Agreement, Decision, Negotiation, Note, Place, Transfer
from connector.storage.chain import verify
from policies.facts import Facts
from policies.operands import ROLE

from .conftest import Holder

POLICY = {"permission": [{"action": "use", "constraint": [{"leftOperand": ROLE, "operator": "eq", "rightOperand": "recycler"}]}]}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 100])
async def test_the_newest_entries_are_found_without_reading_the_chain(holder: Holder, count: int) -> None:
    for number in range(count):
        async with holder.store.transaction() as tx:
            tx.note(Note(event="e", subject=str(number)))
    assert [each["subject"] for each in await audit.latest(holder.world, 3)] == [str(number) for number in range(max(0, count - 3), count)]
    told = await audit.verified(holder.world, verify)
    assert (told["holds"], told["entries"]) == (True, count)


def decided(holder: Holder, **changes: object) -> Decision:
    facts = Facts().with_fact(ROLE, "recycler", source="the operator")
    fields: dict[str, object] = {
        "id": "d-51f0",
        "at": holder.clock.now(),
        "about": "negotiation x",
        "peer": "did:web:recycler.example",
        "question": "contract policy",
        "outcome": "yes",
        "code": "policy.yes",
        "reasons": (),
        "policy": POLICY,
        "facts": facts.to_json(),
    }
    return Decision(**fields | changes)  # type: ignore[arg-type]


async def test_a_decision_is_found_by_its_short_id_and_repeats(holder: Holder) -> None:
    await holder.know("recycler")
    async with holder.store.transaction() as tx:
        tx.put(decided(holder))
    for text in ("d-51f0", "51f", "d-5"):
        told = await audit.explain(holder.world, text, replay=True)
        assert (told["id"], told["peer_name"]) == ("d-51f0", "recycler")
        assert told["replay"]["same"]


async def test_a_decision_names_both_ids_of_its_process_and_the_view(holder: Holder) -> None:
    now, recycler = holder.clock.now(), await holder.know("recycler")
    dataset = f"model.EV-72.{'a' * 43}"
    negotiation = Negotiation(
        id="urn:uuid:n1", side="provider", peer=recycler, peer_pid="urn:uuid:c1", address="https://x.example", place=Place(),
        dataset=dataset, offer={}, view="dismantling", opened=now, changed=now,
    )  # fmt: skip
    agreement = Agreement(
        id="urn:uuid:a1", side="provider", peer=recycler, negotiation="urn:uuid:n1", dataset=dataset, assigner="m", assignee="r",
        policy={}, view="dismantling", signed=now,
    )  # fmt: skip
    transfer = Transfer(
        id="urn:uuid:t1", side="provider", peer=recycler, peer_pid="urn:uuid:c2", address="https://x.example", place=Place(),
        agreement="urn:uuid:a1", format="HttpData-PULL", opened=now, changed=now,
    )  # fmt: skip
    async with holder.store.transaction() as tx:
        for record in (negotiation, agreement, transfer):
            tx.put(record)
        for number, about in enumerate(("negotiation urn:uuid:n1", "pull urn:uuid:t1", "transfer urn:uuid:gone")):
            tx.put(decided(holder, id=f"d-{number}", about=about))
    told = [(await audit.explain(holder.world, f"d-{number}"))["process"] for number in range(3)]
    view = {"title": "dismantling · model EV-72"}
    assert told[0] == {"kind": "negotiation", "id": "urn:uuid:n1", "peer_pid": "urn:uuid:c1"} | view
    assert told[1] == {"kind": "pull", "id": "urn:uuid:t1", "peer_pid": "urn:uuid:c2"} | view
    assert told[2] == {}


async def test_a_replay_that_differs_says_so(holder: Holder) -> None:
    again = audit.repeat(decided(holder, facts={}))
    assert (again["outcome"], again["same"]) == ("undecided", False)
    assert audit.repeat(decided(holder, policy={}))["possible"] is False


async def test_a_period_is_counted_from_the_agreement(holder: Holder) -> None:
    period = {"leftOperand": "https://w3id.org/edc/v0.0.1/ns/inForceDate", "operator": "lteq", "rightOperand": "contractAgreement+30d"}
    late = decided(
        holder,
        policy={"permission": [{"action": "use", "constraint": [period]}]},
        agreed=holder.clock.now() - timedelta(days=31),
        outcome="no",
        code="policy.constraint.false",
    )
    assert audit.repeat(late)["same"]
    assert not audit.repeat(replace(late, agreed=holder.clock.now() - timedelta(days=29)))["same"]
