"""What is answered before anything is decided: repetitions, replays, foreign pids, wrong addresses, full quotas."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from connector.exchange import offers as standing_offers
from connector.operate import contracts, offers
from connector.ports import Answer
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Agreement, Asset, ContractDefinition, Negotiation, Transfer

from .conftest import introduced
from .nodes import DISMANTLING, End, Pair, Stage

REQUEST, VERIFICATION, AGREEMENT = "ContractRequestMessage", "ContractAgreementVerificationMessage", "ContractAgreementMessage"


async def _offer(maker: End) -> dict[str, Any]:
    """The one offer of the maker, as a message carries it."""
    async with maker.world.store.transaction() as tx:
        [asset] = await tx.find(Asset)
        definition = await tx.get(ContractDefinition, asset.definitions[0])
        assert definition is not None
        found = await standing_offers.standing(tx, definition, asset, maker.world)
    assert found is not None
    return found.offer | {"target": asset.id}


async def _opens(end: End, maker: End, pid: str = "urn:uuid:by-hand", **changes: Any) -> Answer:
    fields = {"@id": "urn:uuid:opening", "consumerPid": pid, "callbackAddress": end.world.me.dsp, "offer": await _offer(maker)} | changes
    return await end.sends(maker, "/negotiations/request", REQUEST, **fields)


def _said(answer: Answer) -> Any:
    return json.loads(answer.body)


def _without_pids(answer: Answer, *pids: str) -> tuple[int, str]:
    text = answer.body.decode()
    for pid in pids:
        text = text.replace(pid, "PID")
    return answer.status, text


def _sent(to: End, type: str) -> tuple[str, bytes]:
    """(path, body) of the first message of a type that reached a node."""
    found = next(each for each in to.wire.exchanges if each.type == type)
    return found.path.removeprefix("/dsp/2025-1"), found.request


# --- opening -------------------------------------------------------------------------------------


async def test_an_opening_that_comes_again_with_the_same_content_is_answered_as_before(pair: Pair) -> None:
    first = await _opens(pair.recycler, pair.maker)
    again = await _opens(pair.recycler, pair.maker)
    anew = await _opens(pair.recycler, pair.maker, **{"@id": "urn:uuid:another"})
    assert [answer.status for answer in (first, again, anew)] == [201, 201, 201]
    assert len({_said(answer)["providerPid"] for answer in (first, again, anew)}) == 1
    assert len(await pair.maker.every(Negotiation)) == 1


async def test_the_same_pid_with_other_content_is_400_and_leaves_the_first_alone(pair: Pair) -> None:
    first = await _opens(pair.recycler, pair.maker)
    offer = await _offer(pair.maker)
    other = await _opens(pair.recycler, pair.maker, offer=offer | {"permission": [{"action": "use"}]})
    assert (first.status, other.status, _said(other)["code"]) == (201, 400, "message.malformed")
    assert len(await pair.maker.every(Negotiation)) == 1


async def test_two_peers_may_open_under_the_same_pid(pair: Pair) -> None:
    oem = await pair.third(role="recycler")
    one, other = await _opens(pair.recycler, pair.maker), await _opens(oem, pair.maker)
    assert (one.status, other.status) == (201, 201)
    assert _said(one)["providerPid"] != _said(other)["providerPid"]


async def test_an_opening_for_another_target_than_its_offers_is_400(pair: Pair) -> None:
    offer = await _offer(pair.maker)
    answer = await _opens(pair.recycler, pair.maker, offer=offer | {"target": "battery.EV-72.000017." + "A" * 43})
    assert answer.status == 400
    assert any("target" in text for text in _said(answer)["reason"])
    assert await pair.maker.every(Negotiation) == []


@pytest.mark.parametrize("address", ["http://localhost:1/dsp", "http://elsewhere.example/dsp", "http://localhost.evil.example/dsp"])
async def test_a_callback_address_at_a_foreign_origin_is_400(pair: Pair, address: str) -> None:
    answer = await _opens(pair.recycler, pair.maker, callbackAddress=address)
    assert answer.status == 400
    assert await pair.maker.every(Negotiation) == []


async def test_an_origin_that_only_begins_like_the_peers_is_foreign(pair: Pair) -> None:
    answer = await _opens(pair.recycler, pair.maker, callbackAddress=f"{pair.recycler.url}0/dsp")
    assert answer.status == 400


async def test_a_transfer_is_opened_once_and_only_in_the_format_on_offer(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    fields = {"consumerPid": "urn:uuid:by-hand", "agreementId": agreed.id, "format": HTTP_PULL}
    fields["callbackAddress"] = pair.recycler.world.me.dsp
    pushed = await pair.recycler.sends(pair.maker, "/transfers/request", "TransferRequestMessage", **fields | {"format": "HttpData-PUSH"})
    assert (pushed.status, await pair.maker.every(Transfer)) == (400, [])
    once, again = [await pair.recycler.sends(pair.maker, "/transfers/request", "TransferRequestMessage", **fields) for _ in range(2)]
    assert (once.status, again.status) == (201, 201)
    assert _said(once)["providerPid"] == _said(again)["providerPid"]
    other = await pair.recycler.sends(
        pair.maker, "/transfers/request", "TransferRequestMessage", **fields | {"callbackAddress": f"{pair.recycler.url}/elsewhere"}
    )
    assert other.status == 400
    assert len(await pair.maker.every(Transfer)) == 1


# --- repetition ----------------------------------------------------------------------------------


async def test_late_copies_of_every_message_change_nothing(pair: Pair) -> None:
    """Each message of a finished negotiation arrives once more: the later ones are answered 200, the opening 201."""
    agreed = await pair.recycler.agrees(pair.maker)
    ours = await pair.recycler.negotiation(agreed.negotiation)
    theirs = await pair.maker.negotiation(ours.peer_pid)
    for sender, to, type, status in (
        (pair.recycler, pair.maker, REQUEST, 201),
        (pair.maker, pair.recycler, AGREEMENT, 200),
        (pair.recycler, pair.maker, VERIFICATION, 200),
        (pair.maker, pair.recycler, "ContractNegotiationEventMessage:FINALIZED", 200),
    ):
        answer = await sender.sends_bytes(to, *_sent(to, type))
        assert (answer.status, _said(answer)["state"]) == (status, "FINALIZED"), type
    assert await pair.recycler.negotiation(ours.id) == ours
    assert await pair.maker.negotiation(theirs.id) == theirs
    assert len(await pair.maker.every(Agreement)) == len(await pair.maker.every(Negotiation)) == 1


async def test_equal_content_under_a_new_id_is_another_message(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    assert agreed.state == "FINALIZED"
    path, body = _sent(pair.maker, VERIFICATION)
    anew = json.dumps(json.loads(body) | {"@id": "urn:uuid:anew"}).encode()
    answer = await pair.recycler.sends_bytes(pair.maker, path, anew)
    assert (answer.status, _said(answer)["code"]) == (400, "state.illegal")


async def test_late_copies_of_transfer_messages_change_nothing(pair: Pair) -> None:
    started = await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker))
    again = await pair.recycler.sends_bytes(pair.maker, *_sent(pair.maker, "TransferRequestMessage"))
    assert (again.status, _said(again)["providerPid"], _said(again)["state"]) == (201, started.peer_pid, "STARTED")
    restarted = await pair.maker.sends_bytes(pair.recycler, *_sent(pair.recycler, "TransferStartMessage"))
    assert (restarted.status, _said(restarted)["state"]) == (200, "STARTED")
    assert await pair.recycler.transfer(started.id) == started


# --- tokens --------------------------------------------------------------------------------------


async def _raw(method: str, end: End, path: str, token: str, body: bytes = b"") -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
    end.wire.by_hand.add(body)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{end.url}/dsp/2025-1{path}", data=body or None, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_token_is_good_for_one_message(pair: Pair) -> None:
    token = await pair.recycler.world.identity.token(pair.maker.id)
    fields = {"consumerPid": "urn:uuid:one", "callbackAddress": pair.recycler.world.me.dsp, "offer": await _offer(pair.maker)}
    body = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": REQUEST}
    first = await _raw("POST", pair.maker, "/negotiations/request", token, json.dumps(body | fields).encode())
    second = await _raw(
        "POST", pair.maker, "/negotiations/request", token, json.dumps(body | fields | {"consumerPid": "urn:uuid:two"}).encode()
    )
    assert (first[0], second[0], second[1]["code"]) == (201, 401, "identity.unknown")
    assert len(await pair.maker.every(Negotiation)) == 1


async def test_a_token_is_good_for_one_reading(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    ours = await pair.recycler.negotiation(agreed.negotiation)
    token = await pair.recycler.world.identity.token(pair.maker.id)
    path = f"/negotiations/{ours.peer_pid}"
    assert [(await _raw("GET", pair.maker, path, token))[0] for _ in range(2)] == [200, 401]


async def test_without_a_token_or_with_somebody_elses_everything_is_401_and_says_one_thing(pair: Pair) -> None:
    stranger = await pair.stage.start("stranger")
    tokens = [
        "",
        "Bearer x",
        await stranger.world.identity.token(pair.maker.id),
        await pair.recycler.world.identity.token(pair.recycler.id),
    ]
    answers = [await _raw("GET", pair.maker, path, token) for token in tokens for path in ("/negotiations/x", "/transfers/x")]
    assert {status for status, _ in answers} == {401}
    assert len({json.dumps(body["reason"]) for _, body in answers}) == 1


# --- other peoples' conversations ----------------------------------------------------------------


async def test_a_process_of_one_peer_does_not_exist_for_another(pair: Pair) -> None:
    oem = await pair.third(role="recycler")
    started = await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker))
    theirs = await pair.maker.transfer(started.peer_pid)
    [negotiation] = await pair.maker.every(Negotiation)
    unknown = "urn:uuid:5d9b9e5e-0000-4000-8000-000000000000"
    for noun, pid, consumer, message in (
        ("negotiations", negotiation.id, negotiation.peer_pid, "ContractNegotiationTerminationMessage"),
        ("transfers", theirs.id, theirs.peer_pid, "TransferTerminationMessage"),
    ):
        read = [await oem.reads(pair.maker, f"/{noun}/{id}") for id in (pid, unknown)]
        said = [
            await oem.sends(pair.maker, f"/{noun}/{id}/termination", message, consumerPid=consumer, providerPid=id)
            for id in (pid, unknown)
        ]  # fmt: skip
        for answers in (read, said):
            assert len({_without_pids(answer, pid, unknown) for answer in answers}) == 1
            assert answers[0].status == 404
    assert (await pair.maker.transfer(theirs.id)).place.state == "STARTED"


async def test_an_agreement_of_one_peer_does_not_exist_for_another(pair: Pair) -> None:
    oem = await pair.third(role="recycler")
    agreed = await pair.recycler.agrees(pair.maker)
    fields = {"consumerPid": "urn:uuid:by-hand", "format": HTTP_PULL, "callbackAddress": oem.world.me.dsp}
    answers = [
        await oem.sends(pair.maker, "/transfers/request", "TransferRequestMessage", **fields, agreementId=id)
        for id in (agreed.id, "urn:uuid:5d9b9e5e-0000-4000-8000-000000000000")
    ]
    assert len({_without_pids(answer) for answer in answers}) == 1
    assert answers[0].status == 404


async def test_a_message_with_another_pid_than_the_conversations_is_400(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    ours = await pair.recycler.negotiation(agreed.negotiation)
    pids = {"consumerPid": "urn:uuid:not-this-one", "providerPid": ours.peer_pid}
    answer = await pair.recycler.sends(
        pair.maker, f"/negotiations/{ours.peer_pid}/termination", "ContractNegotiationTerminationMessage", **pids
    )
    assert (answer.status, _said(answer)["code"]) == (400, "message.malformed")


async def test_a_data_token_of_one_transfer_opens_no_other(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    one, other = [await pair.recycler.starts(pair.maker, agreed) for _ in range(2)]
    url, token = await pair.recycler.address(one.id)
    forged = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    assert (await pair.recycler.pulls((url, forged))).status == 401
    await pair.recycler.moves(one.id, "terminate")
    await pair.maker.transfer_is(one.peer_pid, "TERMINATED")
    assert (await pair.recycler.pulls((url, token))).status == 403
    assert (await pair.recycler.pulls(await pair.recycler.address(other.id))).status == 200


# --- quotas --------------------------------------------------------------------------------------


@pytest.fixture
async def narrow(stage: Stage) -> Pair:
    """A maker that keeps two open negotiations and transfers for each peer, and asks its operator."""
    maker = await stage.start("maker", settings={"LIMITS__OPEN_PROCESSES": "2"})
    pair = await introduced(stage, maker, await stage.start("recycler"))
    await offers.offer(maker.world, replace(DISMANTLING, confirm="ask"))
    return pair


async def test_a_full_quota_is_503_with_retry_after_and_no_reason_to_end(narrow: Pair) -> None:
    maker, recycler = narrow.maker, narrow.recycler
    first, second = [await _opens(recycler, maker, f"urn:uuid:{n}") for n in range(2)]
    third = await _opens(recycler, maker, "urn:uuid:3")
    assert (first.status, second.status, third.status) == (201, 201, 503)
    assert int(third.headers["retry-after"]) >= 1
    assert _said(third)["code"] == "quota.full"
    again = await _opens(recycler, maker, "urn:uuid:0")
    assert again.status == 201, "what is open already is not refused for being open"


async def test_a_node_waits_while_the_quota_is_full_and_gets_in_when_there_is_room(narrow: Pair) -> None:
    maker, recycler = narrow.maker, narrow.recycler
    open = [await recycler.asks(maker) for _ in range(2)]
    for each in open:
        await recycler.negotiation_is(each.id, "REQUESTED")
    late = await recycler.asks(maker)
    while not (letters := await recycler.letters(late.id)) or not letters[0].attempts:
        await recycler.world.changes.wait(late.id, 0.02)
    assert "quota.full" in letters[0].last_error
    shown = await contracts.show(recycler.world, late.id)
    assert [(each["message"], each["attempts"]) for each in shown["letters"]] == [(REQUEST, 1)]
    await contracts.terminate(recycler.world, open[0].id)
    await recycler.negotiation_is(open[0].id, "TERMINATED")
    await narrow.stage.passes(seconds=10)
    await recycler.negotiation_is(late.id, "REQUESTED")
