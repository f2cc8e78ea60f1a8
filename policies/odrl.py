"""Offer, Agreement, Rule, Constraint, Duty as frozen data: read from JSON, written back as DSP 2025-1 wants it.

Reading fails closed.  A term that ODRL knows and DSP does not (`refinement`, `conflict`, a rule's `target` ...) vanishes
in JSON-LD, and a restriction that nobody sees widens a permission: a policy with one is refused, and so is any unknown
term inside a rule.  Left operands that we do not understand are read, kept and never satisfied.  Spelling is kept as
written, so that a policy can be echoed to a peer that compares it; compare policies by `terms`, not by `==`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from .errors import Invalid
from .operands import CX, INTEGERS, ODRL, canonical, instant, short
from .operators import CONNECTIVES, OPERATORS

Json = dict[str, Any]

MAX_CONSTRAINTS = 500  # in one policy
MAX_DEPTH = 16  # of nested connectives
REMEMBERED = 8192  # bytes: longer policies are read each time, so that a peer cannot fill the memory with them
_APART = frozenset({"@id", "@type", "target", "assigner", "assignee", "timestamp"})  # of a policy, no part of its terms
_PLAIN = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


@dataclass(frozen=True, slots=True)
class Constraint:
    """`left operator right`, as written; `operand` is the one IRI, `values` the right side as a list."""

    left: str
    operator: str
    right: str | tuple[str, ...]

    @property
    def operand(self) -> str:
        return canonical(self.left)

    @property
    def values(self) -> tuple[str, ...]:
        return (self.right,) if isinstance(self.right, str) else self.right


@dataclass(frozen=True, slots=True)
class Logical:
    """`and`, `or`, `xone` or `andSequence` over at least one constraint."""

    connective: str
    of: tuple[Constraint | Logical, ...]


Condition = Constraint | Logical


@dataclass(frozen=True, slots=True)
class Duty:
    action: str
    constraints: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A permission or a prohibition: the action, under all of these constraints; `duties` come before a permission."""

    action: str
    constraints: tuple[Condition, ...] = ()
    duties: tuple[Duty, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Terms: rules without parties or target."""

    id: str = ""
    profile: str | tuple[str, ...] = ""
    permissions: tuple[Rule, ...] = ()
    prohibitions: tuple[Rule, ...] = ()
    obligations: tuple[Duty, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Policy):
    """An offer in a catalog (no target there) or in a message."""

    target: str = ""
    assigner: str = ""
    assignee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement(Policy):
    target: str
    assigner: str
    assignee: str
    timestamp: str = ""

    @property
    def agreed(self) -> datetime | None:
        """When it was agreed, from where periods count; None when the peer did not say."""
        return instant(self.timestamp)


def parse_policy(json: Any, where: str = "") -> Policy:
    """Rules of any policy, with or without ids and types; raises Invalid with a JSON pointer below `where`.

    A policy read before is not read again: what was read is frozen, and the same text always reads the same.
    """
    id = json.get("@id", "") if type(json) is dict else None
    try:
        text = orjson.dumps({key: json[key] for key in json if key not in _APART}, option=_PLAIN) if type(id) is str else b""
    except TypeError:  # no plain JSON: reading it says where
        text = b""
    if where or not 0 < len(text) <= REMEMBERED:
        return Policy(**_terms(_object(json, where), where))
    return replace(_parsed(text), id=id) if id else _parsed(text)


@lru_cache(maxsize=512)
def _parsed(text: bytes) -> Policy:
    return Policy(**_terms(_object(orjson.loads(text), ""), ""))


def parse_offer(json: Any, where: str = "offer") -> Offer:
    """An Offer with its `@id`; `target` and parties when they are there."""
    fields = _typed(json, "Offer", where)
    parties: Json = {name: _text(fields, name, where) for name in ("target", "assigner", "assignee")}
    return Offer(**_named(fields, where), **parties)


def parse_agreement(json: Any, where: str = "agreement") -> Agreement:
    """An Agreement with `@id`, target and both parties."""
    fields = _typed(json, "Agreement", where)
    parties: Json = {name: _text(fields, name, where, needed=True) for name in ("target", "assigner", "assignee")}
    timestamp = _text(fields, "timestamp", where)
    if timestamp and instant(timestamp) is None:
        raise Invalid(f"{where}/timestamp", "not an instant with an offset", "write it like 2026-11-24T09:00:00Z")
    return Agreement(**_named(fields, where), **parties, timestamp=timestamp)


def render(policy: Policy) -> Json:
    """The policy as DSP 2025-1 wants it: arrays of rules and constraints, nothing empty, text on the right."""
    json: Json = {}
    if policy.id:
        json["@id"] = policy.id
    if isinstance(policy, Offer | Agreement):
        json["@type"] = type(policy).__name__
        json |= {name: getattr(policy, name) for name in ("target", "assigner", "assignee") if getattr(policy, name)}
    if isinstance(policy, Agreement) and policy.timestamp:
        json["timestamp"] = policy.timestamp
    if policy.profile:
        json["profile"] = policy.profile if isinstance(policy.profile, str) else list(policy.profile)
    rules = {
        "permission": [render_rule(rule) for rule in policy.permissions],
        "prohibition": [render_rule(rule) for rule in policy.prohibitions],
        "obligation": [render_rule(duty) for duty in policy.obligations],
    }
    return json | {name: value for name, value in rules.items() if value}


def render_rule(rule: Rule | Duty) -> Json:
    json: Json = {"action": rule.action}
    if rule.constraints:
        json["constraint"] = [render_condition(condition) for condition in rule.constraints]
    if isinstance(rule, Rule) and rule.duties:
        json["duty"] = [render_rule(duty) for duty in rule.duties]
    return json


def render_condition(condition: Condition) -> Json:
    if isinstance(condition, Logical):
        return {condition.connective: [render_condition(member) for member in condition.of]}
    right = condition.right if isinstance(condition.right, str) else list(condition.right)
    return {"leftOperand": condition.left, "operator": condition.operator, "rightOperand": right}


def spelled(condition: Condition) -> str:
    """The condition as one line of at most 200 characters: `role isAnyOf recycler`, `(a eq b or c lt d)`."""
    if isinstance(condition, Logical):
        line = "(" + f" {condition.connective} ".join(spelled(member) for member in condition.of[:8]) + ")"
    else:
        right = condition.right if isinstance(condition.right, str) else "[" + ", ".join(condition.right[:16]) + "]"
        line = f"{short(condition.left)} {condition.operator} {right}"
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line if len(line) <= 200 else line[:197] + "..."


def action_of(rule: Rule | Duty) -> str:
    """The action without its prefix: `use` for use, odrl:use and the full IRI."""
    for prefix in ("odrl:", ODRL, "cx-policy:", CX):
        if rule.action.startswith(prefix):
            return rule.action.removeprefix(prefix)
    return rule.action


def atoms(conditions: Sequence[Condition]) -> Iterator[Constraint]:
    """Every constraint below these conditions, in order."""
    for condition in conditions:
        if isinstance(condition, Logical):
            yield from atoms(condition.of)
        else:
            yield condition


def constraints_of(policy: Policy) -> Iterator[Constraint]:
    """Every constraint of every rule and duty."""
    for rule in (*policy.permissions, *policy.prohibitions):
        yield from atoms(rule.constraints)
        for duty in rule.duties:
            yield from atoms(duty.constraints)
    for duty in policy.obligations:
        yield from atoms(duty.constraints)


def operands_of(policy: Policy) -> frozenset[str]:
    """The canonical IRIs of all left operands: what a consumer has to know before it accepts by itself."""
    return frozenset(constraint.operand for constraint in constraints_of(policy))


# --- reading -------------------------------------------------------------------------------------

_RULES = ("permission", "prohibition", "obligation")
_RULE_TERMS = {"action", "constraint", "duty", "uid"}
_DUTY_TERMS = {"action", "constraint", "uid"}
_POLICY_REFUSED = {
    "conflict",
    "inheritFrom",
    "refinement",
    "constraint",
    "constraints",
    "permissions",
    "prohibitions",
    "obligations",
    "duty",
}


def _terms(fields: Mapping[str, Any], where: str) -> Json:
    prefixed = {_local(key) for key in fields if _local(key) != key and _local(key) in _RULES}
    for name in sorted((_POLICY_REFUSED & {_local(key) for key in fields}) | prefixed):
        raise Invalid(
            f"{where}/{name}",
            f"{name} of a policy is not understood here and must not be lost",
            "put what it says into constraints of its rules",
        )
    budget = _Budget()
    rules = {
        "permissions": tuple(_rule(item, place, budget, duty=True) for item, place in _items(fields, "permission", where)),
        "prohibitions": tuple(_rule(item, place, budget, duty=False) for item, place in _items(fields, "prohibition", where)),
        "obligations": tuple(_duty(item, place, budget) for item, place in _items(fields, "obligation", where)),
    }
    if not rules["permissions"] and not rules["prohibitions"]:
        raise Invalid(where, "a policy has at least one permission or prohibition", 'write {"permission": [{"action": "use"}]}')
    return {**rules, "id": _text(fields, "@id", where), "profile": _profile(fields, where)}


def _named(fields: Mapping[str, Any], where: str) -> Json:
    _text(fields, "@id", where, needed=True)
    return _terms(fields, where)


def _typed(json: Any, kind: str, where: str) -> Mapping[str, Any]:
    fields = _object(json, where)
    if fields.get("@type", kind) != kind:
        raise Invalid(f"{where}/@type", f"this is not an {kind}")
    return fields


def _profile(fields: Mapping[str, Any], where: str) -> str | tuple[str, ...]:
    profile = fields.get("profile", "")
    if isinstance(profile, str):
        return profile
    if isinstance(profile, list) and profile and all(isinstance(item, str) for item in profile):
        return tuple(profile) if len(profile) > 1 else str(profile[0])
    raise Invalid(f"{where}/profile", "a profile is an IRI or a list of IRIs")


def _rule(json: Any, where: str, budget: _Budget, *, duty: bool) -> Rule:
    fields = _known(_object(json, where), _RULE_TERMS if duty else _RULE_TERMS - {"duty"}, where)
    duties = tuple(_duty(item, place, budget) for item, place in _items(fields, "duty", where))
    return Rule(_text(fields, "action", where, needed=True), _conditions(fields, where, budget), duties)


def _duty(json: Any, where: str, budget: _Budget) -> Duty:
    fields = _known(_object(json, where), _DUTY_TERMS, where)
    return Duty(_text(fields, "action", where, needed=True), _conditions(fields, where, budget))


def _conditions(fields: Mapping[str, Any], where: str, budget: _Budget) -> tuple[Condition, ...]:
    return tuple(_condition(item, place, budget, 1) for item, place in _items(fields, "constraint", where))


def _condition(json: Any, where: str, budget: _Budget, depth: int) -> Condition:
    fields = _object(json, where)
    budget.spend(where, depth)
    connectives = [name for name in CONNECTIVES if name in fields]
    if not connectives:
        return _atom(_known(fields, {"leftOperand", "operator", "rightOperand", "uid"}, where), where)
    _known(fields, {connectives[0], "uid"}, where)
    members = tuple(_condition(item, place, budget, depth + 1) for item, place in _items(fields, connectives[0], where))
    if not members:
        raise Invalid(
            f"{where}/{connectives[0]}", "an empty list of constraints says nothing", "name at least one constraint or leave it out"
        )
    return Logical(connectives[0], members)


def _atom(fields: Mapping[str, Any], where: str) -> Constraint:
    left = _text(fields, "leftOperand", where, needed=True)
    written = _text(fields, "operator", where, needed=True)
    operator = written.removeprefix("odrl:").removeprefix(ODRL)
    if operator not in OPERATORS:
        raise Invalid(f"{where}/operator", "an operator that does not exist", f"use one of {', '.join(sorted(OPERATORS))}")
    if "rightOperand" not in fields:
        raise Invalid(f"{where}/rightOperand", "a constraint has a rightOperand")
    return Constraint(left, operator, _right(fields["rightOperand"], f"{where}/rightOperand", left))


def _right(json: Any, where: str, left: str) -> str | tuple[str, ...]:
    if not isinstance(json, list):
        return _value(json, where, left)
    if not json:
        raise Invalid(where, "an empty list on the right says nothing")
    return tuple(_value(item, f"{where}/{index}", left) for index, item in enumerate(json))


def _value(json: Any, where: str, left: str) -> str:
    if isinstance(json, str):
        return json
    if isinstance(json, int) and not isinstance(json, bool) and canonical(left) in INTEGERS:
        return str(json)
    if isinstance(json, Mapping):
        literal = [json[name] for name in ("@value", "@id") if name in json]
        if len(literal) == 1 and isinstance(literal[0], str) and set(json) <= {"@value", "@id", "@type"}:
            return literal[0]
        raise Invalid(where, "an object on the right has a text @value or an @id, nothing else")
    raise Invalid(where, "numbers, booleans and null are not allowed on the right (DSP 2025-1)", 'write the value as text, like "16"')


def _items(fields: Mapping[str, Any], name: str, where: str) -> list[tuple[Any, str]]:
    # JSON-LD and EDC write a list of one without its brackets.
    value = fields.get(name, [])
    if isinstance(value, Mapping):
        return [(value, f"{where}/{name}")]
    if not isinstance(value, list):
        raise Invalid(f"{where}/{name}", f"{name} is a list of objects")
    return [(item, f"{where}/{name}/{index}") for index, item in enumerate(value)]


def _object(json: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(json, Mapping):
        raise Invalid(where, "an object is expected here")
    return json


def _text(fields: Mapping[str, Any], name: str, where: str, *, needed: bool = False) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise Invalid(f"{where}/{name}", f"{name} is text here", "DSP has no objects and no refinements in this place")
    if needed and not value:
        raise Invalid(f"{where}/{name}", f"{name} is missing")
    return value


def _known(fields: Mapping[str, Any], terms: set[str], where: str) -> Mapping[str, Any]:
    """The fields, if every one is known: an unknown term in a rule may be a restriction, and would be lost."""
    for name in fields:
        if name not in terms and name not in ("@id", "@type"):
            raise Invalid(
                f"{where}/{name[:80]}", "this term is not understood here and must not be lost", "say it in a constraint, or leave it out"
            )
    return fields


def _local(key: str) -> str:
    """A key without ODRL's prefix; `odrl:prohibition` is refused rather than overlooked."""
    return key.removeprefix("odrl:").removeprefix(ODRL)


class _Budget:
    """Counts the constraints of one policy, so that a peer cannot make comparing it expensive."""

    def __init__(self) -> None:
        self.left = MAX_CONSTRAINTS

    def spend(self, where: str, depth: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise Invalid(where, f"more than {MAX_CONSTRAINTS} constraints in one policy")
        if depth > MAX_DEPTH:
            raise Invalid(where, f"constraints nested deeper than {MAX_DEPTH}")
