"""Two nodes transfer: start, pull, suspend, resume, complete, terminate - and what the data endpoint says meanwhile."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from connector.errors import Denied, Illegal
from connector.exchange.decide import ProductDecider
from connector.operate import contracts, offers, transfers
from connector.operate.fetching import check
from connector.ports import Answer, Move, Transaction, World
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Agreement, Transfer
from submodels.grant import parse_grant

from .conftest import introduced
from .nodes import FIRST, MODEL, SECOND, Pair, Stage

REQUEST, START, SUSPENSION, COMPLETION, TERMINATION = (
    f"Transfer{word}Message" for word in ("Request", "Start", "Suspension", "Completion", "Termination")
)


async def _started(pair: Pair) -> Transfer:
    """The recycler's end of a transfer that runs."""
    return await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker))


async def _both(pair: Pair, pid: str, state: str) -> tuple[Transfer, Transfer]:
    ours = await pair.recycler.transfer_is(pid, state)
    return ours, await pair.maker.transfer_is(ours.peer_pid, state)


async def _move(pair: Pair, who: str, pid: str, verb: str, reason: str = "") -> None:
    """`pid` is the recycler's."""
    own = pid if who == "recycler" else (await pair.recycler.transfer(pid)).peer_pid
    await transfers.move(getattr(pair, who).world, own, verb, reason)


def _code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"] if answer.status != 200 else ""


async def _states(pair: Pair, pid: str) -> tuple[Any, Any]:
    """What each side tells the other by GET."""
    ours = await pair.recycler.transfer(pid)
    there = await pair.recycler.reads(pair.maker, f"/transfers/{ours.peer_pid}")
    here = await pair.maker.reads(pair.recycler, f"/transfers/{ours.id}")
    assert there.status == here.status == 200
    return json.loads(there.body), json.loads(here.body)


# --- the plain way -------------------------------------------------------------------------------


async def test_a_started_transfer_gives_the_granted_attributes_of_every_battery_in_scope(pair: Pair) -> None:
    started = await _started(pair)
    address = await pair.recycler.address(started.id)
    grant = parse_grant((await pair.recycler.agreement(started.agreement)).grant)
    for battery in (FIRST, SECOND):
        answer = await pair.recycler.pulls(address, battery)
        assert answer.status == 200
        elements, outside = check(grant, json.loads(answer.body))
        assert (elements > 10, outside) == (True, [])
    assert pair.maker.wire.types()[-1:] == [REQUEST]
    assert pair.recycler.wire.types()[-1:] == [START]


async def test_both_sides_tell_the_same_state_by_get(pair: Pair) -> None:
    started = await _started(pair)
    there, here = await _states(pair, started.id)
    assert there == here
    assert (there["consumerPid"], there["providerPid"], there["state"]) == (started.id, started.peer_pid, "STARTED")


async def test_no_token_lies_in_the_outbox_or_on_a_timeline(pair: Pair) -> None:
    started = await _started(pair)
    _, token = await pair.recycler.address(started.id)
    for end in (pair.maker, pair.recycler):
        assert end.world.me.id
        database = end.node.config.database
        assert database is not None
        kept = b"".join(file.read_bytes() for file in database.parent.glob(f"{database.name}*"))
        assert (token.encode() in kept) == (end is pair.recycler), "only who was given the token keeps it"


@pytest.mark.parametrize("who", ["recycler", "maker"])
async def test_each_side_completes_and_the_data_endpoint_closes(pair: Pair, who: str) -> None:
    started = await _started(pair)
    address = await pair.recycler.address(started.id)
    await _move(pair, who, started.id, "complete")
    ours, theirs = await _both(pair, started.id, "COMPLETED")
    assert (ours.place.by, theirs.place.by) == (("us", "peer") if who == "recycler" else ("peer", "us"))
    assert _code(await pair.recycler.pulls(address)) == (403, "transfer.not.started")
    there, here = await _states(pair, started.id)
    assert there == here and there["state"] == "COMPLETED"


# --- suspended and resumed -----------------------------------------------------------------------


async def test_a_consumer_suspends_and_resumes_and_gets_a_renewed_address(pair: Pair) -> None:
    started = await _started(pair)
    old = await pair.recycler.address(started.id)
    await _move(pair, "recycler", started.id, "suspend", "Lunch.")
    ours, theirs = await _both(pair, started.id, "SUSPENDED")
    assert (ours.suspended_by, theirs.suspended_by) == ("us", "peer")
    assert (theirs.place.code, theirs.place.reason) == ("operator.suspended", ("Lunch.",))
    assert _code(await pair.recycler.pulls(old)) == (403, "transfer.not.started")

    await _move(pair, "recycler", started.id, "resume")
    ours = await pair.recycler.until(started.id, lambda it: it.place.state == "STARTED" and it.data_address != ours.data_address, Transfer)
    ours, theirs = await _both(pair, started.id, "STARTED")
    assert (theirs.generation, ours.suspended_by, theirs.suspended_by) == (2, "", "")
    assert (ours.place.code, theirs.place.code) == ("", ""), "what was suspended for a reason runs again without it"
    assert (await pair.recycler.pulls(await pair.recycler.address(ours.id))).status == 200
    assert _code(await pair.recycler.pulls(old)) == (403, "transfer.not.started")


async def test_a_provider_suspends_and_only_it_resumes(pair: Pair) -> None:
    started = await _started(pair)
    old = await pair.recycler.address(started.id)
    await _move(pair, "maker", started.id, "suspend", "Maintenance.")
    ours, theirs = await _both(pair, started.id, "SUSPENDED")
    assert (ours.suspended_by, theirs.suspended_by, ours.place.reason) == ("peer", "us", ("Maintenance.",))
    with pytest.raises(Illegal, match="provider suspended"):
        await _move(pair, "recycler", started.id, "resume")
    pids = {"consumerPid": ours.id, "providerPid": theirs.id}
    forced = await pair.recycler.sends(pair.maker, f"/transfers/{theirs.id}/start", START, **{"@id": "urn:uuid:forced"}, **pids)
    assert _code(forced) == (400, "transfer.suspended")
    assert (await pair.maker.transfer(theirs.id)).place.state == "SUSPENDED"

    await _move(pair, "maker", started.id, "resume")
    await _both(pair, started.id, "STARTED")
    assert (await pair.recycler.pulls(await pair.recycler.address(ours.id))).status == 200
    assert _code(await pair.recycler.pulls(old)) == (403, "transfer.not.started")


async def test_a_transfer_may_be_suspended_and_resumed_again_and_again(pair: Pair) -> None:
    started = await _started(pair)
    for generation in (2, 3, 4):
        await _move(pair, "recycler", started.id, "suspend")
        await _both(pair, started.id, "SUSPENDED")
        await _move(pair, "recycler", started.id, "resume")
        await pair.maker.until(started.peer_pid, lambda it, want=generation: it.generation == want and not it.place.waiting, Transfer)
    ours, _ = await _both(pair, started.id, "STARTED")
    assert (await pair.recycler.pulls(await pair.recycler.address(ours.id))).status == 200


async def test_a_provider_renews_the_address_of_a_running_transfer(pair: Pair) -> None:
    started = await _started(pair)
    old = await pair.recycler.address(started.id)
    await _move(pair, "maker", started.id, "resume")
    await pair.recycler.until(started.id, lambda it: it.data_address != started.data_address, Transfer)
    await _both(pair, started.id, "STARTED")
    assert (await pair.recycler.pulls(await pair.recycler.address(started.id))).status == 200
    assert _code(await pair.recycler.pulls(old)) == (403, "transfer.not.started")


async def test_equal_messages_without_an_id_count_each_time_they_are_due(pair: Pair) -> None:
    """A peer that sends no @id suspends and resumes twice with the same words."""
    started = await _started(pair)
    pids = {"consumerPid": started.id, "providerPid": started.peer_pid}
    for generation in (2, 3):
        for path, type, state in (("suspension", SUSPENSION, "SUSPENDED"), ("start", START, "STARTED")):
            answer = await pair.recycler.sends(pair.maker, f"/transfers/{started.peer_pid}/{path}", type, **pids)
            assert (answer.status, json.loads(answer.body)["state"]) == (200, state)
        await pair.maker.until(started.peer_pid, lambda it, want=generation: it.generation == want and not it.place.waiting, Transfer)


# --- ended early ---------------------------------------------------------------------------------


class Slow(ProductDecider):
    """A provider that does not come to starting."""

    async def transfer(self, world: World, tx: Transaction, process: Transfer) -> Move:
        return Move()


@pytest.mark.parametrize("who", ["recycler", "maker"])
@pytest.mark.parametrize("state", ["REQUESTED", "STARTED", "SUSPENDED"])
async def test_each_side_terminates_in_each_state_with_its_reason_on_both(stage: Stage, state: str, who: str) -> None:
    maker = await stage.start("maker", decider=Slow() if state == "REQUESTED" else None)
    pair = await introduced(stage, maker, await stage.start("recycler"))
    agreed = await pair.recycler.agrees(maker)
    asked = await transfers.request(pair.recycler.world, agreed.id)
    await _both(pair, asked.id, "STARTED" if state == "SUSPENDED" else state)
    if state == "SUSPENDED":
        await _move(pair, "maker", asked.id, "suspend")
        await _both(pair, asked.id, "SUSPENDED")
    await _move(pair, who, asked.id, "terminate", "Enough.")
    ours, theirs = await _both(pair, asked.id, "TERMINATED")
    for end, by in ((ours, "us" if who == "recycler" else "peer"), (theirs, "us" if who == "maker" else "peer")):
        assert (end.place.code, end.place.reason, end.place.by) == ("operator.terminated", ("Enough.",), by)


async def test_nothing_moves_a_transfer_that_is_over(pair: Pair) -> None:
    started = await _started(pair)
    await _move(pair, "recycler", started.id, "complete")
    ours, theirs = await _both(pair, started.id, "COMPLETED")
    pids = {"consumerPid": ours.id, "providerPid": theirs.id}
    for path, type in (("start", START), ("suspension", SUSPENSION), ("completion", COMPLETION), ("termination", TERMINATION)):
        for sender, receiver, pid in ((pair.recycler, pair.maker, theirs.id), (pair.maker, pair.recycler, ours.id)):
            answer = await sender.sends(receiver, f"/transfers/{pid}/{path}", type, **{"@id": f"urn:uuid:late-{path}"}, **pids)
            body = json.loads(answer.body)
            assert (answer.status, body["@type"], body["consumerPid"], body["providerPid"]) == (400, "TransferError", ours.id, theirs.id)
    assert (await pair.recycler.transfer(ours.id)).place == ours.place
    assert (await pair.maker.transfer(theirs.id)).place == theirs.place


# --- the agreement ends --------------------------------------------------------------------------


async def test_a_retired_agreement_ends_its_transfers_and_opens_nothing_any_more(pair: Pair) -> None:
    started = await _started(pair)
    address = await pair.recycler.address(started.id)
    await contracts.retire(pair.maker.world, started.agreement, "Recalled.")
    ours, theirs = await _both(pair, started.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "agreement.retired"
    assert any("Recalled." in text for text in ours.place.reason)
    refused = await pair.recycler.pulls(address)
    assert _code(refused) == (403, "agreement.retired")
    assert "retired" in json.loads(refused.body)["reason"][1]
    asked = {"consumerPid": "urn:uuid:late", "agreementId": started.agreement, "format": HTTP_PULL}
    asked["callbackAddress"] = pair.recycler.world.me.dsp
    late = await pair.recycler.sends(pair.maker, "/transfers/request", REQUEST, **asked)
    assert _code(late) == (400, "agreement.retired")
    with pytest.raises(Denied, match="not in force"):
        await transfers.request(pair.recycler.world, started.agreement)
    for end in (pair.maker, pair.recycler):
        shown = await contracts.show_agreement(end.world, started.agreement)
        assert (shown["state"], shown["retired_by"]) == ("RETIRED", pair.maker.id)
        assert "Recalled." in shown["retired_why"]


async def test_a_consumer_retires_too_and_the_provider_lets_nothing_out_any_more(pair: Pair) -> None:
    started = await _started(pair)
    address = await pair.recycler.address(started.id)
    await contracts.retire(pair.recycler.world, started.agreement, "Closed down.")
    await _both(pair, started.id, "TERMINATED")
    assert _code(await pair.recycler.pulls(address)) == (403, "agreement.retired")
    shown = await contracts.show_agreement(pair.maker.world, started.agreement)
    assert (shown["state"], shown["retired_by"]) == ("RETIRED", pair.recycler.id)


async def test_retiring_ends_every_open_transfer_of_the_agreement_and_of_no_other(pair: Pair) -> None:
    one, other = await pair.recycler.agrees(pair.maker), await pair.recycler.agrees(pair.maker)
    running = [await pair.recycler.starts(pair.maker, one) for _ in range(3)]
    spared = await pair.recycler.starts(pair.maker, other)
    await contracts.retire(pair.maker.world, one.id, "")
    for each in running:
        await _both(pair, each.id, "TERMINATED")
    await _both(pair, spared.id, "STARTED")
    assert (await pair.recycler.pulls(await pair.recycler.address(spared.id))).status == 200


async def _soon_over(pair: Pair) -> Agreement:
    """An agreement that lasts for one more hour."""
    until = (pair.stage.clock.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    offered = await offers.offer(pair.maker.world, offers.Wish(view="condition", model=MODEL, policy="recycler", until=until))
    return await pair.recycler.agrees(pair.maker, offered["dataset"])


async def test_when_the_time_is_over_a_pull_is_refused_at_once_and_so_is_a_new_transfer(pair: Pair) -> None:
    agreed = await _soon_over(pair)
    started = await pair.recycler.starts(pair.maker, agreed)
    address = await pair.recycler.address(started.id)
    assert (await pair.recycler.pulls(address)).status == 200
    await pair.stage.passes(hours=1, seconds=1)
    refused = await pair.recycler.pulls(address)
    assert _code(refused) == (403, "policy.constraint.false")
    decision = json.loads(refused.body)["decision"]
    assert "dateTime" in " ".join((await pair.maker.decision(decision)).reasons)
    assert (await pair.recycler.transfer(started.id)).place.state == "STARTED", "a scheduler only tidies"
    late = await transfers.request(pair.recycler.world, agreed.id)
    ours, theirs = await _both(pair, late.id, "TERMINATED")
    assert ours.place.code == theirs.place.code == "policy.constraint.false"
    assert any("dateTime" in text for text in ours.place.reason)


async def test_what_was_suspended_is_not_resumed_when_the_time_is_over(pair: Pair) -> None:
    started = await pair.recycler.starts(pair.maker, await _soon_over(pair))
    await _move(pair, "recycler", started.id, "suspend")
    await _both(pair, started.id, "SUSPENDED")
    await pair.stage.passes(hours=2)
    await _move(pair, "recycler", started.id, "resume")
    ours, _ = await _both(pair, started.id, "TERMINATED")
    assert ours.place.code == "policy.constraint.false"


async def test_a_claim_that_is_withdrawn_ends_pulls_under_an_agreement_that_asks_for_it(pair: Pair) -> None:
    started = await _started(pair)
    address = await pair.recycler.address(started.id)
    assert (await pair.recycler.pulls(address)).status == 200
    await pair.maker.knows(pair.recycler, role="supplier")
    assert _code(await pair.recycler.pulls(address)) == (403, "policy.constraint.false")
