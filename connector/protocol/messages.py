"""The messages of DSP 2025-1 as frozen data, one class per `@type`.

An attribute is the JSON name in snake case (`consumer_pid` is `consumerPid`, `id` is `@id`).  Absent is "", () or None.
`kind` is the message's name in the machine's table, `type` its `@type`.  Offers, agreements and data addresses stay the
plain JSON that DSP defines; whoever judges them parses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from . import negotiation, transfer
from .plain import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRequest:
    type: ClassVar[str] = "CatalogRequestMessage"
    id: str = ""
    filter: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRequest:
    """Opening (callback_address, no provider_pid) or counter-request (provider_pid, no callback_address)."""

    type: ClassVar[str] = "ContractRequestMessage"
    kind: ClassVar[negotiation.Message] = negotiation.Message.REQUEST
    id: str = ""
    consumer_pid: str
    provider_pid: str = ""
    offer: Json
    callback_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractOffer:
    """Opening (callback_address, no consumer_pid) or answer to a request (consumer_pid, no callback_address)."""

    type: ClassVar[str] = "ContractOfferMessage"
    kind: ClassVar[negotiation.Message] = negotiation.Message.OFFER
    id: str = ""
    provider_pid: str
    consumer_pid: str = ""
    offer: Json
    callback_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAgreement:
    type: ClassVar[str] = "ContractAgreementMessage"
    kind: ClassVar[negotiation.Message] = negotiation.Message.AGREEMENT
    id: str = ""
    provider_pid: str
    consumer_pid: str
    agreement: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementVerification:
    type: ClassVar[str] = "ContractAgreementVerificationMessage"
    kind: ClassVar[negotiation.Message] = negotiation.Message.VERIFY
    id: str = ""
    provider_pid: str
    consumer_pid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiationEvent:
    type: ClassVar[str] = "ContractNegotiationEventMessage"
    id: str = ""
    provider_pid: str
    consumer_pid: str
    event_type: str  # ACCEPTED (by the consumer) | FINALIZED (by the provider)

    @property
    def kind(self) -> negotiation.Message:
        return negotiation.Message(f"{self.type}:{self.event_type}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiationTermination:
    type: ClassVar[str] = "ContractNegotiationTerminationMessage"
    kind: ClassVar[negotiation.Message] = negotiation.Message.TERMINATE
    id: str = ""
    provider_pid: str
    consumer_pid: str
    code: str = ""
    reason: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiationAck:
    type: ClassVar[str] = "ContractNegotiation"
    consumer_pid: str
    provider_pid: str
    state: str  # a negotiation.State


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequest:
    type: ClassVar[str] = "TransferRequestMessage"
    kind: ClassVar[transfer.Message] = transfer.Message.REQUEST
    id: str = ""
    consumer_pid: str
    agreement_id: str
    format: str
    callback_address: str
    data_address: Json | None = None  # push only


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStart:
    type: ClassVar[str] = "TransferStartMessage"
    kind: ClassVar[transfer.Message] = transfer.Message.START
    id: str = ""
    provider_pid: str
    consumer_pid: str
    data_address: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCompletion:
    type: ClassVar[str] = "TransferCompletionMessage"
    kind: ClassVar[transfer.Message] = transfer.Message.COMPLETE
    id: str = ""
    provider_pid: str
    consumer_pid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSuspension:
    type: ClassVar[str] = "TransferSuspensionMessage"
    kind: ClassVar[transfer.Message] = transfer.Message.SUSPEND
    id: str = ""
    provider_pid: str
    consumer_pid: str
    code: str = ""
    reason: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTermination:
    type: ClassVar[str] = "TransferTerminationMessage"
    kind: ClassVar[transfer.Message] = transfer.Message.TERMINATE
    id: str = ""
    provider_pid: str
    consumer_pid: str
    code: str = ""
    reason: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAck:
    type: ClassVar[str] = "TransferProcess"
    consumer_pid: str
    provider_pid: str
    state: str  # a transfer.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One entry of a peer's version metadata."""

    version: str
    path: str  # below the address the metadata was read from
    binding: str = ""
    service_id: str = ""
    identifier_type: str = ""
    auth: Json | None = None


NegotiationMessage = ContractRequest | ContractOffer | ContractAgreement | AgreementVerification | NegotiationEvent | NegotiationTermination
TransferMessage = TransferRequest | TransferStart | TransferCompletion | TransferSuspension | TransferTermination
Ack = NegotiationAck | TransferAck
Message = CatalogRequest | NegotiationMessage | TransferMessage
