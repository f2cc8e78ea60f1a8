from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from catalog.asset import view_asset_id
from catalog.contract_definition import selects
from catalog.criteria import EDC, like
from catalog.errors import Invalid

VIEW = view_asset_id("model.EV-72", "a" * 43)


@dataclass(frozen=True)
class Definition:
    assets: tuple[str, ...] = ()
    selector: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Asset:
    id: str
    form: str = "plain"
    properties: dict[str, Any] = field(default_factory=dict)


def where(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"operandLeft": left, "operator": operator, "operandRight": right}


PLAIN, THE_VIEW = Asset("a-1", properties={"name": "passport", "size": "5"}), Asset(VIEW, "view", {"name": "passport"})


def test_an_empty_selector_means_all_plain_assets_and_never_a_view() -> None:
    assert selects(Definition(), PLAIN)
    assert not selects(Definition(), THE_VIEW)


def test_a_named_asset_is_selected_and_naming_it_selects_nothing_else() -> None:
    assert selects(Definition(assets=(VIEW,)), THE_VIEW)
    assert not selects(Definition(assets=(VIEW,)), PLAIN)


@pytest.mark.parametrize(
    "criterion",
    [
        where("name", "=", "passport"),
        where("name", "like", "%"),
        where("id", "like", "%"),
        where("id", "!=", "x"),
        where("id", "not in", ["x"]),
    ],
)
def test_no_property_and_no_pattern_reaches_a_view(criterion: dict[str, Any]) -> None:
    assert selects(Definition(selector=(criterion,)), PLAIN)
    assert not selects(Definition(selector=(criterion,)), THE_VIEW)


def test_a_criterion_may_name_a_view_by_its_id() -> None:
    for criterion in (where(EDC + "id", "=", VIEW), where("id", "in", ["x", VIEW])):
        assert selects(Definition(selector=(criterion,)), THE_VIEW)
        assert not selects(Definition(selector=(criterion, where("name", "=", "other"))), THE_VIEW)
        assert not selects(Definition(selector=(criterion,)), PLAIN)


CASES = [
    (where("name", "=", "passport"), True),
    (where(EDC + "name", "=", "passport"), True),
    (where("edc:name", "!=", "passport"), False),
    (where("name", "in", ["x", "passport"]), True),
    (where("name", "not in", ["x"]), True),
    (where("name", "like", "pass%"), True),
    (where("name", "like", "p_ssport"), True),
    (where("name", "like", "PASS%"), False),
    (where("name", "ilike", "PASS%"), True),
    (where("size", ">", 4), True),
    (where("size", "<=", "4.5"), False),
    (where("name", ">", 4), False),
    (where("missing", "!=", "x"), False),
    (where("missing", "not in", ["x"]), False),
]


@pytest.mark.parametrize(("criterion", "selected"), CASES)
def test_criteria_match_as_in_edc_and_a_missing_property_matches_nothing(criterion: dict[str, Any], selected: bool) -> None:
    assert selects(Definition(selector=(criterion,)), PLAIN) is selected


@pytest.mark.parametrize(
    "criterion",
    [
        {},
        "x",
        where("", "=", "x"),
        where("a", "~", "x"),
        where("a", "=", ["x", "y"]),
        where("a", "in", []),
        where("a", "=", None),
        where("'a", "=", "x"),
        {**where("a", "=", "b"), "or": []},
    ],
)
def test_a_selector_that_cannot_be_read_selects_nothing(criterion: Any) -> None:
    with pytest.raises(Invalid):
        selects(Definition(selector=(criterion,)), PLAIN)


def test_a_hostile_pattern_costs_no_more_than_text_times_pattern() -> None:
    assert not like("a" * 1000, "%a" * 400 + "b")
    assert like("a%b", "a%b")
    assert not like("", "_")
    assert like("", "%%")
