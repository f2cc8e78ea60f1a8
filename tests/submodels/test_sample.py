"""The sample battery EV-72 is consistent in itself, complete, and every leaf of it can be told apart on the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scripts.lib import sample
from submodels.aasx import open_zip, read_aasx
from submodels.audience import Audience, class_of
from submodels.check import check, missing
from submodels.documents import KINDS, entry_identifiers, kinds_referred
from submodels.folder import read_folder
from submodels.passport import Passport
from submodels.table import PARTS, elements
from submodels.value import Number, walk

PLACE = sample.HERE / sample.MODEL
FILES = {path.relative_to(PLACE).as_posix(): path.read_bytes() for path in sorted(PLACE.rglob("*")) if path.is_file()}
BATCH = read_folder(FILES)
SERIALS = ("000017", "000018", "000019")
PASSPORTS = {serial: sample.passport(BATCH, serial) for serial in SERIALS}

each_item = pytest.mark.parametrize("serial", SERIALS)

# Leaves that hold one of a few words, by nature not unique; the leak check looks for their place instead of their text.
WORDS = {
    "nameplate/AddressInformation/NationalCode",
    "nameplate/LifeCycleStage",
    "handover/Documents/*/DocumentClassifications/*/ClassId",
    "handover/Documents/*/DocumentClassifications/*/ClassificationSystem",
    "handover/Documents/*/DocumentVersions/*/Language/*",
    "carbon/ProductCarbonFootprints/*/ReferenceImpactUnitForCalculation",
    "technical/GeneralInformation/BatteryCategory",
    "technical/GeneralInformation/WarrantyInformation/WarrantyPeriod",
    "circularity/SparePartSources/*/AddressOfSupplier/NationalCode",
    "circularity/SparePartSources/*/EmailAddressOfSupplier/TypeOfEmailAddress",
    "circularity/SparePartSources/*/EmailAddressOfSupplier/TypeOfPublicKey",
    "circularity/RecycledContentInformation/*/RecycledMaterial",
    "metadata/granularity",
    "metadata/dppStatus",
}

# Leaves that have to repeat another one: (the copy, the original).
SAME = {
    "technical/GeneralInformation/ManufacturerName": "nameplate/ManufacturerName",
    "technical/GeneralInformation/ManufacturerIdentifier": "nameplate/ManufacturerIdentifier",
    "metadata/uniqueProductIdentifier": "nameplate/URIOfTheProduct",
    "metadata/economicOperatorId": "nameplate/OperatorIdentifier",
    "metadata/facilityId": "nameplate/UniqueFacilityIdentifier",
}


def leaves(passport: Passport) -> Iterator[tuple[str, Any, Any]]:
    """(path template, element, value) of each leaf; a text in several languages gives one for each."""
    for part in PARTS:
        for path, element, value in walk(part, passport.parts[part]):
            template = "/".join((part, *("*" if step.isdigit() else step for step in path)))
            if element and element.kind == "MultiLanguageProperty":
                yield from ((template, element, text) for pair in value for text in pair.values())
            elif element and element.kind == "File":
                yield template, element, value["value"]
            else:
                yield template, element, value


def texts(passport: Passport) -> list[tuple[str, Any, str]]:
    """The text leaves that are to be unique: no words of a closed list, no copies, no references to documents."""
    return [
        (template, element, value)
        for template, element, value in leaves(passport)
        if type(value) is str and template not in WORDS and template not in SAME and not element.refers
    ]


def numbers(passport: Passport, *path: str) -> list[Decimal]:
    part, *names = path
    wanted = "/".join((part, *names))
    return [Decimal(value) for template, _, value in leaves(passport) if template == wanted]


def number(passport: Passport, *path: str) -> Decimal:
    (value,) = numbers(passport, *path)
    return value


TECHNICAL = ("technical", "TechnicalPropertyAreas")

# What an EV battery is not to fill (points 62, 65, 66), so that nothing is found wrong with it.
NOT_ASKED = {
    f"condition/{name}/{leaf}"
    for name in ("RemainingCapacity", "EvolutionOfSelfDischarge", "CurrentSelfDischargingRate", "OhmicResistance")
    for leaf in (f"{name}Value", "LastUpdate")
}


def test_the_committed_files_are_what_the_generator_makes() -> None:
    assert sample.folder() == FILES


def test_the_committed_package_is_what_the_generator_makes() -> None:
    committed = open_zip((sample.HERE / "EV-72.aasx").read_bytes())
    assert committed == open_zip(sample.package(BATCH, "000017"))  # entry by entry: zlib versions pack differently


def test_it_imports_without_a_finding() -> None:
    assert BATCH.findings == ()
    assert not BATCH.draft
    assert [battery.serial for battery in BATCH.batteries] == list(SERIALS)


@each_item
def test_nothing_is_found_wrong_with_it(serial: str) -> None:
    assert check(PASSPORTS[serial]) == ()


def test_every_element_of_the_table_has_a_value() -> None:
    filled = {element for part in PARTS for _, element, _ in walk(part, PASSPORTS["000017"].parts[part])}
    assert {element.template for part in PARTS for element in elements(part)} - {element.template for element in filled} == NOT_ASKED


@each_item
def test_it_lacks_no_mandatory_point(serial: str) -> None:
    assert missing(PASSPORTS[serial], date(2027, 2, 18)) == ()


def test_folder_and_package_say_the_same_of_a_battery() -> None:
    batch = read_aasx((sample.HERE / "EV-72.aasx").read_bytes())
    assert batch.findings == ()
    assert sample.passport(batch, "000017") == PASSPORTS["000017"]
    assert {each.filename: each.content for each in batch.documents} == {each.filename: each.content for each in BATCH.documents}


def test_masses_add_up_to_the_batterys() -> None:
    passport = PASSPORTS["000017"]
    masses = numbers(passport, "materials", "BatteryMaterials", "*", "BatteryMaterialMass")
    assert sum(masses) == number(passport, "technical", "GeneralInformation", "BatteryMass")


@each_item
def test_energies_are_voltage_times_capacity(serial: str) -> None:
    passport = PASSPORTS[serial]
    area = (*TECHNICAL, "CapacityEnergyVoltage")
    voltage, capacity = number(passport, *area, "NominalVoltage"), number(passport, *area, "RatedCapacity")
    energy = number(passport, *area, "CertifiedUsableBatteryEnergy")
    assert abs(voltage * capacity / 1000 - energy) < Decimal("0.01")
    assert number(passport, *area, "MinVoltage") < voltage < number(passport, *area, "MaxVoltage")
    power = number(passport, *TECHNICAL, "PowerCapability", "MaximumPermittedBatteryPower")
    ratio = number(passport, *TECHNICAL, "PowerCapability", "RatioNominalBatteryPowerAndBatteryEnergy")
    assert abs(power / (energy * 1000) - ratio) < Decimal("0.001")
    assert abs(number(passport, "condition", "CapacityThroughput", "CapacityThroughputValue") * voltage / 1000
               - number(passport, "condition", "EnergyThroughput", "EnergyThroughputValue")) < Decimal("0.01")  # fmt: skip


@each_item
def test_what_is_left_is_what_was_there_less_what_was_lost(serial: str) -> None:
    passport = PASSPORTS[serial]
    area = (*TECHNICAL, "CapacityEnergyVoltage")
    energy, capacity = number(passport, *area, "CertifiedUsableBatteryEnergy"), number(passport, *area, "RatedCapacity")
    certified = number(passport, "condition", "StateOfCertifiedEnergy", "StateOfCertifiedEnergyValue")
    assert abs(energy * certified / 100 - number(passport, "condition", "RemainingEnergy", "RemainingEnergyValue")) < Decimal("0.01")
    kept = 100 - number(passport, *area, "CapacityFade")
    assert certified < kept  # resistance costs energy beyond the capacity lost
    cycles = number(passport, "condition", "CapacityThroughput", "CapacityThroughputValue") / capacity
    assert int(cycles) == number(passport, "condition", "NumberOfFullCycles", "NumberOfFullCyclesValue")
    efficiency = number(passport, *TECHNICAL, "RoundTripEnergyEfficiency", "InitialRoundTripEnergyEfficiency")
    lost = number(passport, *TECHNICAL, "RoundTripEnergyEfficiency", "EnergyRoundTripEfficiencyFade")
    left = ("condition", "RemainingRoundTripEnergyEfficiency", "RemainingRoundTripEnergyEfficiencyValue")
    assert efficiency - lost == number(passport, *left)
    at = ("condition", "RemainingPowerCapability", "RemainingPowerCapabilityDynamicAt", "PowerCapabilityAt")
    assert 100 - number(passport, *TECHNICAL, "PowerCapability", "PowerFade") == number(passport, *at)
    initial = number(passport, *TECHNICAL, "Resistance", "InitialInternalResistanceOnBatteryPackLevel")
    increase = number(passport, *TECHNICAL, "Resistance", "InternalResistanceIncreaseOfBatteryPackLevel")
    resistance = number(passport, "condition", "InternalResistance", "InternalResistanceValue")
    assert abs(initial * (1 + increase / 100) - resistance) < Decimal("0.000001")
    assert abs(number(passport, "condition", "RatedCapacity", "RatedCapacityValue") / capacity - 1) < Decimal("0.005")


@each_item
def test_dates_are_in_order(serial: str) -> None:
    passport = PASSPORTS[serial]
    nameplate: Any = passport.parts["nameplate"]
    marked = [date.fromisoformat(mark["IssueDate"]) for mark in nameplate["Markings"]]
    made, used = (date.fromisoformat(nameplate[name]) for name in ("DateOfManufacture", "DateOfPuttingIntoService"))
    measured = [
        datetime.fromisoformat(value) for _, element, value in leaves(passport) if element.part == "condition" and "T" in str(value)[:11]
    ]
    metadata: Any = passport.parts["metadata"]
    days = [max(marked), made, used, min(measured).date(), max(measured).date(), datetime.fromisoformat(metadata["lastUpdate"]).date()]
    assert days == sorted(days)
    assert max(measured) < datetime.fromisoformat(metadata["lastUpdate"])
    assert all(
        date.fromisoformat(mark["IssueDate"]) < date.fromisoformat(mark["ExpiryDate"])
        for mark in nameplate["Markings"]
        if "ExpiryDate" in mark
    )


@each_item
def test_references_to_documents_resolve(serial: str) -> None:
    passport = PASSPORTS[serial]
    handover: Any = passport.parts["handover"]
    entries = {identifier for entry in handover["Documents"] for identifier in entry_identifiers(entry)}
    listed = {document.identifier: document for document in passport.documents}
    assert entries == set(listed)
    assert {document.kind for document in listed.values()} == set(KINDS)
    for identifier, kinds in kinds_referred(passport.parts).items():
        assert kinds == {listed[identifier].kind}
    held = {document.filename for document in passport.documents}
    assert {
        value for template, _, value in leaves(passport) if template.startswith("handover/") and template.endswith("DigitalFiles/*")
    } == held


def test_every_text_leaf_is_unique() -> None:
    for passport in PASSPORTS.values():
        assert [text for text, often in Counter(value for _, _, value in texts(passport)).items() if often > 1] == []
    own = {serial: {(template, value) for template, _, value in texts(passport)} for serial, passport in PASSPORTS.items()}
    shared = set.intersection(*own.values())
    for one, other in pairwise([*SERIALS, SERIALS[0]]):
        assert own[one] & own[other] == shared  # what two items share all three do: it is the model's


def test_no_text_leaf_hides_inside_another() -> None:
    """A search for one leaf must not be answered by another one; serial numbers stand in public identifiers by design."""
    every = {(template, value) for passport in PASSPORTS.values() for template, _, value in texts(passport)}
    inside = {(a, b) for a, x in every for b, y in every if x != y and x in y and not a.endswith(("/SerialNumber", "/Zipcode"))}
    assert inside == set()


@each_item
def test_copies_equal_their_originals(serial: str) -> None:
    said: dict[str, Any] = {template: value for template, _, value in leaves(PASSPORTS[serial])}
    assert {copy for copy, original in SAME.items() if said[copy] != said[original]} == set()


def test_every_measured_number_is_distinctive() -> None:
    found = {
        (template, value)
        for passport in PASSPORTS.values()
        for template, element, value in leaves(passport)
        if isinstance(value, Number) and element.value_type in ("xs:float", "xs:double", "xs:decimal")
    }
    counted = {"carbon/ProductCarbonFootprints/*/QuantityOfMeasureForCalculation"}  # one piece
    found -= {("circularity/RecycledContentInformation/*/PostConsumerShare", "0")}  # of lead, which is public
    assert [value for template, value in found if template not in counted and len(value.replace(".", "").lstrip("-0")) < 4] == []
    repeated = [value for value, often in Counter(value for template, value in found if template not in counted).items() if often > 1]
    assert repeated == []


def test_each_document_is_a_pdf_with_a_code_of_its_own() -> None:
    codes = [paper.code.encode() for paper in sample.PAPERS]
    assert len(set(codes)) == len(KINDS)
    for document, paper in zip(BATCH.documents, sample.PAPERS, strict=True):
        assert document.content.startswith(b"%PDF-1.4\n")
        assert document.content.rstrip().endswith(b"%%EOF")
        assert [code for code in codes if code in document.content] == [paper.code.encode()]


def test_public_documents_hold_no_restricted_text() -> None:
    passport = PASSPORTS["000017"]
    for document in BATCH.documents:
        if KINDS[document.kind].audience is Audience.PUBLIC:
            restricted = [
                value for _, element, value in texts(passport) if class_of(element, {}) is not Audience.PUBLIC and not element.by_document
            ]
            assert [value for value in restricted if value.encode("cp1252", "ignore") in document.content] == []


def test_the_cross_reference_table_of_each_pdf_points_at_its_objects() -> None:
    for document in BATCH.documents:
        data = document.content
        start = int(data.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
        rows = data[start:].split(b"\n")[3:]
        places = [int(row[:10]) for row in rows if row.endswith(b" n ")]
        assert [data[place:].split(b" ", 1)[0] for place in places] == [str(each + 1).encode() for each in range(len(places))]


def test_the_sample_lies_where_the_demo_looks_for_it() -> None:
    assert Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72" == PLACE
