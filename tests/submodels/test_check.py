"""Validation: each rule finds its fault and is silent about what is right."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submodels.check import check
from submodels.documents import PassportDocument
from submodels.passport import Passport
from submodels.value import Tree, read_json


def _found(part: str, value: object, severity: str = "error", **others: object) -> list[str]:
    parts = {key: read_json(json.dumps(each)) for key, each in {part: value, **others}.items()}
    return [f"{finding.where}: {finding.what}" for finding in check(parts) if finding.severity == severity]


def _energy(**values: object) -> dict[str, object]:
    return {"TechnicalPropertyAreas": {"CapacityEnergyVoltage": values}}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("nameplate", {"SerialNumber": 17}),
        ("nameplate", {"SerialNumber": ["17"]}),
        ("nameplate", {"ManufacturerName": "Muster AG"}),
        ("nameplate", {"ManufacturerName": [{"de": 1}]}),
        ("nameplate", {"ManufacturerName": [{"not a tag": "x"}]}),
        ("nameplate", {"DateOfManufacture": "2026-02-30"}),
        ("nameplate", {"DateOfManufacture": "20260224"}),
        ("nameplate", {"DateOfManufacture": "2026-02"}),
        ("nameplate", {"URIOfTheProduct": "https://a b"}),
        ("nameplate", {"LifeCycleStage": "brand new"}),
        ("nameplate", {"Markings": {}}),
        ("nameplate", {"Markings": ["CE"]}),
        ("nameplate", {"AddressInformation": "Musterstrasse 1"}),
        ("nameplate", {"Markings": [{"MarkingFile": "ce.png"}]}),
        ("nameplate", {"Markings": [{"MarkingFile": {"value": "ce.png"}}]}),
        ("nameplate", {"Markings": [{"MarkingFile": {"value": "ce.png", "contentType": "picture"}}]}),
        ("technical", _energy(NominalVoltage="400")),
        ("technical", _energy(NominalVoltage=-400)),
        ("technical", {"TechnicalPropertyAreas": {"RoundTripEnergyEfficiency": {"InitialRoundTripEnergyEfficiency": 95.5}}}),
        ("technical", {"TechnicalPropertyAreas": {"RoundTripEnergyEfficiency": {"InitialRoundTripEnergyEfficiency": 101}}}),
        ("technical", {"TechnicalPropertyAreas": {"Lifetime": {"ExpectedNumberOfCycles": -1}}}),
        ("technical", {"TechnicalPropertyAreas": {"Temperature": {"TemperatureRangeIdleState_LowerBoundary": -300}}}),
        ("condition", {"StateOfCharge": {"StateOfChargeValue": 100.01}}),
        ("condition", {"StateOfCharge": {"LastUpdate": "yesterday"}}),
        ("materials", {"BatteryMaterials": [{"IsCriticalRawMaterial": "true"}]}),
        ("circularity", {"RenewableContent": -0.01}),
        ("metadata", {"granularity": "Pack"}),
        ("metadata", []),
    ],
)
def test_a_wrong_value_is_one_error(part: str, value: object) -> None:
    assert len(_found(part, value)) == 1, _found(part, value)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("nameplate", {"LifeCycleStage": "Original", "DateOfManufacture": "2026-02-28", "ManufacturerName": [{"de": "A"}, {"en-GB": "B"}]}),
        ("technical", _energy(MinVoltage=300, NominalVoltage=400.0, MaxVoltage=450, RatedCapacity=180, CertifiedUsableBatteryEnergy=72)),
        ("technical", {"TechnicalPropertyAreas": {"RoundTripEnergyEfficiency": {"InitialRoundTripEnergyEfficiency": 95}}}),
        ("technical", {"TechnicalPropertyAreas": {"Resistance": {"InternalResistanceIncreaseOfBatteryPackLevel": 130}}}),
        ("technical", {"TechnicalPropertyAreas": {"Temperature": {"TemperatureRangeIdleState_LowerBoundary": -40}}}),
        ("condition", {"StateOfCharge": {"StateOfChargeValue": 100, "LastUpdate": "2026-11-24T09:30:00Z"}, "InformationOnAccidents": []}),
        ("metadata", {"granularity": "Item", "dppStatus": "active"}),
    ],
)
def test_a_right_value_is_no_error(part: str, value: object) -> None:
    assert _found(part, value) == []


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        (
            {"technical": _energy(MinVoltage=401, NominalVoltage=400)},
            "technical/TechnicalPropertyAreas/CapacityEnergyVoltage/NominalVoltage",
        ),
        ({"technical": _energy(MinVoltage=401, MaxVoltage=400)}, "technical/TechnicalPropertyAreas/CapacityEnergyVoltage/MaxVoltage"),
        (
            {"technical": _energy(NominalVoltage=400, RatedCapacity=180, CertifiedUsableBatteryEnergy=80)},
            "technical/TechnicalPropertyAreas/CapacityEnergyVoltage/CertifiedUsableBatteryEnergy",
        ),
        (
            {
                "technical": {
                    "TechnicalPropertyAreas": {
                        "Temperature": {"TemperatureRangeIdleState_LowerBoundary": 49, "TemperatureRangeIdleState_UpperBoundary": -19}
                    }
                }
            },
            "technical/TechnicalPropertyAreas/Temperature/TemperatureRangeIdleState_UpperBoundary",
        ),
        (
            {
                "technical": {"GeneralInformation": {"BatteryMass": 450}},
                "materials": {"BatteryMaterials": [{"BatteryMaterialMass": 300.5}, {"BatteryMaterialMass": 149.51}]},
            },
            "materials/BatteryMaterials",
        ),
        (
            {"circularity": {"RecycledContentInformation": [{"PreConsumerShare": 60, "PostConsumerShare": 40.1}]}},
            "circularity/RecycledContentInformation/0",
        ),
        (
            {"nameplate": {"DateOfManufacture": "2026-02-02", "DateOfPuttingIntoService": "2026-02-01"}},
            "nameplate/DateOfPuttingIntoService",
        ),
        ({"nameplate": {"Markings": [{}, {"IssueDate": "2026-02-02", "ExpiryDate": "2026-02-01"}]}}, "nameplate/Markings/1/ExpiryDate"),
        (
            {"nameplate": {"DateOfManufacture": "2026-02-02"}, "condition": {"StateOfCharge": {"LastUpdate": "2026-02-01T00:00:00Z"}}},
            "condition/StateOfCharge/LastUpdate",
        ),
        (
            {"nameplate": {"ManufacturerIdentifier": "A"}, "technical": {"GeneralInformation": {"ManufacturerIdentifier": "B"}}},
            "technical/GeneralInformation/ManufacturerIdentifier",
        ),
        (
            {"nameplate": {"URIOfTheProduct": "https://a.example/1"}, "metadata": {"uniqueProductIdentifier": "https://a.example/2"}},
            "metadata/uniqueProductIdentifier",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_an_error(parts: dict[str, object], where: str) -> None:
    found = [finding for finding in check({key: read_json(json.dumps(each)) for key, each in parts.items()}) if finding.severity == "error"]
    assert [finding.where for finding in found] == [where]
    assert all(finding.what and finding.next for finding in found)


def test_the_random_example_values_of_a_schema_are_caught() -> None:
    found = _found("circularity", {"RenewableContent": -12143.4}) + _found(
        "materials", {"BatteryMaterials": [{"BatteryMaterialMass": -7283.6}]}
    )
    assert len(found) == 2


def test_what_the_template_asks_for_and_unknown_names_are_warnings() -> None:
    found = _found("materials", {"BatteryChemistry": {"ShortName": "NMC"}, "BatteryMaterials": [], "Other": {"a": 1}}, "warning")
    assert found == [
        "materials/Other/a: no such element; kept here, never given out",
        "materials/BatteryChemistry/ClearName: is missing, though its template asks for it",
        "materials/BatteryMaterials: has no element",
        "materials/HazardousSubstances: is missing, though its template asks for it",
    ]


def test_an_instant_without_a_zone_and_an_odd_duration_are_warnings() -> None:
    warnings = _found("condition", {"StateOfCharge": {"StateOfChargeValue": 1, "LastUpdate": "2026-11-24T09:30:00"}}, "warning")
    assert any("no time zone" in warning for warning in warnings)
    warnings = _found("technical", {"GeneralInformation": {"WarrantyInformation": {"WarrantyPeriod": "8 years"}}}, "warning")
    assert any("no duration" in warning for warning in warnings)


def _document(identifier: str, kind: str) -> PassportDocument:
    return PassportDocument(
        id=identifier, identifier=identifier, kind=kind, title="T", filename="a.pdf", media_type="application/pdf", size=1, sha256="00"
    )


def test_documents_that_nobody_would_get_are_reported() -> None:
    parts: dict[str, Tree] = {
        "nameplate": {"EUDeclarationOfConformity": ["D-1"], "ResultsOfTestReportsProvingCompliance": ["D-2", "D-4"]},
        "handover": {"Documents": [{"DocumentIds": [{"DocumentIdentifier": "D-3"}]}]},
    }
    passport = Passport(
        battery="EV-72.1",
        model="EV-72",
        category="ev",
        revision="1",
        parts=parts,
        documents=(_document("D-1", ""), _document("D-2", "dismantling-manual"), _document("D-5", "cycle-life-test")),
    )
    found = {finding.where: finding.what for finding in check(passport) if finding.where.startswith("documents/")}
    assert found == {
        "documents/D-4": "is referred to (test-reports) but not there",
        "documents/D-2": "is of several kinds (dismantling-manual, test-reports); given to nobody",
        "documents/D-3": "is of no known kind; given to nobody",
    }


@given(
    st.sampled_from(["nameplate", "handover", "technical", "condition", "materials", "circularity", "metadata"]),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.text(max_size=4), st.integers(-5, 5)),
        lambda below: st.one_of(
            st.lists(below, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    [
                        "Markings",
                        "IssueDate",
                        "Documents",
                        "DocumentIds",
                        "BatteryMaterials",
                        "StateOfCharge",
                        "LastUpdate",
                        "RecycledContentInformation",
                        "x",
                    ]
                ),
                below,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ),
)
def test_any_tree_can_be_checked(part: str, value: object) -> None:
    check({part: read_json(json.dumps(value)), "technical": read_json(json.dumps(value))})
