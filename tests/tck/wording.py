"""What the kit's counterparty says and hears: its messages, where they go, what they lead to, and its own two state tables.

The shapes are those of the official kit on the wire: one context in an array, at the end; bare UUIDs as ids; a policy of one
permission without constraints; `code` "1" and no reason where something ends or stops.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.protocol.vocabulary import DSP_CONTEXT

from .script import KIT

Json = dict[str, Any]

PERMISSION = [{"action": "use"}]
FOREIGN_OFFER = "CD123:ACN0102:456"  # the kit's own counter-offer in CN:01-02, whatever the offer was
ADDRESS = {"@type": "DataAddress", "endpoint": "http://example.com", "endpointType": "https://w3id.org/idsa/v4.1/HTTP"}


@dataclass(frozen=True)
class Kind:
    """A message by its short name: where it is posted (`{}` is the receiver's pid), its `@type`, the state it leads to."""

    path: str
    type: str
    state: str
    event: str = ""


NEGOTIATION: Mapping[str, Kind] = {
    "request": Kind("/negotiations/request", "ContractRequestMessage", "REQUESTED"),
    "counter": Kind("/negotiations/{}/request", "ContractRequestMessage", "REQUESTED"),
    "offer": Kind("/negotiations/{}/offers", "ContractOfferMessage", "OFFERED"),
    "accepted": Kind("/negotiations/{}/events", "ContractNegotiationEventMessage", "ACCEPTED", "ACCEPTED"),
    "agreement": Kind("/negotiations/{}/agreement", "ContractAgreementMessage", "AGREED"),
    "verification": Kind("/negotiations/{}/agreement/verification", "ContractAgreementVerificationMessage", "VERIFIED"),
    "finalized": Kind("/negotiations/{}/events", "ContractNegotiationEventMessage", "FINALIZED", "FINALIZED"),
    "termination": Kind("/negotiations/{}/termination", "ContractNegotiationTerminationMessage", "TERMINATED"),
}
TRANSFER: Mapping[str, Kind] = {
    "request": Kind("/transfers/request", "TransferRequestMessage", "REQUESTED"),
    "start": Kind("/transfers/{}/start", "TransferStartMessage", "STARTED"),
    "suspension": Kind("/transfers/{}/suspension", "TransferSuspensionMessage", "SUSPENDED"),
    "completion": Kind("/transfers/{}/completion", "TransferCompletionMessage", "COMPLETED"),
    "termination": Kind("/transfers/{}/termination", "TransferTerminationMessage", "TERMINATED"),
}

# The kit's own tables know neither sides nor messages, and let an offer follow an offer.
NEGOTIATION_STATES: Mapping[str, frozenset[str]] = {
    "": frozenset({"REQUESTED", "OFFERED", "TERMINATED"}),
    "REQUESTED": frozenset({"OFFERED", "AGREED", "TERMINATED"}),
    "OFFERED": frozenset({"REQUESTED", "OFFERED", "ACCEPTED", "TERMINATED"}),
    "ACCEPTED": frozenset({"AGREED", "TERMINATED"}),
    "AGREED": frozenset({"VERIFIED", "TERMINATED"}),
    "VERIFIED": frozenset({"FINALIZED", "TERMINATED"}),
}
TRANSFER_STATES: Mapping[str, frozenset[str]] = {
    "": frozenset({"REQUESTED"}),
    "REQUESTED": frozenset({"STARTED", "TERMINATED"}),
    "STARTED": frozenset({"SUSPENDED", "TERMINATED", "COMPLETED"}),
    "SUSPENDED": frozenset({"STARTED", "TERMINATED"}),
}


class Overtaken(Exception):
    """The move is not in the kit's table: a message came earlier than the kit thought possible, or never should have."""


@dataclass
class Process:
    """The kit's end of a process."""

    subject: str  # dataset or agreement
    transfer: bool
    consumer: bool  # the kit's side
    offer_id: str = ""
    address: str = ""  # where the node is called
    pid: str = field(default_factory=lambda: str(uuid.uuid4()))
    peer_pid: str = ""
    state: str = ""

    @property
    def pids(self) -> Json:
        provider, consumer = (self.peer_pid, self.pid) if self.consumer else (self.pid, self.peer_pid)
        return {"providerPid": provider, "consumerPid": consumer}

    def move(self, state: str) -> None:
        """Go there, or Overtaken."""
        table = TRANSFER_STATES if self.transfer else NEGOTIATION_STATES
        if state not in table.get(self.state, ()):
            raise Overtaken(f"{self.state or 'nothing'} to {state}")
        if not self.state and state != "TERMINATED" and not self.peer_pid:
            raise Overtaken(f"to {state} without knowing the other's pid")
        self.state = state

    def ack(self, state: str = "") -> Json:
        return message("TransferProcess" if self.transfer else "ContractNegotiation", **self.pids, state=state or self.state)


def message(type: str, **content: Any) -> Json:
    return {"@id": str(uuid.uuid4()), "@type": type, **content, "@context": [DSP_CONTEXT]}


def compose(name: str, process: Process, callback: str, node_id: str) -> Json:
    """A message of the kit's, as it stands on the wire; `node_id` is the participant it goes to."""
    compact = name.removeprefix("bare-").removeprefix("foreign-")
    kind = (TRANSFER if process.transfer else NEGOTIATION)[compact]
    return message(kind.type, **_content(name, process, callback, node_id))


def _content(name: str, process: Process, callback: str, node_id: str) -> Json:
    pids = process.pids
    match name:
        case "request" if process.transfer:
            asked = {"agreementId": process.subject, "format": "HttpData-PULL"}
            return {"consumerPid": process.pid, **asked, "callbackAddress": callback}
        case "request":
            return {"consumerPid": process.pid, "offer": _policy("Offer", process.offer_id, process.subject), "callbackAddress": callback}
        case "counter":
            return {**pids, "offer": _policy("Offer", process.offer_id, process.subject, assignee=KIT)}
        case "foreign-counter":
            return {**pids, "offer": _policy("Offer", FOREIGN_OFFER, process.subject, assignee=KIT)}
        case "offer":
            parties = {"assignee": node_id, "assigner": KIT}
            return {**pids, "offer": _policy("Offer", process.offer_id, process.subject, **parties)}
        case "agreement":
            signed = {"timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z")}
            parties = {"assignee": node_id, "assigner": KIT}
            return {**pids, "agreement": _policy("Agreement", str(uuid.uuid4()), process.subject, **signed, **parties)}
        case "accepted" | "finalized":
            return {**pids, "eventType": name.upper()}
        case "start":
            return {**pids, "dataAddress": ADDRESS}
        case "termination" | "suspension":
            return {**pids, "code": "1"}
        case _:  # bare-start, verification, completion
            return pids


def _policy(type: str, id: str, target: str, **more: str) -> Json:
    return {"@type": type, "@id": id, "permission": PERMISSION, "target": target, **more}
