"""Transfer process, DSP 2025-1: every legal step, who may take it, where it leads."""

from __future__ import annotations

from enum import StrEnum

from .machine import Machine, Side, Table, Weight

C, P = Side.CONSUMER, Side.PROVIDER


class State(StrEnum):
    REQUESTED, STARTED, SUSPENDED, COMPLETED, TERMINATED = (
        "REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED")  # fmt: skip


class Message(StrEnum):
    REQUEST = "TransferRequestMessage"
    START = "TransferStartMessage"
    SUSPEND = "TransferSuspensionMessage"
    COMPLETE = "TransferCompletionMessage"
    TERMINATE = "TransferTerminationMessage"


S, M = State, Message
FINAL = frozenset({S.COMPLETED, S.TERMINATED})

STEPS: Table = {
    (None,        C, M.REQUEST):  S.REQUESTED,
    (S.REQUESTED, P, M.START):    S.STARTED,
    (S.STARTED,   C, M.SUSPEND):  S.SUSPENDED,
    (S.STARTED,   P, M.SUSPEND):  S.SUSPENDED,
    (S.STARTED,   C, M.COMPLETE): S.COMPLETED,
    (S.STARTED,   P, M.COMPLETE): S.COMPLETED,
    (S.STARTED,   P, M.START):    S.STARTED,  # a fresh data address
    (S.SUSPENDED, C, M.START):    S.STARTED,
    (S.SUSPENDED, P, M.START):    S.STARTED,
}  # fmt: skip
ENDINGS: Table = {(s, who, M.TERMINATE): S.TERMINATED for s in S if s not in FINAL for who in Side}

TRANSFER = Machine(
    table={**STEPS, **ENDINGS},
    weight={**dict.fromkeys(M, Weight.STEP), M.COMPLETE: Weight.FINISH, M.TERMINATE: Weight.END},
)
