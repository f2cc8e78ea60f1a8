"""Policies in plain words: the TERMS column of a catalog, and the explanation of a verdict, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from .evaluate import evaluate
from .facts import Facts
from .imply import flat
from .odrl import Condition, Constraint, Duty, Logical, Policy, Rule, action_of, spelled
from .operands import DATE_TIME, GRANT, IN_FORCE, MEMBERSHIP, PARTICIPANT, PURPOSE, PURPOSES, ROLE, ROLES, instant, operand, period

EVERYONE = "everyone, by contract"
NO_CONTRACT = "everyone, no contract"  # what is no offer at all: what the law makes public


def in_words(policy: Policy) -> str:
    """Terms on one line: "to recyclers · for dismantling · to 2027-12-31", "to second life · 30 days", "everyone, by contract"."""
    permissions = [_permission(rule) for rule in policy.permissions]
    parts = [" or else ".join(dict.fromkeys(text or EVERYONE for text in permissions)) or "nothing is permitted"]
    parts += [_prohibition(rule) for rule in policy.prohibitions]
    parts += [_duty(duty) for duty in policy.obligations]
    return " · ".join(parts)


def explain(policy: Policy, facts: Facts, now: datetime, agreed: datetime | None = None) -> list[str]:
    """The verdict for these facts, for the operator: the outcome first, then each constraint with its value and source."""
    verdict = evaluate(policy, facts, now, agreed)
    lines = [f"{verdict.outcome}: {in_words(policy)}"]
    for kind in ("permission", "prohibition"):
        for n, rule in enumerate(verdict.tree.get(kind, []), 1):
            lines.append(f"{kind} {n}: {rule['action']} - {_active(kind, rule['active'])}")
            for c, node in enumerate(rule["constraint"], 1):
                lines += _node_lines(node, f"constraint {c}", "  ")
    lines += [f"duty {n}: {_duty(duty)}" for n, duty in enumerate(verdict.duties, 1)]
    if not verdict.allowed:
        lines += [f"why: {reason.public} ({reason.code})" for reason in verdict.reasons]
    return lines


# --- one line ------------------------------------------------------------------------------------


def _permission(rule: Rule) -> str:
    texts = [_condition(condition) for condition in _ordered(flat(rule.constraints))]
    action = action_of(rule)
    told = [] if action in ("use", "access") else [f"only to {action[:80]}"]
    return " · ".join([*told, *(text for text in texts if text), *(f"after: {_duty(duty)}" for duty in rule.duties)])


def _prohibition(rule: Rule) -> str:
    texts = [text for condition in flat(rule.constraints) if (text := _condition(condition))]
    return f"not to {action_of(rule)[:80]}" + (f" {' and '.join(texts)}" if texts else "")


def _duty(duty: Duty) -> str:
    texts = [text for condition in flat(duty.constraints) if (text := _condition(condition))]
    return " ".join(
        [f"must {action_of(duty)[:80]}", *(text.replace("to ", "by ", 1) if text.startswith("to 2") else text for text in texts)]
    )


_ORDER = (ROLE, PARTICIPANT, MEMBERSHIP, PURPOSE, IN_FORCE, DATE_TIME)


def _ordered(conditions: Sequence[Condition]) -> list[Condition]:
    """Who, what for, how long: the order in which people ask."""

    def rank(condition: Condition) -> int:
        known = isinstance(condition, Constraint) and condition.operand in _ORDER
        return _ORDER.index(condition.operand) if known and isinstance(condition, Constraint) else len(_ORDER)

    return sorted(conditions, key=rank)


def _condition(condition: Condition) -> str:
    if isinstance(condition, Logical):
        joint = {"and": " and ", "andSequence": " and then ", "or": " or ", "xone": " or else "}[condition.connective]
        texts = list(dict.fromkeys(text for member in condition.of[:16] if (text := _condition(member))))
        return _shared(texts, joint) if len(texts) > 1 else "".join(texts)
    if condition.operand == GRANT:
        return ""  # the dataset says it
    return _known(condition) or _plain(condition)


def _shared(texts: list[str], joint: str) -> str:
    """ "to recyclers or dismantlers" rather than "to recyclers or to dismantlers"."""
    first = texts[0].split(" ", 1)[0]
    if first in ("to", "for") and all(text.startswith(f"{first} ") for text in texts):
        return f"{first} " + joint.join(text.removeprefix(f"{first} ") for text in texts)
    return joint.join(texts)


def _known(constraint: Constraint) -> str:
    values, operator = constraint.values, constraint.operator
    among = operator in ("eq", "isAnyOf", "isPartOf", "isA")
    without = operator in ("neq", "isNoneOf")
    if constraint.operand in _NAMED and (among or without):
        preposition, names = _NAMED[constraint.operand]
        told = " or ".join(_printable(names.get(value, value)) for value in values[:8])
        return f"{'not ' if without else ''}{preposition} {told}"
    if constraint.operand == MEMBERSHIP and operator == "eq":
        return "to members"
    if constraint.operand == IN_FORCE and len(values) == 1 and period(values[0]) is not None:
        return _lasting(operator, period(values[0]) or timedelta())
    if constraint.operand in (DATE_TIME, IN_FORCE) and len(values) == 1:
        return _dated(operator, values[0])
    return ""


_NAMED = {ROLE: ("to", ROLES), PARTICIPANT: ("to", {}), PURPOSE: ("for", PURPOSES)}


def _dated(operator: str, text: str) -> str:
    when = instant(text)
    word = {"lt": "before", "lteq": "to", "gt": "after", "gteq": "from"}.get(operator)
    if when is None or word is None:
        return ""
    closing, opening = (when.hour, when.minute, when.second) == (23, 59, 59), when.time() == when.time().min
    day = (word == "to" and closing) or (word in ("from", "before") and opening)
    return f"{word} {when:%Y-%m-%d}" if day else f"{word} {when:%Y-%m-%d %H:%M}Z"


def _lasting(operator: str, span: timedelta) -> str:
    told = _span(span)
    return {"lt": told, "lteq": told, "gt": f"{told} after signing", "gteq": f"{told} after signing"}.get(operator, "")


def _span(span: timedelta) -> str:
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count, rest = divmod(int(span.total_seconds()), unit)
        if count and not rest:
            return f"{count} {name}" + ("" if count == 1 else "s")
    return f"{int(span.total_seconds())} seconds"


def _plain(constraint: Constraint) -> str:
    return spelled(constraint) + ("" if operand(constraint.left) else " (not understood here)")


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])


# --- explaining ----------------------------------------------------------------------------------


def _active(kind: str, active: str) -> str:
    words = {"permission": {"true": "holds", "false": "does not hold"}, "prohibition": {"true": "forbids", "false": "does not apply"}}
    return words[kind].get(active, "depends on a missing fact")


def _node_lines(node: dict[str, object], where: str, indent: str) -> list[str]:
    if "constraint" in node:
        values = node.get("values")
        known = f" · known: {', '.join(map(str, values))}" if isinstance(values, list) else ""
        source = f" ({node['source']})" if node.get("source") else ""
        note = f" · {node['note']}" if node.get("note") else ""
        return [f"{indent}{where}: {node['constraint']} = {node['truth']}{known}{source}{note}"]
    connective = next(key for key in node if key != "truth")
    members = node[connective]
    lines = [f"{indent}{where}: {connective} = {node['truth']}"]
    for n, member in enumerate(members if isinstance(members, list) else [], 1):
        lines += _node_lines(member, f"{where}.{n}", indent + "  ")
    return lines
