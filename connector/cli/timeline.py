"""A conversation as a table: every message with time, direction, state and size, and the reasons of both sides."""

from __future__ import annotations

from typing import Any

from connector.text import duration, local, short, size

from . import table
from .table import Column

_SHORTER = {
    "ContractRequestMessage": "request",
    "ContractOfferMessage": "offer",
    "ContractNegotiationEventMessage:ACCEPTED": "accepted",
    "ContractNegotiationEventMessage:FINALIZED": "finalized",
    "ContractAgreementMessage": "agreement",
    "ContractAgreementVerificationMessage": "verification",
    "ContractNegotiationTerminationMessage": "termination",
    "TransferRequestMessage": "request",
    "TransferStartMessage": "start",
    "TransferSuspensionMessage": "suspension",
    "TransferCompletionMessage": "completion",
    "TransferTerminationMessage": "termination",
}

COLUMNS = (
    Column("at", "TIME", local),
    Column("seconds", "AFTER", lambda value: duration(float(value)), right=True),
    Column("way", "WHO"),
    Column("message", "MESSAGE", lambda value: _SHORTER.get(str(value), str(value))),
    Column("state", "STATE"),
    Column("size", "SIZE", lambda value: size(int(value)) if value else "-", right=True),
    Column("why", "REASON"),
)


def show(told: dict[str, Any], *, json: bool) -> None:
    """Print a timeline as the operator API tells it."""
    if json:
        table.print_json(told)
        return
    peer = told["peer"]
    who = {"out": f"you ▸ {peer}", "in": f"{peer} ▸ you", "here": "here"}
    rows = [step | {"way": who.get(step["direction"], step["direction"]), "why": _why(step)} for step in told["steps"]]
    heading = " · ".join(text for text in (f"{told['kind']} {short(told['id'])}", peer, told.get("title", ""), told["state"]) if text)
    table.table(rows, COLUMNS, title=heading, empty="nothing was said yet")
    for letter in told["waiting"]:
        error = f": {letter['error']}" if letter["error"] else ""
        table.note(f"waits to be sent: {_SHORTER.get(letter['message'], letter['message'])}, {letter['attempts']} attempts{error}")
    if told["decision"]:
        table.note(f"why it was decided here: saltbridge explain {told['decision']}")


def _why(step: dict[str, Any]) -> str:
    return " · ".join(text for text in (step["code"], *step["reason"]) if text)
