"""Comparing terms: are they the same, are they narrower, what does a request leave as offered, which grant does it name.

`narrows` is sound, not complete: whatever facts satisfy the narrower policy satisfy the wider one (a property test holds
it to that), and a shape it does not know is "not narrower".  Ids, types, parties and targets are not terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from .imply import Memo, flat, implies, normal, understood
from .odrl import Condition, Constraint, Duty, Policy, Rule, action_of, atoms, constraints_of, spelled
from .operands import CONTRACT_REFERENCE, GRANT, PURPOSE, USAGE_PURPOSE
from .operators import SETS

P = TypeVar("P", bound=Policy)

GRANT_PREFIX = "sha-256:"


def same_terms(a: Policy, b: Policy) -> tuple[str, ...]:
    """What `b` says differently from `a`, in words; empty when they mean the same, however they are spelled."""
    if _word_by_word(a, b):
        return ()
    differences = [] if a.profile == b.profile else ["the profile differs"]
    for kind, ours, theirs in _kinds(a, b):
        if sorted(map(_key, ours)) == sorted(map(_key, theirs)):
            continue
        if len(ours) != len(theirs):
            differences.append(f"{len(theirs)} {kind}s instead of {len(ours)}")
        for n, (one, other) in enumerate(zip(ours, theirs, strict=False), 1):
            differences += [f"{kind} {n}: {text}" for text in _rule_differences(one, other)]
    return tuple(differences)


def narrows(requested: Policy, offered: Policy) -> tuple[str, ...]:
    """Why `requested` is not within `offered`; empty when every set of facts that satisfies it satisfies `offered` too.

    Prohibitions and obligations have to be the same; a permission may have stronger and further constraints.
    """
    if _word_by_word(requested, offered):
        return ()
    reasons = [] if requested.profile == offered.profile else ["the profile differs"]
    for kind, asked, given in _kinds(requested, offered)[1:]:
        if sorted(map(_key, asked)) != sorted(map(_key, given)):
            reasons.append(f"the {kind}s differ")
    for n, rule in enumerate(requested.permissions, 1):
        candidates = [_wider_than(rule, given) for given in offered.permissions]
        if not any(why == [] for why in candidates):
            reasons += [f"permission {n}: {text}" for text in (candidates or [["nothing like it was offered"]])[0]]
    return tuple(reasons)


def fill(requested: P, offered: Policy) -> P:
    """`requested` with all that it leaves open as `offered` has it: a constraint that is not mentioned is not waived.

    A constraint counts as mentioned when the request bounds the same operand from the same side.  What is mentioned
    stays as requested; whether it may is for `narrows` to say.  Id, parties and target stay the request's.
    """
    if _word_by_word(requested, offered):
        return requested
    return replace(
        requested,
        profile=requested.profile or offered.profile,
        permissions=_filled(requested.permissions, offered.permissions),
        prohibitions=requested.prohibitions or offered.prohibitions,
        obligations=requested.obligations or offered.obligations,
    )


def grants_named(policy: Policy) -> frozenset[str]:
    """Every grant the policy names, as `sha-256:<digest>`: by the grant operand, or by a Catena-X contract reference."""
    found: set[str] = set()
    for constraint in constraints_of(policy):
        operand = constraint.operand
        if operand == GRANT:
            found.update(constraint.values)
        elif operand == CONTRACT_REFERENCE:
            found.update(value for value in constraint.values if value.startswith(GRANT_PREFIX))
    return frozenset(found)


def purposes_of(policy: Policy) -> tuple[str, ...]:
    """The purposes that accepting these terms declares, in the order they stand (grants.md 9)."""
    found: dict[str, None] = {}
    for rule in policy.permissions:  # what a prohibition names is what is not done
        for constraint in atoms(rule.constraints):
            if constraint.operand in (PURPOSE, USAGE_PURPOSE) and constraint.operator not in ("neq", "isNoneOf"):
                found |= dict.fromkeys(constraint.values)
    return tuple(found)


def grant_mismatch(requested: Policy, offered: Policy) -> bool:
    """True when the request names a grant that the offer does not: refused as such, whatever else it says."""
    return bool(grants_named(requested) - grants_named(offered))


# --- differences ---------------------------------------------------------------------------------


def _word_by_word(a: Policy, b: Policy) -> bool:
    """The common case, a request for what was offered: nothing is compared term by term then."""
    rules = a.permissions == b.permissions and a.prohibitions == b.prohibitions and a.obligations == b.obligations
    return rules and a.profile == b.profile


def _kinds(a: Policy, b: Policy) -> list[tuple[str, Sequence[Rule | Duty], Sequence[Rule | Duty]]]:
    return [
        ("permission", a.permissions, b.permissions),
        ("prohibition", a.prohibitions, b.prohibitions),
        ("obligation", a.obligations, b.obligations),
    ]


def _key(rule: Rule | Duty) -> str:
    duties = sorted(map(_key, rule.duties)) if isinstance(rule, Rule) else []
    return repr((action_of(rule), sorted({repr(normal(condition)) for condition in flat(rule.constraints)}), duties))


def _rule_differences(one: Rule | Duty, other: Rule | Duty) -> list[str]:
    texts = [] if action_of(one) == action_of(other) else [f"action {other.action[:80]} instead of {one.action[:80]}"]
    ours, theirs = ({repr(normal(condition)): condition for condition in flat(rule.constraints)} for rule in (one, other))
    texts += [f"{spelled(ours[key])} is missing" for key in ours if key not in theirs]
    texts += [f"{spelled(theirs[key])} is added" for key in theirs if key not in ours]
    if isinstance(one, Rule) and isinstance(other, Rule) and sorted(map(_key, one.duties)) != sorted(map(_key, other.duties)):
        texts.append("the duties differ")
    return texts


def _wider_than(rule: Rule, offered: Rule) -> list[str]:
    """Why the offered permission does not contain the requested one."""
    if action_of(rule) != action_of(offered):
        return [f"action {rule.action[:80]} instead of {offered.action[:80]}"]
    if sorted(map(_key, rule.duties)) != sorted(map(_key, offered.duties)):
        return ["the duties differ"]
    asked, given = flat(rule.constraints), flat(offered.constraints)
    memo: Memo = {}
    lost = [
        f"{spelled(condition)} is not kept{_instead(condition, asked)}"
        for condition in given
        if not any(implies(one, condition, memo) for one in asked)
    ]
    known = {repr(normal(condition)) for condition in given}
    strange = [one for one in asked if not understood(one) and repr(normal(one)) not in known]
    return lost + [f"{spelled(one)} is not understood" for one in strange]


def _instead(condition: Condition, asked: Iterable[Condition]) -> str:
    changed = [spelled(one) for one in asked if _touches(one, condition)]
    return f" by {' and '.join(changed[:3])}" if changed else ""


# --- filling -------------------------------------------------------------------------------------


def _filled(requested: tuple[Rule, ...], offered: tuple[Rule, ...]) -> tuple[Rule, ...]:
    rules: dict[Rule, None] = {}
    for rule in requested:
        alike = [given for given in offered if action_of(given) == action_of(rule)]
        if alike and not rule.constraints and not rule.duties:
            rules.update(dict.fromkeys(alike))
            continue
        options = [_filled_rule(rule, given) for given in alike]
        within = [option for option, given in zip(options, alike, strict=True) if not _wider_than(option, given)]
        rules[(within or options or [rule])[0]] = None
    return tuple(rules) or offered


def _filled_rule(rule: Rule, offered: Rule) -> Rule:
    mine, placed = flat(rule.constraints), []
    for condition in flat(offered.constraints):
        changed = [one for one in mine if _touches(one, condition)]
        placed += [one for one in changed if one not in placed] if changed else [condition]
    placed += [one for one in mine if one not in placed]
    filled = Rule(rule.action, tuple(placed), rule.duties or offered.duties)
    return offered if _key(filled) == _key(offered) else filled


def _touches(one: Condition, other: Condition) -> bool:
    """True when both bound one operand from the same side: the one is what became of the other."""
    theirs = [(constraint.operand, _sides(constraint)) for constraint in atoms([other])]
    return any(constraint.operand == operand and _sides(constraint) & sides for constraint in atoms([one]) for operand, sides in theirs)


def _sides(constraint: Constraint) -> frozenset[str]:
    if constraint.operator in ("neq", "isNoneOf"):
        return frozenset({"out"})
    if constraint.operator in SETS:
        return frozenset({"in"})
    return {"lt": _UP, "lteq": _UP, "gt": _DOWN, "gteq": _DOWN}.get(constraint.operator, frozenset({"in"}) | _UP | _DOWN)


_UP = frozenset({"up"})
_DOWN = frozenset({"down"})
