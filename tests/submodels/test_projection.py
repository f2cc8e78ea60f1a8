"""The forms of AAS Part 2, on one of every kind of element: value, metadata, paths, references, levels and extents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from submodels import projection
from submodels.errors import Invalid
from submodels.idshort import parse
from submodels.value import read_json, write_json
from tests.aas.seed import HERE, SEED_SUBMODELS, STAMP, meaning

SUBMODEL: Any = read_json(json.dumps(SEED_SUBMODELS[0]))
INNER: Any = projection.find(SUBMODEL, ("Everything",))


def at(path: str) -> Any:
    return projection.find(SUBMODEL, parse(f"Everything.{path}"))


VALUES = {
    "Greeting": '[{"de":"Guten Tag"},{"en":"Hello"}]',
    "Force": '{"min":1.50,"max":12.75}',
    "Stamp": '{"contentType":"application/octet-stream"}',
    "Norm": json.dumps(meaning("norm"), separators=(",", ":")),
    "Drives": json.dumps({"first": HERE, "second": HERE}, separators=(",", ":")),
    "Turns": json.dumps({"first": HERE, "second": HERE}, separators=(",", ":"))[:-1] + ',"annotations":[{"Ratio":3.70}]}',
    "Motor": '{"statements":{"Poles":4},"entityType":"SelfManagedEntity","globalAssetId":"https://tools.example/motor"}',
    "Stopped": json.dumps({"observed": HERE}, separators=(",", ":")),
    "Inner": '{"Heat":{"min":5,"max":40}}',
    "Counts": "[3,1,2]",
    "Counts[1]": "1",
    "Turns.Ratio": "3.70",
    "Motor.Poles": "4",
}


@pytest.mark.parametrize("path", VALUES)
def test_each_kind_has_its_value_form_with_its_number_tokens(path: str) -> None:
    assert write_json(projection.value(at(path))).decode() == VALUES[path]


NONE, EMPTY = "no value form", "has no value"


@pytest.mark.parametrize(("path", "why"), [("Press", NONE), ("Pressing", NONE), ("Manual", EMPTY), ("Later", EMPTY)])
def test_what_has_no_value_says_so_and_disappears_from_what_holds_it(path: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        projection.value(at(path))
    assert path not in projection.value(INNER)  # type: ignore[operator]


def test_a_number_without_json_form_is_shown_as_it_stands() -> None:
    found = projection.value({"modelType": "Property", "idShort": "x", "valueType": "xs:double", "value": "INF"})
    assert found == "INF"


def test_a_blob_has_its_content_only_where_it_is_asked_for() -> None:
    assert projection.value(at("Stamp"), blobs=True) == {"contentType": "application/octet-stream", "value": STAMP}
    assert "value" not in projection.normal(at("Stamp"))
    assert projection.normal(at("Stamp"), blobs=True) == at("Stamp")
    whole = json.dumps(projection.normal_submodel(SUBMODEL))
    assert STAMP not in whole
    assert STAMP in json.dumps(projection.normal_submodel(SUBMODEL, blobs=True))


@pytest.mark.parametrize("element", INNER["value"], ids=lambda element: element["modelType"])
def test_metadata_and_value_share_nothing_but_what_a_thing_is(element: Any) -> None:
    if element["modelType"] in projection.VALUELESS:
        with pytest.raises(Invalid, match="no metadata form"):
            projection.metadata(element)
        return
    metadata = projection.metadata(element)
    assert metadata["modelType"] == element["modelType"]
    held = set(element) - set(metadata)
    assert held == set(projection._VALUES[element["modelType"]]) & set(element)
    for path, text in VALUES.items():
        if path == element["idShort"] and path not in ("Stamp", "Norm"):
            assert text not in write_json(metadata).decode()


def test_paths_name_everything_inside_in_order() -> None:
    inside = projection.paths(INNER, ("Everything",))
    assert inside[:2] == ["Everything", "Everything.Later"]
    assert {"Everything.Turns.Ratio", "Everything.Motor.Poles", "Everything.Inner.Heat", "Everything.Counts[2]"} <= set(inside)
    for path in inside:
        assert projection.find(SUBMODEL, parse(str(path)))
    assert "Everything.Inner.Heat" not in projection.paths(INNER, ("Everything",), core=True)
    with pytest.raises(Invalid, match="holds no elements"):
        projection.paths(at("Force"), ("Everything", "Force"))


def test_core_ends_at_the_children_of_what_is_asked_for() -> None:
    core = projection.normal_submodel(SUBMODEL, core=True)
    assert [each["idShort"] for each in projection.elements_of(core)] == ["Everything", "Notes"]
    assert all("value" not in each for each in projection.elements_of(core))
    children = projection.normal(INNER, core=True)["value"]
    assert "value" in next(each for each in children if each["idShort"] == "Greeting")  # type: ignore[union-attr, index, call-overload]
    assert "value" not in next(each for each in children if each["idShort"] == "Inner")  # type: ignore[union-attr, index, call-overload]
    assert projection.submodel_value(SUBMODEL, core=True) == {}


def test_a_reference_has_a_key_for_each_step() -> None:
    assert projection.element_reference(SUBMODEL, ("Everything", "Counts", 1)) == {
        "type": "ModelReference",
        "keys": [
            {"type": "Submodel", "value": SUBMODEL["id"]},
            {"type": "SubmodelElementCollection", "value": "Everything"},
            {"type": "SubmodelElementList", "value": "Counts"},
            {"type": "Property", "value": "1"},
        ],
    }


@pytest.mark.parametrize(
    "path", ["Nothing", "Everything.Nothing", "everything", "Everything[0]", "Notes.0", "Notes[1]", "Everything.Force.min"]
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    with pytest.raises((KeyError, Invalid)):
        projection.find(SUBMODEL, parse(path))
