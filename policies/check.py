"""check_text(text): what in a policy would silently never match, with the line it stands on.

A policy that parses can still be useless: an operand that nobody understands, a date without offset, a role that nobody
can have.  Such a policy is kept and never satisfied, so it has to be said when it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from .errors import Invalid
from .imply import flat
from .judge import concerns_use, confers, unknown_profiles
from .lines import lines_of
from .odrl import Condition, Constraint, Logical, Policy, Rule, parse_policy, spelled
from .operands import CX, DATE_TIME, GRANT, IN_FORCE, OPERANDS, Datatype, Operand, instant, operand, typed
from .operators import fits

_EPOCH = datetime.fromisoformat("2026-01-01T00:00:00Z")  # stands for the agreement where only the form counts


@dataclass(frozen=True, slots=True)
class Finding:
    """`line` counts from 1 (0 when the policy did not come as text); `where` is a JSON pointer."""

    line: int
    what: str
    next: str = ""
    where: str = ""


def check_text(text: str, now: datetime | None = None) -> tuple[Finding, ...]:
    """Findings in a policy (or in a PolicyDefinition with its `policy`), by line; with `now` also dates that have passed."""
    try:
        document, lines = json.loads(text, object_pairs_hook=_unique), lines_of(text)
    except json.JSONDecodeError as error:
        return (Finding(error.lineno, f"not JSON: {error.msg} (column {error.colno})", "correct the JSON"),)
    except (_Twice, RecursionError) as error:
        return (Finding(1, f"not JSON that can be read safely: {error or 'nested too deeply'}"),)
    inside = "/policy" if isinstance(document, dict) and "permission" not in document and isinstance(document.get("policy"), dict) else ""
    try:
        policy = parse_policy(document["policy"] if inside else document)
    except Invalid as error:
        return (Finding(_line(lines, inside + error.where), error.what, error.next, error.where),)
    found = [Finding(_line(lines, inside + one.where), one.what, one.next, one.where) for one in findings(policy, now)]
    return tuple(sorted(found, key=lambda one: one.line))


def findings(policy: Policy, now: datetime | None = None) -> tuple[Finding, ...]:
    """The same for a policy that was read already; lines are 0."""
    return tuple(_policy(policy, now))


def warnings(policy: Policy) -> tuple[str, ...]:
    """Findings as text, for the definition they are stored with."""
    return tuple(f"{one.where}: {one.what}" for one in findings(policy))


# --- what is looked for --------------------------------------------------------------------------


def _policy(policy: Policy, now: datetime | None) -> Iterator[Finding]:
    for profile in unknown_profiles(policy):
        yield Finding(0, f"the profile {profile[:80]} is not understood here: the policy is never satisfied", "leave it out", "/profile")
    if len(policy.permissions) > 1:
        yield Finding(0, "several permissions: here one suffices, an EDC peer demands all", "offer them one by one", "/permission/1")
    if not policy.permissions:
        yield Finding(0, "nothing is permitted: the policy is never satisfied", "add a permission", "/prohibition")
    for n, rule in enumerate(policy.permissions):
        yield from _permission(rule, f"/permission/{n}", now)
    for n, rule in enumerate(policy.prohibitions):
        if concerns_use(rule) and not rule.constraints:
            yield Finding(0, "a prohibition without constraint refuses everybody", "add a constraint", f"/prohibition/{n}")
        yield from _conditions(rule.constraints, f"/prohibition/{n}", now)
    for n, duty in enumerate(policy.obligations):
        yield from _conditions(duty.constraints, f"/obligation/{n}", None)


def _permission(rule: Rule, where: str, now: datetime | None) -> Iterator[Finding]:
    if not confers(rule):
        yield Finding(0, f"the action {rule.action[:80]} permits no use: this permission is never active", 'write "use"', f"{where}/action")
    if rule.duties:
        yield Finding(
            0, "a duty before use is never known to be done: this permission is never active", "make it an obligation", f"{where}/duty"
        )
    yield from _conditions(rule.constraints, where, now)
    yield from _windows(rule.constraints, where)


def _conditions(conditions: Sequence[Condition], where: str, now: datetime | None) -> Iterator[Finding]:
    for n, condition in enumerate(conditions):
        yield from _condition(condition, f"{where}/constraint/{n}", now)


def _condition(condition: Condition, where: str, now: datetime | None) -> Iterator[Finding]:
    if isinstance(condition, Logical):
        if condition.connective == "andSequence":
            yield Finding(0, "andSequence cannot be read by an EDC peer", "write and", f"{where}/andSequence")
        for n, member in enumerate(condition.of):
            yield from _condition(member, f"{where}/{condition.connective}/{n}", now)
        return
    row = operand(condition.left)
    if row is None:
        yield Finding(
            0,
            f"the operand {condition.left[:80]} is not understood here: never satisfied",
            _nearest(condition.left),
            f"{where}/leftOperand",
        )
        return
    if condition.operator not in row.operators:
        allowed = ", ".join(sorted(row.operators))
        yield Finding(
            0, f"{condition.operator} cannot be asked of {row.name}: never satisfied", f"use one of {allowed}", f"{where}/operator"
        )
        return
    yield from _right(condition, row, f"{where}/rightOperand", now)


def _right(condition: Constraint, row: Operand, where: str, now: datetime | None) -> Iterator[Finding]:
    values = [typed(row.datatype, text, _EPOCH) for text in condition.values]
    for text, value in zip(condition.values, values, strict=True):
        if value is None:
            yield Finding(0, f'"{text[:80]}" is not {_form(row)}: never satisfied', _example(row), where)
        elif row.values and text not in row.values:
            near = get_close_matches(text, list(row.values), 1)
            advice = f"did you mean {near[0]}?" if near else f"use one of {', '.join(row.values)}"
            yield Finding(0, f'there is no {row.name} "{text[:80]}"', advice, where)
    if None not in values and not fits(condition.operator, values):
        yield Finding(0, f"{condition.operator} takes one value: never satisfied", "use isAnyOf for a list", where)
    passed = now is not None and condition.operator in ("lt", "lteq") and [text for text in condition.values if _before(text, now)]
    if passed and row.iri in (DATE_TIME, IN_FORCE):
        yield Finding(0, f"{passed[0]} has passed: never satisfied again", "set a later date", where)


def _before(text: str, now: datetime) -> bool:
    when = instant(text)
    return when is not None and when < now


def _windows(conditions: Sequence[Condition], where: str) -> Iterator[Finding]:
    """Two bounds of one operand that leave no instant or number between them."""
    bounds = [one for one in flat(conditions) if isinstance(one, Constraint) and len(one.values) == 1]
    for low in bounds:
        for high in bounds:
            row = operand(low.left)
            if row is None or low.operand != high.operand or low.operator not in ("gt", "gteq") or high.operator not in ("lt", "lteq"):
                continue
            floor, ceiling = (typed(row.datatype, one.values[0], _EPOCH) for one in (low, high))
            if floor is not None and ceiling is not None and floor > ceiling:  # type: ignore[operator]
                yield Finding(
                    0, f"{spelled(low)} and {spelled(high)} leave nothing between: never satisfied", "turn the bounds round", where
                )


# --- wording -------------------------------------------------------------------------------------


def _form(row: Operand) -> str:
    forms = {
        Datatype.NUMBER: "a number",
        Datatype.INSTANT: "an instant with an offset",
        Datatype.PERIOD: "an instant with an offset or a period",
    }
    return forms.get(row.datatype, "text")


def _example(row: Operand) -> str:
    examples = {
        Datatype.INSTANT: "write it like 2027-12-31T23:59:59Z",
        Datatype.PERIOD: "write it like 2027-12-31T23:59:59Z or contractAgreement+30d",
    }
    return examples.get(row.datatype, "")


def _nearest(left: str) -> str:
    names = {row.name: row.iri for row in OPERANDS.values()}
    near = get_close_matches(left.rsplit("/", 1)[-1].rsplit(":", 1)[-1], list(names), 1, 0.7)
    if near:
        return f"did you mean {names[near[0]]}?"
    known = ", ".join(name for name, iri in names.items() if not iri.startswith(CX) and iri != GRANT)
    return f"operands known here: {known}, claim/<name>"


def _line(lines: dict[str, int], where: str) -> int:
    """The line of a pointer, or of the nearest thing around it (a list of one may be written without brackets)."""
    steps = where.split("/")
    for end in range(len(steps), 0, -1):
        for pointer in ("/".join(steps[:end]), "/".join(step for step in steps[:end] if not step.isdigit())):
            if pointer in lines:
                return lines[pointer]
    return 1


class _Twice(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice("a key stands twice in one object")
    return found
