"""The truth tables, whole: every operator over every pair of small sides, every connective over every triple of truths."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest

from policies.operators import CONNECTIVES, NEVER, NO, OPEN, OPERATORS, SETS, YES, Truth, Truths, combine, compare, fits

T, F, N = Truth.TRUE, Truth.FALSE, Truth.NEVER

# left, right: eq neq | isAnyOf isNoneOf isAllOf hasPart isPartOf isA
TABLE = {
    ("", ""): "NN NNNNNN",
    ("", "a"): "NN NNNNNN",
    ("a", ""): "NN NNNNNN",
    ("a", "a"): "TF TFTTTT",
    ("a", "b"): "FT FTFFFF",
    ("a", "ab"): "NN TFFFTT",
    ("a", "bc"): "NN FTFFFF",
    ("ab", "a"): "NN TFTTFF",
    ("ab", "b"): "NN TFTTFF",
    ("ab", "c"): "NN FTFFFF",
    ("ab", "ab"): "NN TFTTTT",
    ("ab", "bc"): "NN TFFFFF",
    ("ab", "abc"): "NN TFFFTT",
    ("abc", "ab"): "NN TFTTFF",
    ("ab", "cd"): "NN FTFFFF",
}
COLUMNS = ("eq", "neq", "isAnyOf", "isNoneOf", "isAllOf", "hasPart", "isPartOf", "isA")
LETTERS = {"T": T, "F": F, "N": N}


@pytest.mark.parametrize(("sides", "row"), TABLE.items())
def test_text_is_compared_by_the_table(sides: tuple[str, str], row: str) -> None:
    left, right = map(list, sides)
    for operator, expected in zip(COLUMNS, row.replace(" ", ""), strict=True):
        assert compare(operator, left, right) is LETTERS[expected], operator


LOW, HIGH = Decimal("9.5"), Decimal("10")
DAY, NIGHT = datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 1, 1, 22, tzinfo=UTC)
ORDER = {  # left against right: below, equal, above
    "lt": (T, F, F),
    "lteq": (T, T, F),
    "gt": (F, F, T),
    "gteq": (F, T, T),
    "eq": (F, T, F),
    "neq": (T, F, T),
}


@pytest.mark.parametrize("operator", ORDER)
@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (DAY, NIGHT)])
def test_numbers_and_instants_are_ordered_by_value(operator: str, low: object, high: object) -> None:
    assert (compare(operator, [low], [high]), compare(operator, [low], [low]), compare(operator, [high], [low])) == ORDER[operator]


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_an_empty_side_is_never_evaluable(operator: str) -> None:
    assert {compare(operator, [], ["a"]), compare(operator, ["a"], []), compare(operator, [], [])} == {N}


@pytest.mark.parametrize("operator", sorted(OPERATORS - SETS))
def test_a_list_is_not_compared_as_one_value(operator: str) -> None:
    assert compare(operator, [LOW, HIGH], [LOW]) is compare(operator, [LOW], [LOW, HIGH]) is N
    assert not fits(operator, [LOW, HIGH])
    assert compare(operator, [LOW, LOW], [LOW]) is not N  # said twice is still one value


def test_there_are_the_twelve_operators_and_no_other() -> None:
    assert {*ORDER, *COLUMNS} == OPERATORS
    assert len(OPERATORS) == 12
    assert compare("term-lteq", ["a"], ["a"]) is N


def kleene(connective: str, truths: tuple[Truth, ...]) -> Truth:
    """Written down independently: false < never < true; xone counts."""
    rank = {F: 0, N: 1, T: 2}
    if connective in ("and", "andSequence"):
        return min(truths, key=rank.__getitem__)
    if connective == "or":
        return max(truths, key=rank.__getitem__)
    if truths.count(T) > 1:
        return F
    return N if N in truths else (T if truths.count(T) == 1 else F)


@pytest.mark.parametrize("connective", CONNECTIVES)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_connectives_are_kleenes_over_every_combination(connective: str, size: int) -> None:
    for truths in product((T, F, N), repeat=size):
        assert combine(connective, [frozenset({truth}) for truth in truths]) == {kleene(connective, truths)}, truths


@pytest.mark.parametrize("connective", CONNECTIVES)
def test_what_is_open_is_exactly_what_facts_can_still_decide(connective: str) -> None:
    for members in product((YES, NO, NEVER, OPEN), repeat=3):
        expected: Truths = frozenset(kleene(connective, truths) for truths in product(*members))
        assert combine(connective, members) == expected, members


def test_unknown_does_not_become_true_under_xone() -> None:
    assert combine("xone", [NEVER, YES]) == NEVER
    assert combine("xone", [NEVER, NO]) == NEVER
    assert combine("xone", [YES, YES, YES]) == NO  # not (yes xone yes) xone yes
