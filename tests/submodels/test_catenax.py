"""A Catena-X battery pass becomes a passport, and every field of it is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from submodels.batch import Batch
from submodels.catenax import is_battery_pass, read_battery_pass, table
from submodels.check import check
from submodels.errors import Invalid
from submodels.passport import merge
from submodels.table import find
from submodels.value import Tree, read_json, write_json

PASS = Path(__file__).resolve().parents[1] / "data" / "catenax" / "battery_pass-6.1.0.json"


def whole() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PASS.read_text())
    return found


def read(found: object = None) -> Batch:
    return read_battery_pass(read_json(PASS.read_bytes() if found is None else json.dumps(found)))


def values(batch: Batch, serial: str) -> dict[str, Tree]:
    return {layer.part: layer.tree for layer in batch.layers if layer.owner == serial}


def leaves(value: Any, path: str = "") -> list[str]:
    """Every field of the file, a document as one."""
    if isinstance(value, dict) and not {"content", "header"} <= value.keys():
        return [leaf for name, below in value.items() for leaf in leaves(below, f"{path}/{name}")]
    if isinstance(value, list):
        return [leaf for number, below in enumerate(value) for leaf in leaves(below, f"{path}/{number}")]
    return [path]


def test_every_target_of_the_table_is_a_place_in_a_passport() -> None:
    for row in table():
        if row.to:
            part, *steps = row.to.split("/")
            assert find(part, steps) is not None, row.to


def test_every_field_is_accounted_for_and_what_has_no_place_says_why() -> None:
    batch = read()
    assert {origin for origin, _ in batch.mapping} == set(leaves(whole()))
    nowhere = {origin for origin, to in batch.mapping if not to}
    told = {each.where: each.what for each in batch.findings}
    assert nowhere <= told.keys()
    assert told["/characteristics/physicalDimension/length/value"] == "has no place: IDTA 02035 has no dimensions"
    assert told["/surprise/field"].startswith("is no field of battery_pass 6.x")
    assert {"/metadata/passportIdentifier", "/performance/dynamic/stateOfCharge/value"} & nowhere == set()


def test_values_go_to_their_elements_with_their_tokens_and_to_the_level_that_says_them() -> None:
    batch = read()
    assert (batch.model, batch.category, [each.serial for each in batch.batteries]) == ("TX-900-B", "ev", ["SN-0042"])
    assert "https://id.example/01/09506000172040/21/SN-0042" in batch.batteries[0].aliases
    model, item = values(batch, ""), values(batch, "SN-0042")
    assert b'"StateOfChargeValue":48.50' in write_json(item["condition"])
    assert b'"RatedCapacity":205.50' in write_json(model["technical"])
    assert b'"PcfCO2eq":61.410' in write_json(model["carbon"])
    assert "condition" not in model and "materials" not in item
    assert json.loads(write_json(item["nameplate"]))["SerialNumber"] == "SN-0042", "the part instance's, not the vehicle's"


def test_what_changes_its_form_is_turned_and_no_more() -> None:
    model = {part: json.loads(write_json(tree)) for part, tree in values(read(), "").items()}
    general = model["technical"]["GeneralInformation"]
    assert general["BatteryMass"] == 398.45, "from grams"
    assert general["WarrantyInformation"]["WarrantyPeriod"] == "P96M"
    assert model["materials"]["HazardousSubstances"][0]["HazardousSubstanceConcentration"] == 1.143, "from parts per million"
    power = model["technical"]["TechnicalPropertyAreas"]["PowerCapability"]["OriginalPowerCapability"]
    assert power == [{"powerCapabilityAt": 105000.0, "atSoc": 20}, {"powerCapabilityAt": 139000.0, "atSoc": 80}]
    assert model["circularity"]["SparePartSources"][0]["NameOfSupplier"] == [{"en": "BPNL000000000P3X"}]


def test_documents_are_referred_to_and_have_an_entry() -> None:
    model = {part: json.loads(write_json(tree)) for part, tree in values(read(), "").items()}
    assert model["circularity"]["DismantlingAndRemovalInformation"] == ["https://docs.example/dismantle.pdf"]
    entries = {each["DocumentIds"][0]["DocumentIdentifier"]: each for each in model["handover"]["Documents"]}
    assert entries["https://docs.example/dismantle.pdf"]["DocumentVersions"][0]["Title"] == [{"en": "Taking it apart"}]


def test_what_comes_out_breaks_no_rule_of_the_check() -> None:
    batch = read()
    parts: dict[str, list[Tree]] = {}
    for layer in batch.layers:
        parts.setdefault(layer.part, []).append(layer.tree)
    found = check({part: merge(trees) for part, trees in parts.items()})
    assert [each for each in found if each.severity == "error"] == []


def test_the_report_names_the_mandatory_points_that_are_missing() -> None:
    missing = {each.point: each.what for each in read().findings if each.point}
    assert "Manufacturer postal address is missing" in " ".join(missing.values())
    assert all(each.severity == "warning" for each in read().findings)


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (lambda found: found["characteristics"]["physicalDimension"]["weight"].update(unit="unit:stone"), "/weight/value", "unit:stone"),
        (lambda found: found["characteristics"]["warranty"].update(lifeUnit="unit:cycle"), "/warranty/lifeValue", "unit:cycle"),
        (lambda found: found["identification"].update(idDmc="34567890"), "/identification/idDmc", "is no address"),
    ],
)
def test_a_value_that_cannot_be_turned_is_a_gap_and_never_a_guess(change: Any, where: str, what: str) -> None:
    found = whole()
    change(found)
    batch = read(found)
    gaps = [each for each in batch.findings if each.where.endswith(where)]
    assert gaps and what in gaps[0].what
    assert any(origin.endswith(where) and not to for origin, to in batch.mapping)


def test_a_pass_without_a_model_or_of_a_category_without_passports_is_refused() -> None:
    found = whole()
    del found["identification"]["identification"]["type"]["manufacturerPartId"]
    with pytest.raises(Invalid, match="manufacturerPartId"):
        read(found)
    found = whole()
    found["identification"]["category"] = "SLI"
    with pytest.raises(Invalid, match="has no battery passport"):
        read(found)


def test_other_json_is_no_battery_pass() -> None:
    assert is_battery_pass(read_json(PASS.read_bytes()))
    assert not is_battery_pass({"assetAdministrationShells": []})
    assert not is_battery_pass([])
