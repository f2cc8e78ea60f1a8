"""implies(a, b): wherever condition `a` is true, condition `b` is true; False also when we cannot tell.

Both sides are read in a normal form: one IRI an operand, typed values (so that `Z` and `+00:00` are the same instant),
order forgotten where it means nothing.  Two constraints of one operand are compared by table; connectives by the rules
that hold for "true" in Kleene's logic; `xone` and `andSequence` only by being the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .odrl import Condition, Constraint, Logical
from .operands import Datatype, instant, number, operand, period
from .operators import EQUALITY, ORDER, Truth, compare, fits

Memo = dict[tuple[int, int], bool]


def flat(conditions: Iterable[Condition]) -> list[Condition]:
    """The conditions with every outer `and` dissolved: what has to hold, one by one."""
    found: list[Condition] = []
    for condition in conditions:
        found += flat(condition.of) if isinstance(condition, Logical) and condition.connective == "and" else [condition]
    return found


def normal(condition: Condition) -> tuple[Any, ...]:
    """Equal for two conditions exactly when they say the same in another spelling."""
    if isinstance(condition, Logical):
        members = [normal(member) for member in condition.of]
        ordered = members if condition.connective == "andSequence" else sorted(members, key=repr)
        return (condition.connective, *ordered)
    row = operand(condition.left)
    if row is None:
        return (condition.operand, condition.operator, *condition.values)
    values = [_value(row.datatype, text) for text in condition.values]
    texts = [text if value is None else repr(value) for value, text in zip(values, condition.values, strict=True)]
    return (condition.operand, condition.operator, *sorted(set(texts)))


def understood(condition: Condition) -> bool:
    """True when every constraint in it has a known operand, an operator that fits it, and values of its type."""
    if isinstance(condition, Logical):
        return all(understood(member) for member in condition.of)
    row = operand(condition.left)
    return row is not None and condition.operator in row.operators and None not in [_value(row.datatype, text) for text in condition.values]


def implies(a: Condition, b: Condition, memo: Memo | None = None) -> bool:
    """`memo` keeps the answers of one comparison, so that nested connectives cost no more than pairs."""
    known: Memo = {} if memo is None else memo
    key = (id(a), id(b))
    if key not in known:
        known[key] = normal(a) == normal(b) or _implies(a, b, known)
    return known[key]


def _implies(a: Condition, b: Condition, memo: Memo) -> bool:
    if isinstance(b, Logical) and b.connective == "and":
        return all(implies(a, member, memo) for member in b.of)
    if isinstance(a, Logical) and a.connective == "or":
        return all(implies(member, b, memo) for member in a.of)
    if isinstance(a, Constraint) and isinstance(b, Constraint):
        return _constraint_implies(a, b)
    from_a = isinstance(a, Logical) and a.connective == "and" and any(implies(member, b, memo) for member in a.of)
    return from_a or (isinstance(b, Logical) and b.connective == "or" and any(implies(a, member, memo) for member in b.of))


def _constraint_implies(a: Constraint, b: Constraint) -> bool:
    row = operand(a.left)
    if row is None or a.operand != b.operand or not {a.operator, b.operator} <= row.operators:
        return False
    left, right = ({_value(row.datatype, text) for text in one.values} for one in (a, b))
    if None in left or None in right or not fits(a.operator, left) or not fits(b.operator, right):
        return False
    if a.operator == "eq" or (a.operator in ("isPartOf", "isA") and len(left) == 1):
        return _comparable(left | right) and compare(b.operator, left, right) is Truth.TRUE
    if a.operator in ORDER or (row.datatype is not Datatype.TEXT and a.operator in EQUALITY):
        return _comparable(left | right) and _ordered(a.operator, b.operator, left.pop(), right.pop())
    rule = _SETS.get((_ALIKE.get(a.operator, a.operator), _ALIKE.get(b.operator, b.operator)))
    return rule is not None and rule(frozenset(left), frozenset(right))


_ALIKE = {"isA": "isPartOf", "hasPart": "isAllOf"}

_SETS: Mapping[tuple[str, str], Callable[[frozenset[Any], frozenset[Any]], bool]] = {
    ("isPartOf", "isPartOf"): lambda a, b: a <= b,
    ("isPartOf", "isAnyOf"): lambda a, b: a <= b,
    ("isPartOf", "isNoneOf"): lambda a, b: not a & b,
    ("isAnyOf", "isAnyOf"): lambda a, b: a <= b,
    ("isAllOf", "isAllOf"): lambda a, b: b <= a,
    ("isAllOf", "isAnyOf"): lambda a, b: bool(a & b),
    ("isNoneOf", "isNoneOf"): lambda a, b: b <= a,
    ("neq", "neq"): lambda a, b: a == b,
    ("neq", "isNoneOf"): lambda a, b: b <= a,
}


def _ordered(a: str, b: str, x: Any, y: Any) -> bool:
    """Is every value that stands in relation `a` to x in relation `b` to y?"""
    if a == "neq":
        return b == "neq" and bool(x == y)
    upward = a in ("lt", "lteq")
    if b not in (("lt", "lteq", "neq") if upward else ("gt", "gteq", "neq")):
        return False
    inside = x < y if upward else x > y
    # x itself belongs to lteq and gteq: then it must not be the one value that lt, gt and neq leave out.
    return bool(inside or (x == y and (a in ("lt", "gt") or b in ("lteq", "gteq"))))


def _value(datatype: Datatype, text: str) -> str | Decimal | datetime | timedelta | None:
    if datatype is Datatype.TEXT:
        return text
    if datatype is Datatype.NUMBER:
        value = number(text)
        return None if value is None else value.normalize()
    span = period(text) if datatype is Datatype.PERIOD else None
    return instant(text) if span is None else span


def _comparable(values: Iterable[Any]) -> bool:
    return len({type(value) for value in values}) == 1  # a period and an instant are not
