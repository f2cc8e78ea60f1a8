"""Contract negotiation, DSP 2025-1: every legal step, who may take it, where it leads."""

from __future__ import annotations

from enum import StrEnum

from .machine import Machine, Side, Table, Weight

C, P = Side.CONSUMER, Side.PROVIDER


class State(StrEnum):
    REQUESTED, OFFERED, ACCEPTED, AGREED, VERIFIED, FINALIZED, TERMINATED = (
        "REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED")  # fmt: skip


class Message(StrEnum):
    REQUEST = "ContractRequestMessage"
    OFFER = "ContractOfferMessage"
    ACCEPT = "ContractNegotiationEventMessage:ACCEPTED"
    AGREEMENT = "ContractAgreementMessage"
    VERIFY = "ContractAgreementVerificationMessage"
    FINALIZE = "ContractNegotiationEventMessage:FINALIZED"
    TERMINATE = "ContractNegotiationTerminationMessage"


S, M = State, Message
FINAL = frozenset({S.FINALIZED, S.TERMINATED})

STEPS: Table = {
    (None,        C, M.REQUEST):   S.REQUESTED,
    (None,        P, M.OFFER):     S.OFFERED,
    (S.REQUESTED, P, M.OFFER):     S.OFFERED,
    (S.REQUESTED, P, M.AGREEMENT): S.AGREED,
    (S.OFFERED,   C, M.REQUEST):   S.REQUESTED,
    (S.OFFERED,   C, M.ACCEPT):    S.ACCEPTED,
    (S.ACCEPTED,  P, M.AGREEMENT): S.AGREED,
    (S.AGREED,    C, M.VERIFY):    S.VERIFIED,
    (S.VERIFIED,  P, M.FINALIZE):  S.FINALIZED,
}  # fmt: skip
# The text lets either side end "at any state"; the figure omits three of these.  We accept what the text allows.
ENDINGS: Table = {(s, who, M.TERMINATE): S.TERMINATED for s in S if s not in FINAL for who in Side}

NEGOTIATION = Machine(
    table={**STEPS, **ENDINGS},
    weight={**dict.fromkeys(M, Weight.STEP), M.FINALIZE: Weight.FINISH, M.TERMINATE: Weight.END},
)
