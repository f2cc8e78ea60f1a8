"""Good messages to spoil: one for each that DSP 2025-1 has, about a process that runs here; and the official examples where they are."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from tests import official

from .node import BASE, Node, Peer, message


@dataclass(frozen=True)
class Running:
    """A negotiation that the peer opened and, where asked for, its agreement and a transfer under that."""

    ours: str  # the node's pid
    theirs: str
    offer: Any
    agreement: str = ""

    @property
    def pids(self) -> dict[str, str]:
        return {"consumerPid": self.theirs, "providerPid": self.ours}


def new_id() -> str:
    return f"urn:uuid:{os.urandom(8).hex()}"


def an_offer(node: Node, peer: Peer) -> Any:
    """The one offer of the node, as a request carries it."""
    shown = node.sends(peer, "/catalog/request", "CatalogRequestMessage")
    assert shown.status == 200, shown.body
    [dataset] = shown.json["dataset"]
    return dataset["hasPolicy"][0] | {"target": dataset["@id"]}


def opened(node: Node, peer: Peer, offer: Any = None) -> Running:
    """A negotiation that the peer has just opened; the node agrees as soon as it is looked away from."""
    offer, theirs = offer or an_offer(node, peer), new_id()
    fields = {"@id": new_id(), "consumerPid": theirs, "callbackAddress": peer.callback, "offer": offer}
    answer = node.sends(peer, "/negotiations/request", "ContractRequestMessage", **fields)
    assert answer.status == 201, answer.body
    return Running(answer.json["providerPid"], theirs, offer)


def is_in(node: Node, peer: Peer, path: str, state: str) -> None:
    """Wait until a process shows its other side a state."""
    for _ in range(200):
        answer = node.says(peer, "GET", f"{BASE}{path}")
        if answer.status == 200 and answer.json["state"] == state:
            return
        node.at_rest()
    raise AssertionError((state, answer.body))


def agreed(node: Node, peer: Peer) -> Running:
    """A negotiation that is FINALIZED, with its agreement's id."""
    running = opened(node, peer)
    is_in(node, peer, f"/negotiations/{running.ours}", "AGREED")
    fields = {"@id": new_id(), **running.pids}
    verified = node.sends(peer, f"/negotiations/{running.ours}/agreement/verification", "ContractAgreementVerificationMessage", **fields)
    assert verified.status == 200, verified.body
    is_in(node, peer, f"/negotiations/{running.ours}", "FINALIZED")
    [row] = [each for each in node.operate("GET", "/saltbridge/agreements").json if each["negotiation"] == running.ours]
    return Running(running.ours, running.theirs, running.offer, row["id"])


def transferring(node: Node, peer: Peer, agreement: str) -> Running:
    """A transfer that is STARTED."""
    theirs = new_id()
    fields = {"@id": new_id(), "consumerPid": theirs, "agreementId": agreement, "format": "HttpData-PULL", "callbackAddress": peer.callback}
    answer = node.sends(peer, "/transfers/request", "TransferRequestMessage", **fields)
    assert answer.status == 201, answer.body
    running = Running(answer.json["providerPid"], theirs, None, agreement)
    is_in(node, peer, f"/transfers/{running.ours}", "STARTED")
    return running


def good(type: str, node: Node, peer: Peer, running: Running) -> dict[str, Any]:
    """A message of a type as it is right, about this process."""
    agreement = (
        {
            **running.offer,
            "@id": new_id(),
            "@type": "Agreement",
            "assigner": peer.id,
            "assignee": node.id,
            "timestamp": "2026-11-24T20:53:55Z",
        }
        if running.offer
        else {}
    )
    fields: dict[str, dict[str, Any]] = {
        "CatalogRequestMessage": {"filter": []},
        "ContractRequestMessage": {"offer": running.offer, "callbackAddress": peer.callback},
        "ContractOfferMessage": {"offer": running.offer, "callbackAddress": peer.callback},
        "ContractAgreementMessage": {"agreement": agreement, "callbackAddress": peer.callback},
        "ContractNegotiationEventMessage": {"eventType": "ACCEPTED"},
        "ContractNegotiationTerminationMessage": {"code": "1", "reason": ["none"]},
        "TransferRequestMessage": {
            "agreementId": running.agreement or new_id(),
            "format": "HttpData-PULL",
            "callbackAddress": peer.callback,
            "dataAddress": {
                "@type": "DataAddress",
                "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
                "endpoint": "https://example.org/push",
                "endpointProperties": [{"@type": "EndpointProperty", "name": "authorization", "value": "x"}],
            },
        },
        "TransferSuspensionMessage": {"code": "1", "reason": ["none"]},
        "TransferTerminationMessage": {"code": "1", "reason": ["none"]},
    }
    pids = {} if type == "CatalogRequestMessage" else dict(running.pids)
    return {**json.loads(message(type)), "@id": new_id(), **pids, **fields.get(type, {})}


def official_examples(type: str) -> list[dict[str, Any]]:
    """The published examples of a type; none where they are absent."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(official.FOLDER.glob("*/example/*.json"))]
    return [each for each in found if isinstance(each, dict) and each.get("@type") == type]
