"""The messages we send: from a move and the process it belongs to, to the protocol's own words and address."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from connector.ports import World, new_message_id
from connector.protocol import messages as m
from connector.protocol.machine import Side
from connector.protocol.negotiation import Message as N
from connector.protocol.transfer import Message as T
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Json, Negotiation, Transfer

TERMS = ("@id", "@type", "target", "assigner", "assignee", "profile", "permission", "prohibition", "obligation")

NEGOTIATION_PATHS = {
    N.REQUEST: "request",
    N.OFFER: "offers",
    N.ACCEPT: "events",
    N.AGREEMENT: "agreement",
    N.VERIFY: "agreement/verification",
    N.FINALIZE: "events",
    N.TERMINATE: "termination",
}
TRANSFER_PATHS = {
    T.REQUEST: "request",
    T.START: "start",
    T.SUSPEND: "suspension",
    T.COMPLETE: "completion",
    T.TERMINATE: "termination",
}


def negotiation(world: World, process: Negotiation, kind: N, content: Json) -> m.NegotiationMessage:
    """The message of this kind; `content` brings the offer, the agreement or the reason."""
    ids = _ids(process)
    back = "" if process.peer_pid else world.me.dsp
    match kind:
        case N.REQUEST:
            return m.ContractRequest(**ids, offer=message_offer(content["offer"]), callback_address=back)
        case N.OFFER:
            return m.ContractOffer(**ids, offer=message_offer(content["offer"]), callback_address=back)
        case N.AGREEMENT:
            return m.ContractAgreement(**ids, agreement=content["agreement"])
        case N.VERIFY:
            return m.AgreementVerification(**ids)
        case N.ACCEPT | N.FINALIZE:
            return m.NegotiationEvent(**ids, event_type=kind.value.rpartition(":")[2])
        case _:
            return m.NegotiationTermination(**ids, code=content.get("code", ""), reason=tuple(content.get("reason", ())))


def transfer(world: World, process: Transfer, kind: T, content: Json) -> m.TransferMessage:
    """The message of this kind; a start's data address is added when it is sent, so that no token lies in the outbox."""
    ids = _ids(process)
    match kind:
        case T.REQUEST:
            return m.TransferRequest(
                id=ids["id"], consumer_pid=process.id, agreement_id=process.agreement, format=process.format or HTTP_PULL,
                callback_address=world.me.dsp, data_address=None,
            )  # fmt: skip
        case T.START:
            return m.TransferStart(**ids, data_address=None)
        case T.COMPLETE:
            return m.TransferCompletion(**ids)
        case T.SUSPEND:
            return m.TransferSuspension(**ids, code=content.get("code", ""), reason=tuple(content.get("reason", ())))
        case _:
            return m.TransferTermination(**ids, code=content.get("code", ""), reason=tuple(content.get("reason", ())))


def negotiation_path(process: Negotiation, kind: N) -> str:
    """Below the peer's address; an opening has no pid in it."""
    return _path("negotiations", process, NEGOTIATION_PATHS[kind])


def transfer_path(process: Transfer, kind: T) -> str:
    """Below the peer's address; an opening has no pid in it."""
    return _path("transfers", process, TRANSFER_PATHS[kind])


def message_offer(offer: Json) -> Json:
    """An offer as a message carries it: the terms and nothing else, empty rule lists left out."""
    return {"@type": "Offer"} | {key: offer[key] for key in TERMS if offer.get(key)}


def path_id(pid: str) -> str:
    """A foreign pid as one path segment."""
    return quote(pid, safe=":-._~")


def with_address(body: str, address: Json) -> bytes:
    """A stored start message with its data address, made at the moment of sending."""
    message = json.loads(body)
    message["dataAddress"] = address
    return json.dumps(message, separators=(",", ":")).encode()


def _path(collection: str, process: Negotiation | Transfer, verb: str) -> str:
    pid = f"/{path_id(process.peer_pid)}" if process.peer_pid else ""
    return f"/{collection}{pid}/{verb}"


def _ids(process: Negotiation | Transfer) -> dict[str, Any]:
    consumer, provider = (process.id, process.peer_pid) if process.side == Side.CONSUMER else (process.peer_pid, process.id)
    return {"id": new_message_id(), "consumer_pid": consumer, "provider_pid": provider}
