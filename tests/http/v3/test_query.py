"""QuerySpec: operators, paths, sorting and paging over what the API shows."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ADDRESS, EDC, Edc, by


@pytest.fixture
async def stocked(edc: Edc) -> Edc:
    await edc.asset("a", name="Alpha", weight=10, kind={"@id": "https://x.example/cell"})
    await edc.asset("b", name="Beta", weight=9)
    await edc.asset("c", name="Gamma", weight=100, **{"http://purl.org/dc/terms/type": {"@id": "https://x.example/pack"}})
    return edc


async def ids(edc: Edc, *criteria: Any, **spec: Any) -> list[str]:
    body = {"@type": "QuerySpec", **({"filterExpression": list(criteria)} if criteria else {}), **spec}
    return [each["@id"] for each in await edc.post("/assets/request", body)]


@pytest.mark.parametrize(
    ("criterion", "found"),
    [
        (by(f"{EDC}id", "=", "b"), ["b"]),
        (by("id", "!=", "b"), ["a", "c"]),
        (by("@id", "in", ["a", "c"]), ["a", "c"]),
        (by("id", "in", ["a"]), ["a"]),
        (by("id", "not in", ["a", "b"]), ["c"]),
        (by("name", "=", "Alpha"), ["a"]),
        (by("edc:name", "like", "%a"), ["a", "b", "c"]),
        (by("name", "ilike", "be__"), ["b"]),
        (by("weight", ">", "9"), ["a", "c"]),
        (by("weight", "<=", 10), ["a", "b"]),
        (by("'kind'.'@id'", "=", "https://x.example/cell"), ["a"]),
        (by("'http://purl.org/dc/terms/type'.'@id'", "=", "https://x.example/pack"), ["c"]),
        (by(f"'{EDC}kind'.'@id'", "=", "https://x.example/cell"), ["a"]),
        (by("properties.name", "=", "Beta"), ["b"]),
        (by("dataAddress.baseUrl", "=", ADDRESS["baseUrl"]), ["a", "b", "c"]),
        (by("no-such-property", "=", "x"), []),
        (by("https://example.org/unknown", "!=", "x"), []),
        (by("dataAddress.authCode", "like", "%"), []),
    ],
)
async def test_a_criterion_finds(stocked: Edc, criterion: Any, found: list[str]) -> None:
    assert await ids(stocked, criterion) == found


async def test_all_criteria_must_match(stocked: Edc) -> None:
    assert await ids(stocked, by("weight", ">", 9), by("name", "=", "Gamma")) == ["c"]
    assert await ids(stocked, by("id", "=", "a"), by("name", "=", "Gamma")) == []


async def test_sorting_is_by_number_where_there_are_numbers(stocked: Edc) -> None:
    assert await ids(stocked, sortField="weight") == ["b", "a", "c"]
    assert await ids(stocked, sortField="weight", sortOrder="DESC") == ["c", "a", "b"]
    assert await ids(stocked, sortField="name", sortOrder="DESC", limit=1) == ["c"]
    assert await ids(stocked, sortOrder="DESC") == ["c", "b", "a"]
    assert (await ids(stocked, sortField="createdAt"))[0] == "a"


async def test_pages_follow_one_another(stocked: Edc) -> None:
    assert await ids(stocked, limit=2) == ["a", "b"]
    assert await ids(stocked, offset=2, limit=2) == ["c"]
    assert await ids(stocked, offset=3) == []
    assert await ids(stocked, offset="1", limit="1") == ["b"]


async def test_fifty_at_a_time_when_nothing_is_said(edc: Edc) -> None:
    for number in range(51):
        await edc.asset(f"asset-{number:02}")
    assert len(await ids(edc)) == 50
    assert len(await edc.post("/assets/request")) == 50
    assert len(await ids(edc, limit=60)) == 51


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"sortOrder": "UP"}, "sortOrder"),
        ({"filterExpression": [{"operandLeft": "id", "operator": "~", "operandRight": "x"}]}, "filterExpression/operator"),
        ({"filterExpression": [by("id", "=", "x"), {"operandLeft": "id", "operator": "="}]}, "filterExpression/1/operandRight"),
        ({"filterExpression": [{"operator": "=", "operandRight": "x"}]}, "filterExpression/operandLeft"),
        ({"filterExpression": ["id = x"]}, "filterExpression"),
    ],
)
async def test_a_query_that_cannot_be_read_names_the_place(edc: Edc, spec: Any, path: str) -> None:
    status, said = await edc.call("POST", "/v3/assets/request", spec)
    assert (status, said[0]["path"]) == (400, path)
