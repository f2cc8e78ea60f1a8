"""What single constraints and rules come to, before anybody draws a verdict: sets of truths, and a note for each leaf.

`possible` is the semantics of a whole policy over any `Resolve`; `evaluate` gives it one that looks at facts and clock,
the guard of `catalog.publish` one that stands for a stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from .facts import Fact, Facts
from .odrl import Condition, Constraint, Logical, Policy, Rule, action_of
from .operands import DATE_TIME, GRANT, IN_FORCE, ODRL, PARTICIPANT, Enforcement, Operand, operand, short, typed
from .operators import NEVER, NO, OPEN, YES, Truth, Truths, combine, compare, fits

Resolve = Callable[[Constraint, bool], Truths]  # (constraint, does it stand in a prohibition)


def possible(policy: Policy, resolve: Resolve) -> Truths:
    """The answers (true, false) that are possible, given what each constraint may turn out to be."""
    if unknown_profiles(policy):
        return NO
    permitted = combine("or", [permitted_by(rule, resolve) for rule in policy.permissions])
    prohibited = combine("or", [prohibited_by(rule, resolve) for rule in policy.prohibitions])
    return frozenset(Truth.TRUE if yes is Truth.TRUE and no is Truth.FALSE else Truth.FALSE for yes in permitted for no in prohibited)


def unknown_profiles(policy: Policy) -> tuple[str, ...]:
    """Profiles we do not know: whoever does not know a profile must not claim to have evaluated the policy."""
    profiles = (policy.profile,) if isinstance(policy.profile, str) else policy.profile
    return tuple(profile for profile in profiles if profile and profile not in _PROFILES)


def confers(rule: Rule) -> bool:
    """True when the rule's action is what a consumer asks for: to use (Catena-X access policies: to access)."""
    return action_of(rule) in ("use", "access")


def concerns_use(prohibition: Rule) -> bool:
    """False for a prohibition of something done later with the data (to sell, to share): a promise, not a gate."""
    return action_of(prohibition) not in _LATER


# --- rules ---------------------------------------------------------------------------------------

_PROFILES = frozenset({ODRL + "core"})
_LATER = frozenset(
    {
        "aggregate",
        "annotate",
        "anonymize",
        "archive",
        "commercialize",
        "delete",
        "derive",
        "distribute",
        "give",
        "grantUse",
        "lease",
        "lend",
    }
    | {"license", "modify", "secondaryUse", "sell", "share", "sublicense", "transfer", "transform", "translate"}
)


def permitted_by(rule: Rule, resolve: Resolve) -> Truths:
    if rule.duties or not confers(rule):
        return NO
    return _collapsed(_all(rule.constraints, resolve, prohibited=False), never=Truth.FALSE)


def prohibited_by(rule: Rule, resolve: Resolve) -> Truths:
    if not concerns_use(rule):
        return NO
    return _collapsed(_all(rule.constraints, resolve, prohibited=True), never=Truth.TRUE)


def _collapsed(truths: Truths, never: Truth) -> Truths:
    return frozenset(never if truth is Truth.NEVER else truth for truth in truths)


def _all(conditions: tuple[Condition, ...], resolve: Resolve, *, prohibited: bool) -> Truths:
    return combine("and", [truths_of(condition, resolve, prohibited=prohibited) for condition in conditions])


def truths_of(condition: Condition, resolve: Resolve, *, prohibited: bool) -> Truths:
    if isinstance(condition, Logical):
        return combine(condition.connective, [truths_of(member, resolve, prohibited=prohibited) for member in condition.of])
    return resolve(condition, prohibited)


# --- constraints ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    truths: Truths
    code: str = ""
    note: str = ""  # safe for the peer
    fact: Fact | None = None


Judge = Callable[[Constraint, bool], Judged]  # (constraint, does it stand in a prohibition)


def weigh(constraint: Constraint, prohibited: bool, *, facts: Facts, now: datetime, agreed: datetime) -> Judged:
    row = operand(constraint.left)
    if row is None:
        return Judged(NEVER, "policy.operand.unknown", f"{short(constraint.left)} is not understood here, so it is never satisfied")
    right = [typed(row.datatype, value, agreed) for value in constraint.values]
    if constraint.operator not in row.operators:
        return Judged(NEVER, "policy.constraint.never", f"{constraint.operator} cannot be asked of {row.name}")
    if None in right or not fits(constraint.operator, right):
        return Judged(NEVER, "policy.constraint.never", f"the right side is not {_a(row)}, so it is never satisfied")
    if row.enforcement is Enforcement.TIME:
        truth = compare(constraint.operator, [now], right)
        return Judged(frozenset({truth}), "policy.constraint.false", _time_note(constraint))
    fact = facts.get(row.iri)
    if fact is None or not fact.values or not fact.holds(now):
        return _without_fact(row, prohibited)
    left = [typed(row.datatype, value, agreed) for value in fact.values]
    truth = Truth.NEVER if None in left else compare(constraint.operator, left, right)
    if truth is Truth.NEVER:
        return Judged(NEVER, "policy.constraint.never", f"cannot be compared with what is known of your {row.name}", fact)
    return Judged(frozenset({truth}), "policy.constraint.false", _false_note(row), fact)


def _without_fact(row: Operand, prohibited: bool) -> Judged:
    if row.enforcement is Enforcement.DECLARED:
        return Judged(NO if prohibited else YES, "policy.declared", "declared, not checked")
    absent = {GRANT: "no grant is named", PARTICIPANT: "no participant is known"}
    return Judged(OPEN, "policy.constraint.unknown", absent.get(row.iri, f"no {row.name} is vouched for"))


def _false_note(row: Operand) -> str:
    different = {GRANT: "this is another grant", PARTICIPANT: "you are another participant"}
    if row.enforcement is Enforcement.DECLARED:
        return f"the {row.name} that was declared is another"
    return different.get(row.iri, f"the {row.name} vouched for is another")


def _time_note(constraint: Constraint) -> str:
    if constraint.operator in ("lt", "lteq"):
        return "that time has passed"
    return "that time has not come yet" if constraint.operator in ("gt", "gteq") else "that is not now"


def _a(row: Operand) -> str:
    one = {DATE_TIME: "one instant with an offset", IN_FORCE: "one instant with an offset or contractAgreement+<n><s|m|h|d>"}
    return one.get(row.iri, f"a single {row.datatype}")
