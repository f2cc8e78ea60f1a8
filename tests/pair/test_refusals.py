"""Who may not have something: what they are told, what the provider can read about it, and what nobody learns."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from connector.errors import PeerRefused
from connector.exchange import offers as standing_offers
from connector.operate import audit, contracts, offers, policies
from connector.ports import Answer
from connector.records import Asset, ContractDefinition

from .nodes import FIRST, MODEL, End, Pair
from .terms import ROLE, only

SECRET = "insiders-of-plant-7731"  # stands in an access policy only
UNKNOWN_DIGEST = "A" * 43


async def _refused(end: End, maker: End, dataset: str = "dismantling") -> PeerRefused:
    with pytest.raises(PeerRefused) as caught:
        await contracts.concluded(end.world, await end.asks(maker, dataset))
    return caught.value


# --- refused by policy ---------------------------------------------------------------------------


async def test_a_missing_role_is_refused_with_the_four_questions_and_a_number_both_can_talk_about(pair: Pair) -> None:
    stranger = await pair.third("stranger")
    refused = await _refused(stranger, pair.maker)
    assert refused.what == 'your request for "dismantling · model EV-72"'
    assert "role isAnyOf recycler" in refused.why
    assert "role=recycler" in refused.next
    assert refused.code.startswith("policy.constraint")
    assert re.fullmatch(r"d-[0-9a-f]+", refused.decision)
    assert refused.by == "maker"

    explained = await audit.explain(pair.maker.world, refused.decision, replay=True)
    assert explained["outcome"] != "yes"
    assert explained["peer_name"] == "stranger"
    assert explained["process"]["peer_pid"] == refused.process
    assert explained["replay"]["same"] is True
    assert explained["tree"], "the provider reads the whole evaluation"


async def test_the_timeline_of_each_side_tells_the_refusal(pair: Pair) -> None:
    stranger = await pair.third("stranger")
    refused = await _refused(stranger, pair.maker)
    theirs = await pair.maker.negotiation_is((await stranger.negotiation(refused.process)).peer_pid, "TERMINATED")
    for world, pid in ((stranger.world, refused.process), (pair.maker.world, theirs.id)):
        timeline = await contracts.timeline(world, pid)
        last = timeline["steps"][-1]
        assert (last["state"], last["code"]) == ("TERMINATED", refused.code)
        assert f"decision {refused.decision}" in last["reason"]


async def test_a_policy_with_an_unknown_operand_is_stored_with_a_warning_and_never_satisfied(pair: Pair) -> None:
    strange = only("https://example.org/ns/moonPhase", "eq", "full")
    strange["permission"][0]["constraint"] += only(ROLE, "isAnyOf", "recycler")["permission"][0]["constraint"]
    stored = await policies.put(pair.maker.world, "moonlight", strange)
    assert any("moonPhase" in warning for warning in stored["warnings"])
    offered = await offers.offer(pair.maker.world, offers.Wish(view="condition", model=MODEL, policy="moonlight"))
    refused = await _refused(pair.recycler, pair.maker, offered["dataset"])
    assert refused.code == "policy.operand.unknown"
    assert "moonPhase" in refused.why


async def test_what_expired_meanwhile_is_refused_with_its_reason(pair: Pair) -> None:
    await pair.stage.passes(days=800)
    refused = await _refused(pair.recycler, pair.maker)
    assert refused.code == "policy.constraint.false"
    assert "dateTime" in refused.why


async def test_a_peer_that_is_no_longer_trusted_is_not_agreed_with(pair: Pair) -> None:
    from connector.operate import peers

    await peers.remove(pair.maker.world, "recycler")
    answer = await pair.recycler.reads(pair.maker, "/negotiations/urn:uuid:1")
    assert (answer.status, json.loads(answer.body)["code"]) == (401, "identity.unknown")


# --- hidden equals unknown -----------------------------------------------------------------------


async def _hide(pair: Pair) -> tuple[str, str, str]:
    """A dataset that only insiders see, beside the usual one: (hidden dataset, its offer's id, its grant)."""
    await policies.put(pair.maker.world, "insiders", only(ROLE, "isAnyOf", ["authority", SECRET]))
    offered = await offers.offer(
        pair.maker.world, offers.Wish(view="supplier", battery=FIRST, policy="recycler", visible_to="insiders", until="2027-12-31")
    )
    return offered["dataset"], await _offer_id(pair.maker, offered["dataset"]), offered["grant"]


async def _offer_id(maker: End, dataset: str, definition: str = "") -> str:
    async with maker.world.store.transaction() as tx:
        asset = await tx.get(Asset, dataset)
        assert asset is not None
        chosen = await tx.get(ContractDefinition, definition or asset.definitions[0])
        assert chosen is not None
        found = await standing_offers.standing(tx, chosen, asset, maker.world)
    assert found is not None
    return str(found.offer["@id"])


async def _dataset_of(maker: End, view: str) -> str:
    [found] = [each for each in await maker.every(Asset) if each.view == view]
    return str(found.id)


def _seen(answer: Answer) -> tuple[int, bytes, tuple[str, ...]]:
    """All that tells two answers apart but the instant."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status, answer.body, tuple(sorted(f"{name}: {value}" for name, value in headers.items()))


def _opening(end: End, offer_id: str, dataset: str, pid: str = "urn:uuid:one-and-the-same") -> dict[str, Any]:
    offer = {"@id": offer_id, "@type": "Offer", "target": dataset, "permission": [{"action": "use"}]}
    return {"consumerPid": pid, "callbackAddress": end.world.me.dsp, "offer": offer}


async def test_a_hidden_dataset_is_not_in_the_catalog_and_answers_like_one_that_does_not_exist(pair: Pair) -> None:
    hidden, _, _ = await _hide(pair)
    listed = await pair.recycler.sends(pair.maker, "/catalog/request", "CatalogRequestMessage")
    assert hidden.encode() not in listed.body
    unknown = hidden.rpartition(".")[0] + f".{UNKNOWN_DIGEST}"
    answers = {_seen(await pair.recycler.reads(pair.maker, f"/catalog/datasets/{id}")) for id in (hidden, unknown, "no-such-thing")}
    assert [status for status, _, _ in answers] == [404]


async def test_a_hidden_an_unknown_and_another_definitions_offer_are_refused_alike(pair: Pair) -> None:
    hidden, hidden_offer, _ = await _hide(pair)
    visible = await _dataset_of(pair.maker, "dismantling")
    visible_offer = await _offer_id(pair.maker, visible)
    definition, dataset, digest = visible_offer.split(":")
    strange = [
        (hidden_offer, hidden),
        (f"{definition}:{dataset}:{digest[::-1]}", visible),  # terms that were never offered
        (f"{hidden_offer.split(':')[0]}:{dataset}:{digest}", visible),  # a definition that does not select it
        (f"{definition}:{hidden_offer.split(':')[1]}:{digest}", hidden),
        ("no:such:offer", visible),
        ("offer-1", visible),
    ]
    path, type = "/negotiations/request", "ContractRequestMessage"
    answers = {
        _seen(await pair.recycler.sends(pair.maker, path, type, **_opening(pair.recycler, id, target))) for id, target in strange
    }  # fmt: skip
    assert [status for status, _, _ in answers] == [404]
    fine = await pair.recycler.sends(pair.maker, path, type, **_opening(pair.recycler, visible_offer, visible))
    assert fine.status == 201


async def test_a_hidden_grant_answers_like_one_that_does_not_exist(pair: Pair) -> None:
    _, _, digest = await _hide(pair)
    visible = (await _dataset_of(pair.maker, "dismantling")).rpartition(".")[2]

    async def grant(name: str) -> tuple[int, bytes, tuple[str, ...]]:
        return _seen(await pair.recycler.world.courier.get(pair.maker.url, f"/grants/{name}", pair.maker.id, [pair.maker.url]))

    answers = {await grant(name) for name in (digest, UNKNOWN_DIGEST, "no-such-thing")}
    assert [status for status, _, _ in answers] == [404]
    assert (await grant(visible))[0] == 200


async def test_a_battery_outside_the_scope_answers_like_one_that_does_not_exist(pair: Pair) -> None:
    offered = await offers.offer(pair.maker.world, offers.Wish(view="dismantling", battery=FIRST, policy="recycler", until="2027-12-31"))
    started = await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker, offered["dataset"]))
    address = await pair.recycler.address(started.id)
    assert (await pair.recycler.pulls(address, FIRST)).status == 200
    outside = {_seen(await pair.recycler.pulls(address, battery)) for battery in ("EV-72.000018", "EV-72.999999", "XX-1.1", MODEL)}
    assert [status for status, _, _ in outside] == [404]


async def test_a_path_outside_the_grant_is_refused_whether_or_not_the_passport_has_it(pair: Pair) -> None:
    started = await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker))
    address = await pair.recycler.address(started.id)
    path = "/materials/BatteryMaterials/{}/BatteryMaterialMass"
    there, absent = [await pair.recycler.pulls(address, path=path.format(index)) for index in (0, 999)]
    assert there.status == absent.status == 403
    told = [json.loads(answer.body) for answer in (there, absent)]
    assert told[0]["code"] == told[1]["code"] == "grant.path"
    assert [text for text in told[0]["reason"] if "decision" not in text] == [text for text in told[1]["reason"] if "decision" not in text]


async def test_an_offer_that_is_hidden_meanwhile_is_unknown_to_a_counter_request(pair: Pair) -> None:
    said = await contracts.propose(pair.maker.world, "recycler", "dismantling")
    theirs = await pair.maker.negotiation_is(said.id, "OFFERED")
    ours = await pair.recycler.waits(theirs.peer_pid)
    await offers.withdraw(pair.maker.world, "dismantling")
    fields = _opening(pair.recycler, str(ours.offer["@id"]), ours.dataset, ours.id) | {"providerPid": theirs.id}
    del fields["callbackAddress"]
    answer = await pair.recycler.sends(pair.maker, f"/negotiations/{theirs.id}/request", "ContractRequestMessage", **fields)
    assert answer.status == 404
    assert (await pair.maker.negotiation(theirs.id)).place.state == "OFFERED"


async def test_nothing_about_an_access_policy_leaves_the_provider(pair: Pair) -> None:
    """An insider who sees the offer, one who does not, and one who is refused: none learns why it is visible."""
    hidden, hidden_offer, _ = await _hide(pair)
    insider = await pair.third("oem", role="authority")
    for end in (insider, pair.recycler):
        await end.sends(pair.maker, "/catalog/request", "CatalogRequestMessage")
        await end.sends(pair.maker, "/negotiations/request", "ContractRequestMessage", **_opening(end, hidden_offer, hidden))
    refused = await _refused(insider, pair.maker, hidden)
    assert "recycler" in refused.why
    left = [each.answer for each in pair.maker.wire.exchanges]
    left += [each.request for end in (insider, pair.recycler) for each in end.wire.exchanges]
    assert not any(word.encode() in body for body in left for word in (SECRET, "insiders", "authority"))


async def test_an_agreement_outlives_its_offer_and_its_view(pair: Pair) -> None:
    """Later edits touch new offers only: what was agreed is still given."""
    agreed = await pair.recycler.agrees(pair.maker)
    await offers.withdraw(pair.maker.world, "dismantling")
    started = await pair.recycler.starts(pair.maker, agreed)
    assert (await pair.recycler.pulls(await pair.recycler.address(started.id))).status == 200
