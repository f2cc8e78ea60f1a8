"""Values: read strictly, number tokens kept, two dialects brought to one."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submodels.errors import Invalid
from submodels.table import PARTS, Node, tree
from submodels.value import NUMERIC, Number, Tree, normalise, read_json, to_samm, typed, walk, write_json

SCHEMAS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "idta-02035" / "schemas"
needs_schemas = pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the SAMM examples are not beside this checkout (../shared/data)")

TOKENS = ["0", "-0", "3.70", "1e5", "1E+05", "-2.50", "12345678901234567890.10", "0.1000"]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
trees = st.recursive(
    st.one_of(st.none(), st.booleans(), texts, st.sampled_from(TOKENS).map(Number)),
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(texts, below, max_size=4)),
    max_leaves=20,
)


def _same(one: Tree, other: Tree) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


@given(trees)
def test_writing_and_reading_keeps_every_token(found: Tree) -> None:
    assert _same(read_json(write_json(found)), found)


def test_a_price_stays_as_it_was_written() -> None:
    text = '{"a":3.70,"b":[1e5,"3.70",true,null],"c":-0}'
    assert write_json(read_json(text)) == text.encode()
    found = read_json(text)
    assert isinstance(found, dict) and isinstance(found["a"], Number) and found["a"].decimal == Decimal("3.7")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b'{"a":1,', "not JSON"),
        (b'{"a":1,"a":2}', "'a' stands twice"),
        (b'{"x":{"b":1,"c":2,"b":3}}', "'b' stands twice"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[01]", "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b"[" * 65 + b"]" * 65, "nested deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper"),
        (b"[" + b"1," * 100_000 + b"1]", "more than 100000 values"),
        (b"[" + b"1" * 65 + b"]", "ordinary size"),
        (b"[1e9999]", "ordinary size"),
        (b" " * (16 * 1024 * 1024 + 1), "bytes"),
    ],
)
def test_bad_json_is_refused_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_json(data, where="parts/materials.json")
    assert why in caught.value.what and caught.value.where == "parts/materials.json"


def test_the_deepest_allowed_is_read() -> None:
    assert read_json(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize("token", ["", "+1", "1.", ".5", "01", "1 ", "NaN", "0x1", "1,5", '1,"a":2', "１"])
def test_a_number_is_a_json_token_or_nothing(token: str) -> None:
    with pytest.raises(Invalid):
        Number(token)


@pytest.mark.parametrize(
    ("value_type", "text", "value"),
    [
        ("xs:float", "3.70", Number("3.70")),
        ("xs:float", " +05.50 ", Number("5.50")),
        ("xs:unsignedInt", "80", Number("80")),
        ("xs:boolean", "true", True),
        ("xs:boolean", "0", False),
        ("xs:string", " as it is ", " as it is "),
        ("xs:date", "2026-11-24", "2026-11-24"),
    ],
)
def test_lexical_forms_become_values(value_type: str, text: str, value: Tree) -> None:
    assert _same(typed(value_type, text), value)


@pytest.mark.parametrize(("value_type", "text"), [("xs:float", "INF"), ("xs:double", "NaN"), ("xs:int", "many"), ("xs:boolean", "yes")])
def test_what_has_no_value_is_refused(value_type: str, text: str) -> None:
    with pytest.raises(Invalid):
        typed(value_type, text)


# --- dialects --------------------------------------------------------------------------------------


def make(node: Node, random: Random) -> Tree:
    """A random value of a place in the table."""
    element = node.element
    if element is not None and not element.container:
        if element.kind == "File":
            return {"contentType": "image/png", "value": f"/files/{random.randrange(1000)}.png"}
        if element.kind == "MultiLanguageProperty":
            return [{tag: f"text {random.randrange(1000)}"} for tag in random.sample(["en", "de", "fr"], random.randint(1, 3))]
        if element.value_type == "xs:boolean":
            return random.random() < 0.5
        return Number(random.choice(TOKENS)) if element.value_type in NUMERIC else f"value {random.randrange(1000)}"
    if node.item is not None:
        return [make(node.item, random) for _ in range(random.randint(0, 3))]
    return {name: make(below, random) for name, below in node.children.items() if random.random() < 0.8}


@given(st.sampled_from(PARTS), st.integers(0, 10_000))
def test_idta_names_are_already_normal_and_survive_samm(part: str, seed: int) -> None:
    found = make(tree(part), Random(seed))
    assert _same(normalise(part, found)[0], found) and normalise(part, found)[1] == ()
    back, findings = normalise(part, to_samm(part, found))
    assert _same(back, found) and findings == ()


@given(st.sampled_from(PARTS), trees)
def test_normalising_twice_changes_nothing(part: str, found: Tree) -> None:
    once, _ = normalise(part, found if isinstance(found, dict) else {"X": found})
    assert _same(normalise(part, once)[0], once)


@pytest.mark.parametrize(
    ("part", "given_", "wanted"),
    [
        (
            "technical",
            {"TechnicalPropertyAreas": {"PowerCapability": {"RatioNorminalBatteryPowerAndBatteryEnergy": 0.61}}},
            {"TechnicalPropertyAreas": {"PowerCapability": {"RatioNominalBatteryPowerAndBatteryEnergy": 0.61}}},
        ),
        (
            "technical",
            {"GeneralInformation": {"WarrantyPeriod": "P96M"}},
            {"GeneralInformation": {"WarrantyInformation": {"WarrantyPeriod": "P96M"}}},
        ),
        (
            "technical",
            {"GeneralInformation": {"CompanyLogo": "a.png"}},
            {"GeneralInformation": {"CompanyLogo": {"contentType": "image/png", "value": "a.png"}}},
        ),
        ("nameplate", {"ManufacturerName": {"de": "Muster", "en": "Sample"}}, {"ManufacturerName": [{"de": "Muster"}, {"en": "Sample"}]}),
        ("nameplate", {"ManufacturerName": [{"language": "de", "text": "Muster"}]}, {"ManufacturerName": [{"de": "Muster"}]}),
        ("carbon", {"ProductCarbonFootprints": [{"LifeCyclePhases": "C4"}]}, {"ProductCarbonFootprints": [{"LifeCyclePhases": ["C4"]}]}),
        (
            "condition",
            {"RemainingPowerCapability": {"RemainingPowerCapabilityValue": {"AtSoC": 80}}},
            {"RemainingPowerCapability": {"RemainingPowerCapabilityDynamicAt": {"AtSoC": 80}}},
        ),
    ],
)
def test_older_spellings_and_samm_shapes_are_read(part: str, given_: object, wanted: object) -> None:
    found, findings = normalise(part, read_json(json.dumps(given_)))
    assert _same(found, read_json(json.dumps(wanted))) and findings == ()


def test_unknown_names_stay_and_are_reported_with_a_suggestion() -> None:
    found, findings = normalise("nameplate", {"SerialNumbr": "1", "Markings": [{"Secret": "x"}]})
    assert found == {"SerialNumbr": "1", "Markings": [{"Secret": "x"}]}
    assert [(each.where, each.next) for each in findings] == [
        ("nameplate/SerialNumbr", "did you mean SerialNumber?"),
        ("nameplate/Markings/0/Secret", ""),
    ]


def test_of_two_spellings_the_newest_stands() -> None:
    found, findings = normalise("nameplate", {"AddressInformation": {"ZipCode": [{"de": "1"}], "Zipcode": [{"de": "2"}]}})
    assert found == {"AddressInformation": {"Zipcode": [{"de": "2"}]}}
    assert "older name" in findings[0].what


@pytest.mark.parametrize("found", [None, [], "x", Number("1")])
def test_a_part_is_an_object(found: Tree) -> None:
    with pytest.raises(Invalid):
        normalise("nameplate", found)
    with pytest.raises(Invalid):
        normalise("nonsense", {})


@needs_schemas
@pytest.mark.parametrize("key", ["carbon", "circularity", "handover", "material", "product", "technical"])
def test_samm_examples_are_understood_but_for_names_without_a_place(key: str) -> None:
    part = {"material": "materials", "product": "condition"}.get(key, key)
    without_place = {
        "CycleLifeReferenceTest",
        "ImageNote",
        "ManufacturerProductDesignation",
        "ManufacturerArticleNumber",
        "ManufacturerOrderCode",
    }
    names = [path for path in SCHEMAS.glob(f"{key}*.json") if not path.name.endswith("-schema.json")]
    assert names
    for path in names:
        found, findings = normalise(part, read_json(path.read_bytes()))
        assert {finding.where.rsplit("/", 1)[1] for finding in findings} <= without_place, path.name
        assert all(element for where, element, _ in walk(part, found) if not without_place & set(where))


def test_a_walk_names_every_leaf_once() -> None:
    found = read_json('{"ManufacturerName":[{"en":"A"}],"Markings":[{"MarkingName":"CE","Other":{"a":[1,2]}}],"SerialNumber":"7"}')
    seen = [("/".join(path), element.template if element else "") for path, element, _ in walk("nameplate", found)]
    assert seen == [
        ("ManufacturerName", "nameplate/ManufacturerName"),
        ("Markings/0/MarkingName", "nameplate/Markings/*/MarkingName"),
        ("Markings/0/Other/a/0", ""),
        ("Markings/0/Other/a/1", ""),
        ("SerialNumber", "nameplate/SerialNumber"),
    ]
