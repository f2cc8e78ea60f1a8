from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import Invalid
from catalog.query import Query, decode_cursor, encode_cursor, parse_filter

EDC = "https://w3id.org/edc/v0.0.1/ns/"
KEY = b"k" * 32


def where(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"operandLeft": left, "operator": operator, "operandRight": right}


PROPERTIES = {"http://purl.org/dc/terms/type": {"@id": "urn:battery-pass"}, EDC + "name": "passport", "tags": ["a", "b"]}


@pytest.mark.parametrize(
    "filter",
    [None, [], [{}], [{"@type": "QuerySpec", "offset": 0, "limit": 50, "sortOrder": "ASC", "filterExpression": []}], [{EDC + "limit": 50}]],
)
def test_no_filter_matches_everything(filter: Any) -> None:
    assert parse_filter(filter).matches("anything", {})


def test_the_page_size_is_read_from_a_query_spec() -> None:
    assert parse_filter([{"limit": 50}]).limit == 50
    assert parse_filter([]).limit == 0


MATCHES = [
    (where("id", "=", "ds-1"), True),
    (where(EDC + "id", "=", "ds-2"), False),
    (where("@id", "like", "ds-%"), True),
    (where("'http://purl.org/dc/terms/type'.'@id'", "=", "urn:battery-pass"), True),
    (where("http://purl.org/dc/terms/type", "=", "urn:battery-pass"), True),
    (where("dct:type", "=", "urn:other"), False),
    (where("name", "=", "passport"), True),
    (where("tags", "contains", "b"), True),
    (where("tags", "=", "c"), False),
    (where("'tags'.'@id'", "=", "a"), True),
    (where("'http://purl.org/dc/terms/type'.'x'", "=", "a"), False),
]


@pytest.mark.parametrize(("criterion", "matched"), MATCHES)
def test_filters_match_id_type_and_own_properties(criterion: dict[str, Any], matched: bool) -> None:
    for filter in ([{"filterExpression": [criterion]}], [{EDC + "filterExpression": criterion}], [criterion], criterion):
        assert parse_filter(filter).matches("ds-1", PROPERTIES) is matched


def test_all_criteria_have_to_match() -> None:
    assert not parse_filter([where("id", "=", "ds-1"), where("name", "=", "x")]).matches("ds-1", PROPERTIES)


@pytest.mark.parametrize(
    "filter",
    [
        "text",
        ["text"],
        [{"query": "SELECT"}],
        [{"filterExpression": "x"}],
        [{"filterExpression": [where("a", "=~", "b")]}],
        [{"filterExpression": [where("a", "=", "b")] * 21}],
        [{"offset": 10}],
        [{"limit": "50"}],
        [{"limit": True}],
        [{"limit": -1}],
        [{"sortField": "name"}],
        [{"limit": 1}, {"limit": 2}],
        [{"filterExpression": [where("a", "=", "b" * 1001)]}],
    ],
)
def test_a_filter_that_is_not_understood_is_refused_never_ignored(filter: Any) -> None:
    with pytest.raises(Invalid) as refused:
        parse_filter(filter)
    assert refused.value.where.startswith("/filter")


@given(st.text(max_size=60), st.text(max_size=20))
def test_a_cursor_comes_back_for_its_peer_and_filter(position: str, peer: str) -> None:
    query = parse_filter([where("name", "=", "x")])
    cursor = encode_cursor(KEY, peer, query, position)
    assert decode_cursor(KEY, peer, query, cursor) == position
    for key, other, filter in ((b"x" * 32, peer, query), (KEY, peer + "x", query), (KEY, peer, Query())):
        with pytest.raises(Invalid):
            decode_cursor(key, other, filter, cursor)


@given(st.text(max_size=80))
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        decode_cursor(KEY, "peer", Query(), cursor)


def test_another_page_size_keeps_the_cursor() -> None:
    cursor = encode_cursor(KEY, "peer", parse_filter([{"limit": 50}]), "ds-1")
    assert decode_cursor(KEY, "peer", parse_filter([{"limit": 10}]), cursor) == "ds-1"


def test_a_cursor_with_another_position_does_not_hold() -> None:
    seal = encode_cursor(KEY, "peer", Query(), "ds-1").split(".")[1]
    body = encode_cursor(KEY, "peer", Query(), "ds-2").split(".")[0]
    with pytest.raises(Invalid):
        decode_cursor(KEY, "peer", Query(), f"{body}.{seal}")
