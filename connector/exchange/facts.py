"""What is known of a participant at one instant, gathered for one evaluation.

The identity adapter says who calls and what is vouched for; this adds what the question itself brings: which grant
the dataset carries.  Nothing is remembered here.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from connector.canonical import canonical
from connector.ports import Caller, Transaction, World, new_decision_id
from connector.records import Decision, Json, Note
from policies.errors import Invalid
from policies.evaluate import Outcome, Reason, Verdict, allows, evaluate
from policies.facts import Facts
from policies.odrl import parse_policy
from policies.operands import GRANT, PARTICIPANT


def gather(caller: Caller, *, grant: str = "") -> Facts:
    """Facts about a caller for a dataset with this grant digest.

    Purposes are no facts: whoever accepts terms declares those that stand in them, and nothing can contradict it.
    """
    facts = caller.facts.with_fact(PARTICIPANT, caller.participant, source="authenticated")
    if grant:
        facts = facts.with_fact(GRANT, f"sha-256:{grant}", source="the dataset")
    return facts


def judge(policy: Json, facts: Facts, now: datetime, agreed: datetime | None = None) -> Verdict:
    """Evaluate stored or received terms; terms that cannot be read are a no."""
    try:
        return evaluate(parse_policy(policy), facts, now, agreed)
    except Invalid as error:
        reason = Reason(code="policy.unreadable", where=error.where, text=error.what, operand="")
        return Verdict(outcome=Outcome.NO, reasons=(reason,), duties=(), tree={"unreadable": error.what, "where": error.where})


def allowed(policy: Json, facts: Facts, now: datetime, agreed: datetime | None = None) -> bool:
    """`judge(...).allowed`, where nobody asks why."""
    try:
        return allows(parse_policy(policy), facts, now, agreed)
    except Invalid:
        return False


def decision(
    world: World, about: str, peer: str, question: str, policy: Json, facts: Facts, verdict: Verdict, agreed: datetime | None = None
) -> Decision:
    """The evidence of one evaluation, with the facts by value so that it can be repeated."""
    reasons = tuple(f"{reason.where}: {reason.text}" if reason.where else reason.text for reason in verdict.reasons)
    return Decision(
        id=new_decision_id(),
        at=world.clock.now(),
        about=about,
        peer=peer,
        question=question,
        outcome=str(verdict.outcome),
        code=verdict.code,
        reasons=reasons,
        policy=policy,
        facts=facts.to_json(),
        tree=verdict.tree,
        agreed=agreed,
    )


def refusal(world: World, about: str, peer: str, question: str, code: str, *reasons: str) -> Decision:
    """The evidence of a refusal that no policy was asked about: a path, a grant, a scope."""
    return Decision(
        id=new_decision_id(),
        at=world.clock.now(),
        about=about,
        peer=peer,
        question=question,
        outcome="no",
        code=code,
        reasons=reasons,
    )


def file(tx: Transaction, decided: Decision) -> Decision:
    """Keep a decision and chain its digests (never its facts)."""
    def digest(value: Json) -> str:
        return hashlib.sha256(canonical(value)).hexdigest()

    stored = tx.put(decided)
    tx.note(
        Note(
            event="decision",
            subject=decided.id,
            data={
                "about": decided.about,
                "peer": decided.peer,
                "question": decided.question,
                "outcome": decided.outcome,
                "code": decided.code,
                "policy": digest(decided.policy),
                "facts": digest(decided.facts),
            },
        )
    )
    return stored
