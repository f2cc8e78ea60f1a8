"""Evidence for the operator: the audit chain, and single decisions with everything that led to them.

Reads only.  How an entry is linked to the one before is the store's business; the verifier is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

from connector.operate import names
from connector.operate.shapes import title
from connector.ports import Transaction, World
from connector.records import Agreement, AuditEntry, Decision, Json, Negotiation, Transfer
from connector.text import clean, utc
from policies.errors import Invalid
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.odrl import parse_policy

PAGE = 1000


async def entries(world: World, *, after: int = 0, limit: int = 100, writer: str = "") -> list[Json]:
    """Entries of the chain by number, after one; at most `limit` (1000)."""
    found = await world.store.audit(after=after, limit=max(1, min(limit, PAGE)), writer=writer)
    return [entry_json(entry) for entry in found]


async def latest(world: World, count: int) -> list[Json]:
    """The last entries of our own chain."""
    head = await _head(world)
    return await entries(world, after=max(0, head - min(count, PAGE)), limit=count)


async def verified(world: World, verify: Callable[[Iterable[AuditEntry]], Any]) -> Json:
    """Every chain, checked link by link with the store's `verify`; `holds`, how many entries, and the head of ours to keep elsewhere.

    `heads`: those of all chains by writer, where several processes share a database.
    """
    chains = await world.store.chains()
    broken = verify(chains)
    heads = {entry.writer: entry for entry in chains}
    ours = await world.store.audit(limit=1)
    head = heads[ours[0].writer] if ours else None
    return {
        "holds": broken is None,
        "entries": len(chains),
        "writer": head.writer if head else "",
        "head": head.hash if head else "",
        "heads": {writer: entry.hash for writer, entry in heads.items()},
        "at": utc(head.at) if head else "",
        "break": {} if broken is None else {"writer": broken.writer, "seq": broken.seq, "why": broken.why},
    }


async def explain(world: World, text: str, *, replay: bool = False) -> Json:
    """A decision with its policy, facts, reasons and evaluation tree; with `replay` evaluated again, which must agree."""
    async with world.store.transaction() as tx:
        found = await names.decision(tx, text)
        known = await names.peer_name(tx, found.peer)
        process = await _process(tx, found.about)
    shown = decision_json(found) | {"peer_name": known, "process": process}
    return shown | {"replay": repeat(found)} if replay else shown


async def _process(tx: Transaction, about: str) -> Json:
    """The process that a decision was about: ours and the peer's id, and which view; empty when it is gone."""
    kind, _, id = about.partition(" ")
    found: Negotiation | Transfer | None = await tx.get(Negotiation, id) if kind == "negotiation" else await tx.get(Transfer, id)
    if found is None:
        return {}
    told: Negotiation | Agreement | None = found if isinstance(found, Negotiation) else await tx.get(Agreement, found.agreement)
    return {"kind": kind, "id": id, "peer_pid": clean(found.peer_pid, 200), "title": title(told.dataset, told.view) if told else ""}


def repeat(decided: Decision) -> Json:
    """The stored policy evaluated against the stored facts at the stored time: `same` is false when outcome or code differ."""
    if not decided.policy:
        return {"possible": False, "why": "no policy was asked: the answer follows from ids, grant and state alone"}
    try:
        verdict = evaluate(parse_policy(decided.policy), Facts.from_json(decided.facts), decided.at, decided.agreed)
    except Invalid as error:
        same = (decided.outcome, decided.code) == ("no", "policy.unreadable")
        return {"possible": True, "outcome": "no", "code": "policy.unreadable", "same": same, "reasons": [error.what]}
    return {
        "possible": True,
        "outcome": str(verdict.outcome),
        "code": verdict.code,
        "same": (str(verdict.outcome), verdict.code) == (decided.outcome, decided.code),
        "reasons": [reason.text for reason in verdict.reasons],
    }


def entry_json(entry: AuditEntry) -> Json:
    """An entry whole, so that a file of them can be verified elsewhere: `at` keeps its microseconds."""
    return {
        "writer": entry.writer,
        "seq": entry.seq,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "event": entry.event,
        "subject": entry.subject,
        "data": entry.data,
        "prev": entry.prev,
        "hash": entry.hash,
    }


def decision_json(decided: Decision) -> Json:
    return {
        "id": decided.id,
        "at": utc(decided.at),
        "about": decided.about,
        "peer": decided.peer,
        "question": decided.question,
        "outcome": decided.outcome,
        "code": decided.code,
        "reasons": list(decided.reasons),
        "policy": decided.policy,
        "facts": decided.facts,
        "tree": decided.tree,
    }


async def _head(world: World) -> int:
    """The number of the newest entry: numbers have no holes, so that it can be searched by halving."""
    low, high = 0, 1
    while await world.store.audit(after=high - 1, limit=1):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if await world.store.audit(after=middle - 1, limit=1):
            low = middle
        else:
            high = middle
    return low
