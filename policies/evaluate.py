"""evaluate(policy, facts, now) -> Verdict: yes, no or undecided, with the reasons and the whole tree.

Pure: no clock, no look-up, no side effect; the same facts give the same verdict, so that a decision can be replayed.

- A permission is active when all its constraints hold; one active permission suffices (ODRL).
- A prohibition that holds, or that cannot be evaluated, beats every permission.  One without constraint always holds.
- Three values (Kleene) below, collapsed at the rule: not evaluable is false in a permission and true in a prohibition.
- *Undecided* means that a fact which is missing now could make it yes.  Only yes allows anything.
- A *declared* operand (purpose) holds unless a fact contradicts it, and never triggers a prohibition by itself: it is a
  promise that nothing can check, and the reasons say so.
- An obligation decides nothing; it is handed back as a duty.  A duty *before* a permission is never met here (strict mode).

This judges offers too: "would the agreement be active?"  `agreed` is then None and periods count from now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from .facts import Facts
from .judge import Judge, Judged, Resolve, confers, permitted_by, possible, prohibited_by, truths_of, unknown_profiles, weigh
from .odrl import Condition, Constraint, Duty, Logical, Policy, Rule, atoms, render_rule, spelled
from .operators import NO, OPEN, YES, Truth, Truths

Json = dict[str, Any]


class Outcome(StrEnum):
    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause.  `text` names only what stands in the policy, and whether a fact is absent: safe to send to the peer.

    Codes: policy.constraint.false, policy.constraint.unknown (a fact is missing), policy.constraint.never (it cannot be
    evaluated: type, list, operator), policy.operand.unknown, policy.prohibited, policy.duty.open, policy.action.other,
    policy.profile.unknown, policy.default.no; in a yes: policy.declared.
    """

    code: str
    where: str
    text: str
    operand: str = ""

    @property
    def public(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


@dataclass(frozen=True, slots=True)
class Verdict:
    """`tree` is for the operator: it holds the facts' values and who vouched for them."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    duties: tuple[Duty, ...]
    tree: Json

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.YES

    @property
    def code(self) -> str:
        """The stable name of the reason that decided: in a no, one that no further fact could remove; "policy.yes" when allowed."""
        if self.allowed:
            return "policy.yes"
        final = [reason.code for reason in self.reasons if reason.code != "policy.constraint.unknown"]
        return final[0] if final and self.outcome is Outcome.NO else self.reasons[0].code


def evaluate(policy: Policy, facts: Facts, now: datetime, agreed: datetime | None = None) -> Verdict:
    """May the participant with these facts use the data now?  `now` and `agreed` are aware instants."""
    judge = _once(partial(weigh, facts=facts, now=now, agreed=agreed or now))

    def resolve(constraint: Constraint, prohibited: bool) -> Truths:
        return judge(constraint, prohibited).truths

    may = possible(policy, resolve)
    outcome = Outcome.YES if may == YES else Outcome.UNDECIDED if Truth.TRUE in may else Outcome.NO
    reasons = _declared(policy, judge) if outcome is Outcome.YES else _why_not(policy, judge, resolve)
    when = {"now": now.isoformat(), **({"agreed": agreed.isoformat()} if agreed else {})}
    return Verdict(outcome, reasons, policy.obligations, {"outcome": outcome.value, **when, **_tree(policy, judge, resolve)})


def allows(policy: Policy, facts: Facts, now: datetime, agreed: datetime | None = None) -> bool:
    """`evaluate(...).allowed`, where nobody asks why."""
    judge = partial(weigh, facts=facts, now=now, agreed=agreed or now)
    return possible(policy, lambda constraint, prohibited: judge(constraint, prohibited).truths) == YES


def _once(judge: Judge) -> Judge:
    """The same judgement, made once for each constraint: verdict, reasons and tree all ask for it."""
    known: dict[tuple[int, bool], Judged] = {}

    def judged(constraint: Constraint, prohibited: bool) -> Judged:
        key = (id(constraint), prohibited)  # the policy outlives this
        if key not in known:
            known[key] = judge(constraint, prohibited)
        return known[key]

    return judged


# --- reasons -------------------------------------------------------------------------------------


def _declared(policy: Policy, judge: Judge) -> tuple[Reason, ...]:
    return tuple(
        reason
        for r, rule in enumerate(policy.permissions, 1)
        for c, condition in enumerate(rule.constraints, 1)
        for reason in _declarations(condition, f"permission {r}, constraint {c}", judge)
    )


def _why_not(policy: Policy, judge: Judge, resolve: Resolve) -> tuple[Reason, ...]:
    profiles = [
        Reason("policy.profile.unknown", "profile", f"{profile[:80]} is not understood here, so nothing is decided under it")
        for profile in unknown_profiles(policy)
    ]
    reasons = [
        *profiles,
        *(reason for n, rule in enumerate(policy.prohibitions, 1) for reason in _prohibited(rule, f"prohibition {n}", judge, resolve)),
        *(reason for n, rule in enumerate(policy.permissions, 1) for reason in _inactive(rule, f"permission {n}", judge, resolve)),
    ]
    return tuple(reasons) or (Reason("policy.default.no", "", "no permission applies; what is not permitted is refused"),)


def _prohibited(rule: Rule, where: str, judge: Judge, resolve: Resolve) -> list[Reason]:
    held = prohibited_by(rule, resolve)
    if held == NO:
        return []
    text = " and ".join(spelled(condition) for condition in rule.constraints) or "without condition"
    if held == YES:
        return [Reason("policy.prohibited", where, f"{rule.action[:80]} is prohibited: {text}")]
    notes = {judged.note: None for leaf in atoms(rule.constraints) if (judged := judge(leaf, True)).truths == OPEN}
    return [Reason("policy.constraint.unknown", where, f"{rule.action[:80]} may be prohibited: {text} - {'; '.join(notes)}")]


def _inactive(rule: Rule, where: str, judge: Judge, resolve: Resolve) -> list[Reason]:
    if not confers(rule):
        return [Reason("policy.action.other", where, f"it permits {rule.action[:80]}, not use")]
    duties = [
        Reason("policy.duty.open", where, f"the duty {duty.action[:80]} comes first and is not known to be done") for duty in rule.duties
    ]
    return duties + [
        reason
        for n, condition in enumerate(rule.constraints, 1)
        for reason in _failing(condition, f"{where}, constraint {n}", judge, resolve)
    ]


def _failing(condition: Condition, where: str, judge: Judge, resolve: Resolve) -> list[Reason]:
    truths = truths_of(condition, resolve, prohibited=False)
    if truths == YES:
        return []
    if isinstance(condition, Constraint):
        judged = judge(condition, False)
        return [Reason(judged.code, where, f"{spelled(condition)} - {judged.note}", condition.operand)]
    if condition.connective in ("and", "andSequence"):
        return [reason for n, member in enumerate(condition.of, 1) for reason in _failing(member, f"{where}.{n}", judge, resolve)]
    notes = [
        judge(leaf, False).note
        for leaf in condition.of
        if isinstance(leaf, Constraint) and truths_of(leaf, resolve, prohibited=False) != YES
    ]
    code = "policy.constraint.unknown" if Truth.TRUE in truths else "policy.constraint.false" if truths == NO else "policy.constraint.never"
    note = "; ".join(dict.fromkeys(notes)) or ("more than one of them holds" if condition.connective == "xone" else "none of them holds")
    return [Reason(code, where, f"{spelled(condition)} - {note}")]


def _declarations(condition: Condition, where: str, judge: Judge) -> list[Reason]:
    if isinstance(condition, Logical):
        return [reason for n, member in enumerate(condition.of, 1) for reason in _declarations(member, f"{where}.{n}", judge)]
    judged = judge(condition, False)
    declared = judged.code == "policy.declared"
    return [Reason(judged.code, where, f"{spelled(condition)} - {judged.note}", condition.operand)] if declared else []


# --- the tree ------------------------------------------------------------------------------------


def _tree(policy: Policy, judge: Judge, resolve: Resolve) -> Json:
    rules = {
        "permission": [_rule_tree(rule, judge, permitted_by(rule, resolve), prohibited=False) for rule in policy.permissions],
        "prohibition": [_rule_tree(rule, judge, prohibited_by(rule, resolve), prohibited=True) for rule in policy.prohibitions],
        "obligation": [render_rule(duty) for duty in policy.obligations],
    }
    return {name: value for name, value in rules.items() if value}


def _rule_tree(rule: Rule, judge: Judge, active: Truths, *, prohibited: bool) -> Json:
    return {
        "action": rule.action,
        "active": _label(active),
        **({"duty": [render_rule(duty) for duty in rule.duties]} if rule.duties else {}),
        "constraint": [_condition_tree(condition, judge, prohibited) for condition in rule.constraints],
    }


def _condition_tree(condition: Condition, judge: Judge, prohibited: bool) -> Json:
    if isinstance(condition, Logical):
        truths = truths_of(condition, lambda constraint, _: judge(constraint, prohibited).truths, prohibited=prohibited)
        return {condition.connective: [_condition_tree(member, judge, prohibited) for member in condition.of], "truth": _label(truths)}
    judged = judge(condition, prohibited)
    json: Json = {"constraint": spelled(condition), "operand": condition.operand, "truth": _label(judged.truths)}
    if judged.truths != YES or judged.code == "policy.declared":
        json["note"] = judged.note
    if judged.fact is not None:
        json |= {"values": list(judged.fact.values), "source": judged.fact.source}
        json |= {"until": judged.fact.until.isoformat()} if judged.fact.until else {}
    return json


def _label(truths: Truths) -> str:
    return next(iter(truths)).value if len(truths) == 1 else "unknown"
