"""The management door: every spelling of the same body is the same node; nothing is fetched, nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.errors import Malformed
from connector.http.manage.v3.jsonld import Node, plain, understand

EDC = "https://w3id.org/edc/v0.0.1/ns/"
RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "edc-wire"

SPELLINGS = [
    {"@context": {"@vocab": EDC}, "name": "x"},
    {"@context": {}, "name": "x"},
    {"name": "x"},
    {"@context": {"edc": EDC}, "edc:name": "x"},
    {"edc:name": "x"},
    {"@context": {"ns": EDC}, "ns:name": {"@value": "x"}},
    {f"{EDC}name": [{"@value": "x"}]},
    {"@context": ["https://w3id.org/edc/dspace/v0.0.1", {"cx": "https://w3id.org/catenax/ns/"}], "name": "x"},
    {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld", {"@vocab": EDC}], "name": "x"},
]


@pytest.mark.parametrize("body", SPELLINGS)
def test_every_spelling_says_the_same(body: Any) -> None:
    assert understand(body).text("name") == "x"


def test_ids_stay_what_they_are() -> None:
    for id in ("bp-1", "urn:uuid:1", f"model.EV-72.{'a' * 43}", "did:web:localhost%3A7401", "with space", "a/b"):
        assert understand({"@id": id}).id == id


def test_properties_keep_their_names_and_values() -> None:
    node = understand({
        "@context": {"@vocab": EDC, "dct": "http://purl.org/dc/terms/"},
        "properties": {"name": "x", "dct:type": {"@id": "urn:t"}, "n": 5, "many": ["a", "b"], "deep": {"of": {"f": True}}},
    })  # fmt: skip
    held = node.node("properties")
    assert held is not None and plain([dict(held.fields)]) == {
        "name": "x", "http://purl.org/dc/terms/type": {"@id": "urn:t"}, "n": 5, "many": ["a", "b"], "deep": {"of": {"f": True}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"@context": "https://example.org/context.jsonld", "name": "x"},
        {"@context": ["https://example.org/context.jsonld"], "name": "x"},
        {"@context": {"@import": "https://example.org/c"}, "name": "x"},
        {"@context": {"name": {"@id": "edc:name", "@context": "https://example.org/c"}}, "name": "x"},
        {"@context": None, "name": "x"},
        {"@context": {"@vocab": None}, "name": "x"},
        {"@context": {"constraint": None}, "policy": {"constraint": []}},
        {"policy": {"@context": None, "permission": []}},
        {"policy": {"@context": {"permission": None}, "permission": []}},
        {"@graph": [{"name": "x"}]},
        {"policy": {"@reverse": {"x": []}}},
        {"@nested": 1},
        [],
        "text",
        {"@context": 5},
        {"@id": ["a", "b"]},
        {"name": {"@value": "x", "@id": "y"}},
    ],
)
def test_what_would_be_fetched_lost_or_read_two_ways_is_refused(body: Any) -> None:
    with pytest.raises(Malformed):
        understand(body)


def test_an_unknown_context_is_named() -> None:
    with pytest.raises(Malformed) as caught:
        understand({"policy": {"@context": "https://example.org/c", "permission": []}})
    assert "https://example.org/c" in caught.value.what and caught.value.where == "/policy/@context"


def test_a_wrong_field_is_named_with_its_place_and_value() -> None:
    node = understand({"querySpec": {"limit": "many", "offset": [1, 2]}}).node("querySpec")
    assert node is not None
    with pytest.raises(Malformed) as caught:
        node.number("limit", 50, least=1, most=100)
    assert (caught.value.where, caught.value.value) == ("querySpec/limit", "many")
    with pytest.raises(Malformed) as caught:
        node.text("offset")
    assert caught.value.where == "querySpec/offset"


@pytest.mark.parametrize("name", ["value", "authCode", "header:X"])
def test_a_secret_is_not_repeated_in_an_error(name: str) -> None:
    assert Node().wrong(name, "wrong", "s3cr3t").value is None


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded messages of an EDC are not beside the project")
def test_every_body_that_an_edc_took_is_understood() -> None:
    bodies = [
        call["requestBody"]
        for file in sorted(RECORDED.glob("*management.json"))
        for call in json.loads(file.read_text("utf-8"))
        if "/v3/" in call["url"] and isinstance(call["requestBody"], dict)
    ]
    assert len(bodies) > 10
    for body in bodies:
        assert understand(body).fields
