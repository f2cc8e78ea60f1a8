"""Conversations recorded between two EDCs (0.15.1 and 0.18.0), with a node of ours in the place of either: it reads every message,
and what it answers and sends is what EDC expects (any 2xx, 201 on creation, `@context` an array, nothing empty, repetitions known).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import official

from .messages import an_offer, is_in, new_id
from .node import BASE, Answer, Node, Peer

RECORDED = official.FOLDER.parent / "edc-wire"
VERSIONS = ("0.15.1", "0.18.0")
LIKE_EDC = {
    "Content-Type": "application/json; charset=utf-8",
    "Accept-Encoding": "gzip",
    "User-Agent": "okhttp/5.3.2",
    "Connection": "Keep-Alive",
}
EDC_NS = "https://w3id.org/edc/v0.0.1/ns/"


@pytest.fixture(params=VERSIONS)
def recorded(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The exchanges of one conversation, in their order."""
    path: Path = RECORDED / f"edc-{request.param}-dsp.json"
    if not path.exists():
        pytest.skip(f"third-party data not here: {RECORDED}")
    return list(json.loads(path.read_text("utf-8")))


@pytest.fixture
def edc(node: Node, request: pytest.FixtureRequest) -> Peer:
    """A peer that answers every message as EDC does: 200, a JSON type and no body."""
    peer = node.meets(f"edc-{new_id()[-8:]}", role="recycler")
    peer.says = lambda path, document: (200, None)
    return peer


def said(exchange: dict[str, Any], **changes: Any) -> bytes:
    """A recorded message with what belongs to this conversation in the place of what belonged to that one."""
    return json.dumps(exchange["requestBody"] | changes).encode()


def as_edc(node: Node, peer: Peer, path: str, body: bytes) -> Answer:
    answer = node.says(peer, "POST", f"{BASE}{path}", body, LIKE_EDC)
    assert_as_edc_reads(answer)
    return answer


def assert_as_edc_reads(answer: Answer) -> None:
    document = answer.json
    assert isinstance(document["@context"], list) and official.faults(document) == []
    assert _empty(document) == []


def _empty(value: Any, where: str = "") -> list[str]:
    if value is None or value == []:
        return [where]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in _empty(inner, f"{where}/{key}")]


def heard(peer: Peer, type: str, number: int = 1) -> Any:
    """The n-th message of a type that the node has sent."""
    deadline = time.monotonic() + 10
    while len(found := [document for _, document in peer.heard if document["@type"] == type]) < number:
        assert time.monotonic() < deadline, [document["@type"] for _, document in peer.heard]
        time.sleep(0.02)
    assert isinstance(found[number - 1]["@context"], list) and official.faults(found[number - 1]) == [] and _empty(found[number - 1]) == []
    return found[number - 1]


def test_a_node_of_ours_in_the_place_of_the_provider(node: Node, edc: Peer, recorded: list[dict[str, Any]]) -> None:
    catalog, request, _, verification, _, transfer, _, suspension, resume, _, termination = recorded
    shown = as_edc(node, edc, "/catalog/request", said(catalog))
    assert shown.status == 200 and shown.json["dataset"][0]["hasPolicy"][0]["@id"]
    pid, offer = request["requestBody"]["consumerPid"] + new_id()[-6:], an_offer(node, edc)
    opening = said(request, **{"@id": new_id()}, consumerPid=pid, callbackAddress=edc.callback, offer=offer)
    opened = as_edc(node, edc, "/negotiations/request", opening)
    assert (opened.status, opened.json["state"], opened.json["consumerPid"]) == (201, "REQUESTED", pid)
    again = as_edc(node, edc, "/negotiations/request", opening)
    assert again.json["providerPid"] == opened.json["providerPid"]
    ours = opened.json["providerPid"]
    agreement = heard(edc, "ContractAgreementMessage")["agreement"]
    # what EDC wants of an agreement, and that its rules are those of the offer
    assert {"@id", "target", "assigner", "assignee", "timestamp"} <= set(agreement)
    assert (agreement["assigner"], agreement["assignee"], agreement["permission"]) == (node.id, edc.id, offer["permission"])
    confirmed = said(verification, **{"@id": new_id()}, consumerPid=pid, providerPid=ours)
    assert as_edc(node, edc, f"/negotiations/{ours}/agreement/verification", confirmed).status == 200
    assert heard(edc, "ContractNegotiationEventMessage")["eventType"] == "FINALIZED"
    assert as_edc(node, edc, f"/negotiations/{ours}/agreement/verification", confirmed).status == 200, "seen before: acknowledged, ignored"

    pid = transfer["requestBody"]["consumerPid"] + new_id()[-6:]
    asked = said(transfer, **{"@id": new_id()}, consumerPid=pid, agreementId=agreement["@id"], callbackAddress=edc.callback)
    began = as_edc(node, edc, "/transfers/request", asked)
    assert (began.status, began.json["state"]) == (201, "REQUESTED")
    ours = began.json["providerPid"]
    address = heard(edc, "TransferStartMessage")["dataAddress"]
    named = {each["name"]: each["value"] for each in address["endpointProperties"]}
    for name in ("endpoint", "authorization", "authType"):
        assert named[name] == named[EDC_NS + name], "under both names: EDC reads its own"
    assert address["endpoint"] == named["endpoint"] and address["endpointType"]
    bare = node.call("GET", "/data/EV-72.000017", headers={"Authorization": named["authorization"]})
    assert bare.status == 200, "EDC sends the token without a scheme"
    for exchange, verb, state in ((suspension, "suspension", "SUSPENDED"), (resume, "start", "STARTED")):
        body = said(exchange, **{"@id": new_id()}, consumerPid=pid, providerPid=ours)
        answer = as_edc(node, edc, f"/transfers/{ours}/{verb}", body)
        assert (answer.status, answer.json["state"]) == (200, state)
    assert heard(edc, "TransferStartMessage", 2)["dataAddress"], "a consumer's start is answered by a start with a new address"
    ended = said(termination, **{"@id": new_id()}, consumerPid=pid, providerPid=ours)
    assert as_edc(node, edc, f"/transfers/{ours}/termination", ended).json["state"] == "TERMINATED"
    node.sound()


def test_a_node_of_ours_in_the_place_of_the_consumer(node: Node, edc: Peer, recorded: list[dict[str, Any]]) -> None:
    catalog, request, agreement, _, event, transfer, start, _, _, _, _ = recorded
    edc.says = _provider(edc, catalog, request, transfer)
    asked = node.operate("POST", "/saltbridge/negotiations", {"peer": edc.name, "dataset": "bp-1", "wait": 0})
    assert asked.status == 201, asked.body
    sent = heard(edc, "ContractRequestMessage")
    assert {"consumerPid", "callbackAddress", "@id"} <= set(sent) and {"@id", "target"} <= set(sent["offer"])
    assert not sent["callbackAddress"].endswith("/")
    ours, theirs = sent["consumerPid"], f"edc-{sent['consumerPid'][-8:]}"
    is_in(node, edc, f"/negotiations/{ours}", "REQUESTED")
    terms = agreement["requestBody"]["agreement"] | {"@id": new_id(), "assigner": edc.id, "assignee": node.id}
    pids = {"consumerPid": ours, "providerPid": theirs}
    body = said(agreement, **{"@id": new_id()}, **pids, agreement=terms)
    assert as_edc(node, edc, f"/negotiations/{ours}/agreement", body).status == 200
    assert heard(edc, "ContractAgreementVerificationMessage")["providerPid"] == theirs
    body = said(event, **{"@id": new_id()}, **pids)
    answer = as_edc(node, edc, f"/negotiations/{ours}/events", body)
    assert (answer.status, answer.json["state"]) == (200, "FINALIZED")
    assert as_edc(node, edc, f"/negotiations/{ours}/events", body).status == 200

    moved = node.operate("POST", "/saltbridge/transfers", {"agreement": terms["@id"], "wait": 0})
    assert moved.status == 201, moved.body
    sent = heard(edc, "TransferRequestMessage")
    assert sent["agreementId"] == terms["@id"] and sent["format"] == "HttpData-PULL" and "dataAddress" not in sent
    ours = sent["consumerPid"]
    is_in(node, edc, f"/transfers/{ours}", "REQUESTED")
    body = said(start, **{"@id": new_id()}, consumerPid=ours, providerPid=f"edc-{ours[-8:]}")
    assert as_edc(node, edc, f"/transfers/{ours}/start", body).json["state"] == "STARTED"
    address = node.operate("GET", f"/saltbridge/transfers/{ours.replace(':', '%3A')}/dataaddress").json
    named = {each["name"]: each["value"] for each in start["requestBody"]["dataAddress"]["endpointProperties"]}
    assert named[EDC_NS + "endpoint"] in json.dumps(address) and named[EDC_NS + "authorization"] in json.dumps(address)
    node.sound()


def _provider(edc: Peer, catalog: Any, request: Any, transfer: Any) -> Callable[[str, Any], tuple[int, Any]]:
    """EDC's recorded answers: its catalog, and 200 with the object in REQUESTED where it made one."""

    def answer(path: str, document: Any) -> tuple[int, Any]:
        if document["@type"] == "CatalogRequestMessage":
            text = json.dumps(catalog["responseBody"]).replace("http://localhost:18000/protocol/2025-1", edc.callback)
            return 200, json.loads(text) | {"participantId": edc.id}
        for exchange in (request, transfer):
            if document["@type"] == exchange["requestBody"]["@type"]:
                pids = {"consumerPid": document["consumerPid"], "providerPid": f"edc-{document['consumerPid'][-8:]}"}
                return 200, exchange["responseBody"] | pids
        return 200, None

    return answer
