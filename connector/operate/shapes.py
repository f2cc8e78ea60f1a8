"""Conversations as the operator reads them: plain JSON with stable keys, and a peer's refusal as an error.

Text that a peer wrote is cleaned here, so that neither a terminal nor a log has to think of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from catalog.asset import split_view_asset_id
from connector.errors import PeerRefused, PeerUnreachable
from connector.exchange.whole import WHOLE
from connector.records import Agreement, Json, Negotiation, Step, Transfer
from connector.text import clean, short, utc
from policies.errors import Invalid
from policies.odrl import atoms, parse_policy
from policies.operands import ROLE
from policies.words import in_words

_DECISION = re.compile(r"decision (d-[0-9a-z]{1,40})")
UNREACHABLE = "peer.unreachable"
OURS = ("operator.", "offer.declined", "request.declined", "agreement.differs", "peer.address")  # codes of endings that we decide


def negotiation_json(process: Negotiation, peer: str) -> Json:
    """`peer` is our name for the other side."""
    return {
        "id": process.id,
        "side": process.side,
        "peer": peer,
        "peer_id": process.peer,
        "peer_pid": clean(process.peer_pid, 200),
        "state": process.place.state or "OPENING",
        "dataset": process.dataset,
        "title": title(process.dataset, process.view),
        "view": process.view,
        "terms": words(process.offer),
        "purpose": list(process.purpose),
        "waits_for": process.waits_for,
        "why_waiting": [clean(why) for why in process.why_waiting],
        "agreement": str(process.agreement.get("@id", "")),
        "code": clean(process.place.code, 120),
        "reason": [clean(text) for text in process.place.reason],
        "by": process.place.by,
        "decision": process.decision,
        "opened": utc(process.opened),
        "changed": utc(process.changed),
        "seconds": (process.changed - process.opened).total_seconds(),
    }


def agreement_json(agreement: Agreement, peer: str, now: datetime) -> Json:
    return {
        "id": agreement.id,
        "side": agreement.side,
        "peer": peer,
        "peer_id": agreement.peer,
        "state": "RETIRED" if agreement.retired else agreement.state,
        "dataset": agreement.dataset,
        "title": title(agreement.dataset, agreement.view),
        "view": agreement.view,
        "scope": agreement.scope,
        "terms": words(agreement.policy),
        "purpose": list(agreement.purpose),
        "signed": utc(agreement.signed),
        "age_seconds": (now - agreement.signed).total_seconds(),
        "negotiation": agreement.negotiation,
        "assigner": agreement.assigner,
        "assignee": agreement.assignee,
        "retired": utc(agreement.retired) if agreement.retired else "",
        "retired_by": agreement.retired_by,
        "retired_why": clean(agreement.retired_why),
    }


def transfer_json(process: Transfer, peer: str) -> Json:
    return {
        "id": process.id,
        "side": process.side,
        "peer": peer,
        "peer_id": process.peer,
        "peer_pid": clean(process.peer_pid, 200),
        "state": process.place.state or "OPENING",
        "agreement": process.agreement,
        "format": process.format,
        "generation": process.generation,
        "suspended_by": process.suspended_by,
        "code": clean(process.place.code, 120),
        "reason": [clean(text) for text in process.place.reason],
        "by": process.place.by,
        "decision": process.decision,
        "opened": utc(process.opened),
        "changed": utc(process.changed),
    }


def step_json(step: Step, opened: datetime) -> Json:
    """One line of a timeline; `seconds` counts from the opening, `reason` is the sender's own text."""
    return {
        "at": utc(step.at),
        "seconds": (step.at - opened).total_seconds(),
        "direction": step.direction,
        "message": step.message,
        "state": step.state,
        "size": step.size,
        "code": clean(step.code, 120),
        "reason": [clean(text) for text in step.reason],
        "decision": step.decision,
    }


def words(policy: Json) -> str:
    """Terms in plain words; terms that cannot be read say so."""
    try:
        return in_words(parse_policy(rules(policy)))
    except Invalid as error:
        return clean(f"cannot be read: {error.what}", 200)


def rules(policy: Json) -> Json:
    """The terms of an offer or agreement without its ids."""
    return {key: policy[key] for key in ("permission", "prohibition", "obligation") if policy.get(key)}


def title(dataset: str, view: str = "") -> str:
    """A dataset as people call it: `dismantling · model EV-72`; a plain asset is marked as one."""
    split = split_view_asset_id(dataset)
    if split is None:
        return f"{clean(view or dataset, 120)} · {WHOLE}"
    kind, _, name = split[0].partition(".")
    return clean(f"{view or 'view'} · {kind} {name}", 120)


def refused(process: Negotiation | Transfer, peer: str, what: str) -> PeerRefused | PeerUnreachable:
    """A process that ended as the error it stands for: who said no, in whose words; or that nobody answered."""
    verb = "contract" if isinstance(process, Negotiation) else "transfer"
    look = f"saltbridge {verb} timeline {short(process.id)}"
    if process.place.code == UNREACHABLE:
        return PeerUnreachable(f"{peer} could not be reached.", clean("; ".join(process.place.reason), 300), look)
    texts, decision = [clean(text) for text in process.place.reason], ""
    if texts and (numbered := _DECISION.fullmatch(texts[-1])):
        decision = numbered.group(1)
        texts.pop()
    whys, next = _split(texts, structured="." in process.place.code)
    # A message that the peer answered with an error ends here, "by us", in the peer's words.
    ours = process.place.by == "us" and process.place.code.startswith(OURS)
    wanted = "" if ours or not process.place.code.startswith("policy.constraint") else _claim_wanted(process)
    if wanted:
        next = f"ask {peer} to vouch (--claim {wanted}); other views: saltbridge catalog {peer}"
    return PeerRefused(
        what,
        whys[0] if whys else "It gave no reason.",
        next or look,
        code=clean(process.place.code, 120) or "peer.refused",
        decision=decision or (process.decision if ours else ""),
        details=whys[1:],
        by="this node" if ours else peer,
        process_kind="negotiation" if isinstance(process, Negotiation) else "transfer",
        process=process.id,
    )


def _split(texts: Sequence[str], *, structured: bool) -> tuple[Sequence[str], str]:
    """(why, next): a Saltbridge peer writes what, why, next and its decision in this order; others write reasons only."""
    if structured and len(texts) >= 3:
        return texts[1:-1], texts[-1]
    return texts, ""


def _claim_wanted(process: Negotiation | Transfer) -> str:
    """`role=recycler` where the offer asks for a role: what the provider would have to vouch for."""
    if isinstance(process, Transfer):
        return ""
    try:
        policy = parse_policy(rules(process.offer))
    except Invalid:
        return ""
    asked = [each for rule in policy.permissions for each in atoms(rule.constraints) if each.operand == ROLE and each.values]
    return clean(f"role={asked[0].values[0]}", 100) if asked else ""
