"""The twelve operators and the four connectives: their truth tables, and nothing about operands or facts.

A comparison is true, false or *never*: not evaluable, whatever facts arrive.  What facts may still decide is a set of
truths: `{true, false}` is a missing fact.  Working with sets keeps "could become yes" apart from "can never be yes",
through any nesting, without evaluating twice.

ODRL's prose leaves the tables open; these are pinned:

    eq, neq               one value on each side, else never
    lt, lteq, gt, gteq    one ordered value on each side, else never
    isAnyOf               left and right have a value in common
    isNoneOf              they have none
    isAllOf, hasPart      every right value is among the left ones
    isPartOf, isA         every left value is among the right ones

An empty side is never evaluable, for every operator: nothing is known of a fact without values, and a constraint
without right operand says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache, reduce
from typing import Any


class Truth(StrEnum):
    TRUE = "true"
    FALSE = "false"
    NEVER = "never"


Truths = frozenset[Truth]  # what it may still turn out to be

YES: Truths = frozenset({Truth.TRUE})
NO: Truths = frozenset({Truth.FALSE})
OPEN: Truths = frozenset({Truth.TRUE, Truth.FALSE})  # a missing fact decides
NEVER: Truths = frozenset({Truth.NEVER})

EQUALITY = frozenset({"eq", "neq"})
ORDER = frozenset({"lt", "lteq", "gt", "gteq"})
SETS = frozenset({"isAnyOf", "isNoneOf", "isAllOf", "hasPart", "isPartOf", "isA"})
OPERATORS = EQUALITY | ORDER | SETS

CONNECTIVES = ("and", "or", "xone", "andSequence")

_SINGLE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: bool(left == right),
    "neq": lambda left, right: bool(left != right),
    "lt": lambda left, right: bool(left < right),
    "lteq": lambda left, right: bool(left <= right),
    "gt": lambda left, right: bool(left > right),
    "gteq": lambda left, right: bool(left >= right),
}

_SET: Mapping[str, Callable[[frozenset[Any], frozenset[Any]], bool]] = {
    "isAnyOf": lambda left, right: bool(left & right),
    "isNoneOf": lambda left, right: not left & right,
    "isAllOf": lambda left, right: right <= left,
    "hasPart": lambda left, right: right <= left,
    "isPartOf": lambda left, right: left <= right,
    "isA": lambda left, right: left <= right,
}


def compare(operator: str, left: Iterable[Any], right: Iterable[Any]) -> Truth:
    """The operator's table over typed values (Decimal, aware datetime or str, the same type on both sides)."""
    ours, theirs = frozenset(left), frozenset(right)
    if not ours or not theirs:
        return Truth.NEVER
    if operator in _SET:
        return _truth(_SET[operator](ours, theirs))
    if operator not in _SINGLE or len(ours) > 1 or len(theirs) > 1:
        return Truth.NEVER
    return _truth(_SINGLE[operator](next(iter(ours)), next(iter(theirs))))


def fits(operator: str, right: Iterable[Any]) -> bool:
    """True when some left value could make the comparison evaluable."""
    count = len(frozenset(right))
    return count > 0 and (operator in SETS or (operator in _SINGLE and count == 1))


def combine(connective: str, members: Iterable[Truths]) -> Truths:
    """Kleene's tables over sets of truths; `andSequence` is `and`: we keep no history that could tell the order.

    No member at all: `and` holds, `or` and `xone` do not (the parser refuses empty ones).
    """
    if connective == "xone":
        return _exactly_one(members)
    return reduce(_either, members, NO) if connective == "or" else reduce(_both, members, YES)


def _truth(holds: bool) -> Truth:
    return Truth.TRUE if holds else Truth.FALSE


@cache  # of at most 49 pairs
def _either(left: Truths, right: Truths) -> Truths:
    return frozenset(_or(one, other) for one in left for other in right)


@cache
def _both(left: Truths, right: Truths) -> Truths:
    return frozenset(_and(one, other) for one in left for other in right)


def _and(one: Truth, other: Truth) -> Truth:
    if Truth.FALSE in (one, other):
        return Truth.FALSE
    return Truth.NEVER if Truth.NEVER in (one, other) else Truth.TRUE


def _or(one: Truth, other: Truth) -> Truth:
    if Truth.TRUE in (one, other):
        return Truth.TRUE
    return Truth.NEVER if Truth.NEVER in (one, other) else Truth.FALSE


def _exactly_one(members: Iterable[Truths]) -> Truths:
    # A fold over (how many are true, up to two; is any never): xone of three is not xone of (xone of two) and one.
    states = {(0, False)}
    for member in members:
        states = {_step(state, truth) for state in states for truth in member}
    return frozenset(_settled(trues, never) for trues, never in states)


def _step(state: tuple[int, bool], truth: Truth) -> tuple[int, bool]:
    trues, never = state
    return min(2, trues + (truth is Truth.TRUE)), never or truth is Truth.NEVER


def _settled(trues: int, never: bool) -> Truth:
    if trues > 1:
        return Truth.FALSE
    if never:
        return Truth.NEVER
    return _truth(trues == 1)
