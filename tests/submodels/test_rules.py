"""Every rule of the check catches a passport that breaks only that rule; a complete passport of each category breaks none."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from scripts.lib import sample
from submodels.documents import entry_identifiers
from submodels.errors import Finding
from submodels.folder import read_folder
from submodels.judge import Report, Standing
from submodels.passport import Passport
from submodels.points import CATEGORIES, Status, points, status
from submodels.provenance import Layer
from submodels.rules import RULES
from submodels.thorough import judged
from submodels.value import Number

DAY = date(2027, 2, 18)
BATCH = read_folder(sample.folder())
WHOLE = sample.passport(BATCH, "000017")
HAZARDS, MATERIALS = "HazardousSubstances", "BatteryMaterials"
MEASURED = {"LastUpdate": "2026-11-12T09:00:00Z"}

Parts = dict[str, Any]


def _n(token: str) -> Number:
    return Number(token)


def complete(category: str) -> Passport:
    """A passport that has everything asked of its category, and nothing that is not to be filled."""
    parts: Parts = copy.deepcopy(dict(WHOLE.parts))
    parts["technical"]["GeneralInformation"]["BatteryCategory"] = category
    if category != "ev":
        del parts["technical"]["TechnicalPropertyAreas"]["Lifetime"]["CapacityThresholdExhaustion"]
        del parts["condition"]["StateOfCertifiedEnergy"]
        parts["condition"] |= {
            "RemainingCapacity": {"RemainingCapacityValue": _n("187.58"), **MEASURED},
            "EvolutionOfSelfDischarge": {"EvolutionOfSelfDischargeValue": _n("0.3172"), **MEASURED},
            "CurrentSelfDischargingRate": {"CurrentSelfDischargingRateValue": _n("2.285"), **MEASURED},
            "OhmicResistance": {"OhmicResistanceValue": _n("0.0843"), **MEASURED},
        }
    return replace(WHOLE, category=category, parts=parts)


def layers_of(parts: Mapping[str, Any], level: str = "item") -> list[Layer]:
    return [Layer(level=level, owner="EV-72.000017", part=part, tree=tree) for part, tree in parts.items()]


def broken_by(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


@pytest.mark.parametrize("category", CATEGORIES)
def test_nothing_is_found_wrong_with_a_complete_passport_of_each_category(category: str) -> None:
    report = judged(complete(category), DAY, layers_of(complete(category).parts))
    assert report.findings == ()
    assert report.complete
    standings = {verdict.point.number: verdict.standing for verdict in report.verdicts}
    assert {number for number, standing in standings.items() if standing is Standing.WITHHELD} == {17, 18, 19}
    assert not {Standing.MISSING, Standing.INVALID, Standing.UNWANTED} & set(standings.values())
    asked = {number for number in points() if status(number, category, DAY) is Status.MANDATORY}
    assert all(standings[number] is Standing.PRESENT for number in asked)


@pytest.mark.parametrize("serial", ["000017", "000018", "000019"])
def test_each_battery_of_the_sample_is_a_complete_ev_passport(serial: str) -> None:
    layers = [
        Layer(level="item" if each.owner else "model", owner=each.owner or "EV-72", part=each.part, tree=each.tree)
        for each in BATCH.layers
        if each.owner in ("", serial)
    ]
    assert judged(sample.passport(BATCH, serial), DAY, layers).findings == ()


# --- one mutation for each rule ----------------------------------------------------------------------


def _set(*path: str | int, to: object) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        at: Any = parts
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        at: Any = parts
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]

    return change


def _add(*path: str | int, value: object) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        at: Any = parts
        for step in path:
            at = at[step]
        at.append(value)

    return change


AREAS = ("technical", "TechnicalPropertyAreas")
GENERAL = ("technical", "GeneralInformation")
LEAD = {"HazardousSubstanceName": "Lead solder", "HazardousSubstanceIdentifier": "7439-92-1", "HazardousSubstanceConcentration": _n("0.01")}

BROKEN: Mapping[str, Callable[[Parts], None]] = {
    "name.unknown": _set("nameplate", "SerialNumer", to="000017"),
    "type": _set(*GENERAL, "BatteryMass", to="412.37"),
    "range": _set("condition", "StateOfCharge", "StateOfChargeValue", to=_n("143.71")),
    "word": _set("nameplate", "LifeCycleStage", to="brand new"),
    "text.languages": _set("nameplate", "ManufacturerName", to=[{"en": True}]),
    "text.tag": _set("nameplate", "ManufacturerName", to=[{"english language": "Halden Cells"}]),
    "text.twice": _set("nameplate", "ManufacturerName", to=[{"en": "Halden Cells"}, {"en": "Halden"}]),
    "text.none": _set("handover", "Documents", 0, "DocumentVersions", 0, "Subtitle", to=[]),
    "text.blank": _set("nameplate", "Markings", 0, "DesignationOfCertificateOrApproval", to=" "),
    "file.shape": _set("nameplate", "Markings", 0, "MarkingFile", to={"contentType": "image/png", "path": "ce.png"}),
    "file.type": _set("nameplate", "Markings", 0, "MarkingFile", to={"contentType": "picture", "value": "ce.png"}),
    "time.zone": _set("condition", "StateOfCharge", "LastUpdate", to="2026-11-12T08:41:07"),
    "duration": _set(*GENERAL, "WarrantyInformation", "WarrantyPeriod", to="8 years"),
    # The only lists that no data point asks for are those of the footprint, which is pending.
    "list.shape": _set("carbon", "ProductCarbonFootprints", 0, "LifeCyclePhases", to="A3 - production"),
    "list.empty": _set("carbon", "ProductCarbonFootprints", 0, "LifeCyclePhases", to=[]),
    "collection.shape": _set("condition", "EnergyThroughput", to=[]),
    "element.missing": _drop("carbon", "ProductCarbonFootprints", 0, "QuantityOfMeasureForCalculation"),
    "order.voltage": _set(*AREAS, "CapacityEnergyVoltage", "MinVoltage", to=_n("352.33")),
    "order.temperature": _set(*AREAS, "Temperature", "TemperatureRangeIdleState_LowerBoundary", to=_n("58.76")),
    "order.efficiency": _set(*AREAS, "RoundTripEnergyEfficiency", "RoundTripEnergyEfficiencyAt50PercentOfCycleLife", to=_n("96")),
    "order.power": _set(*AREAS, "PowerCapability", "OriginalPowerCapability", 0, "powerCapabilityAt", to=_n("150270.6")),
    "sum.mass": _set("materials", MATERIALS, 0, "BatteryMaterialMass", to=_n("400")),
    "sum.share": _set("circularity", "RecycledContentInformation", 0, "PostConsumerShare", to=_n("90.6")),
    "share.twice": _add("circularity", "RecycledContentInformation", value={"RecycledMaterial": "cobalt", "PreConsumerShare": _n("1.5")}),
    "energy.certified": _set(*AREAS, "CapacityEnergyVoltage", "CertifiedUsableBatteryEnergy", to=_n("80.5")),
    "energy.remaining": _set("condition", "RemainingEnergy", "RemainingEnergyValue", to=_n("187.6")),
    "capacity.remaining": _set("condition", "RemainingCapacity", to={"RemainingCapacityValue": _n("65572"), **MEASURED}),
    "date.service": _set("nameplate", "DateOfPuttingIntoService", to="2024-03-13"),
    "date.marking": _set("nameplate", "Markings", 1, "ExpiryDate", to="2024-02-06"),
    "date.measured": _set("condition", "StateOfCharge", "LastUpdate", to="2023-11-12T08:41:07Z"),
    "same.manufacturer": _set(*GENERAL, "ManufacturerIdentifier", to="https://id.example/1"),
    "same.product": _set("metadata", "uniqueProductIdentifier", to="https://id.example/2"),
    "same.facility": _set("metadata", "facilityId", to="https://id.example/3"),
    "same.operator": _set("metadata", "economicOperatorId", to="https://id.example/4"),
    "same.category": _set(*GENERAL, "BatteryCategory", to="stationary"),
    "marking.heavy-metal": _add("materials", HAZARDS, value=LEAD),
    "document.missing": _add("nameplate", "EUDeclarationOfConformity", value="HC-DC-9999"),
    "metamodel": _set("nameplate", "Markings", 0, "MarkingAdditionalText", to="a bell \x07 rings"),
}

# Broken by something other than one change of one part: each has a test of its own below.
OTHERWISE = {
    "date.future", "document.kind", "document.language", "document.type", "level.item", "level.public", "counter.falls", "time.falls",
    "identity.changes",
}  # fmt: skip


def test_every_rule_of_the_table_is_broken_by_a_test() -> None:
    assert set(BROKEN) | OTHERWISE == set(RULES)


def _broken(rule: str) -> Passport:
    whole = complete("lmt" if rule == "capacity.remaining" else "ev")
    parts = copy.deepcopy(dict(whole.parts))
    BROKEN[rule](parts)
    return replace(whole, parts=parts)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_catches_a_passport_that_breaks_only_it(rule: str) -> None:
    report = judged(_broken(rule), DAY)
    assert broken_by(report) == {rule}, report.findings
    (found,) = report.findings
    assert found.what and found.where and found.severity == RULES[rule][0]
    assert found.next or rule == "metamodel"
    assert report.complete == (found.severity == "warning")


def test_a_battery_made_after_the_day_of_the_check_is_found() -> None:
    assert broken_by(judged(WHOLE, date(2024, 3, 13))) == {"date.future"}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("document.kind", {"kind": "dismantling-manual"}),
        ("document.language", {"language": "the english one"}),
        ("document.type", {"media_type": "text/html"}),
    ],
)
def test_a_document_that_nobody_could_use_is_found(rule: str, change: dict[str, str]) -> None:
    documents = [replace(each, **change) if each.kind == "safety-measures" else each for each in WHOLE.documents]  # type: ignore[arg-type]
    assert broken_by(judged(replace(WHOLE, documents=tuple(documents)), DAY)) == {rule}


def test_what_changes_with_a_battery_is_told_by_the_battery() -> None:
    fade: Parts = {"TechnicalPropertyAreas": {"CapacityEnergyVoltage": {"CapacityFade": _n("8.427")}}}
    item = {part: tree for part, tree in WHOLE.parts.items() if part != "technical"}
    layers = [*layers_of(item), *layers_of({"technical": fade}, "model")]
    (found,) = judged(WHOLE, DAY, layers).findings
    assert (found.rule, found.point, found.where) == (
        "level.item",
        52,
        "technical/TechnicalPropertyAreas/CapacityEnergyVoltage/CapacityFade",
    )
    assert "write it there" in found.next


def test_a_batch_may_tell_the_day_of_manufacture_but_no_serial_number() -> None:
    layers = layers_of({"nameplate": {"DateOfManufacture": "2024-03-14", "SerialNumber": "000017"}}, "batch")
    assert [(each.rule, each.point) for each in judged(WHOLE, DAY, layers).findings] == [("level.item", 7)]


def test_an_item_lays_no_value_over_what_is_public_of_its_model() -> None:
    cycles: Parts = {"TechnicalPropertyAreas": {"Lifetime": {"ExpectedNumberOfCycles": _n("1637")}}}
    less: Parts = {"TechnicalPropertyAreas": {"Lifetime": {"ExpectedNumberOfCycles": _n("1624")}}}
    assert judged(WHOLE, DAY, [*layers_of({"technical": cycles}, "model"), *layers_of({"technical": cycles})]).findings == ()
    found = judged(WHOLE, DAY, [*layers_of({"technical": cycles}, "model"), *layers_of({"technical": less})]).findings
    assert [each.rule for each in found] == ["level.public"]


# --- against the version before ------------------------------------------------------------------------


def _since(change: Callable[[Parts], None]) -> tuple[Finding, ...]:
    parts = copy.deepcopy(dict(WHOLE.parts))
    change(parts)
    return judged(replace(WHOLE, parts=parts), DAY, before=WHOLE.parts).findings


@pytest.mark.parametrize(
    "counter",
    [
        ("EnergyThroughput", "EnergyThroughputValue"),
        ("CapacityThroughput", "CapacityThroughputValue"),
        ("NumberOfFullCycles", "NumberOfFullCyclesValue"),
        ("TemperatureInformation", "TimeExtremeHighTemp"),
        ("TemperatureInformation", "TimeExtremeLowTemp"),
        ("TemperatureInformation", "TimeExtremeHighTempCharging"),
        ("TemperatureInformation", "TimeExtremeLowTempCharging"),
    ],
)
def test_a_counter_never_falls(counter: tuple[str, str]) -> None:
    (found,) = _since(_set("condition", *counter, to=_n("1")))
    assert (found.rule, found.where) == ("counter.falls", f"condition/{'/'.join(counter)}")
    assert _since(_set("condition", *counter, to=_n("999999"))) == ()


def test_a_counter_may_begin_again_with_a_repair() -> None:
    def repaired(parts: Parts) -> None:
        parts["nameplate"]["LifeCycleStage"] = "remanufactured"
        parts["condition"]["NumberOfFullCycles"]["NumberOfFullCyclesValue"] = _n("0")

    assert _since(repaired) == ()
    parts = copy.deepcopy(dict(WHOLE.parts))
    repaired(parts)
    again = copy.deepcopy(parts)
    parts["condition"]["NumberOfFullCycles"]["NumberOfFullCyclesValue"] = _n("3")
    found = judged(replace(WHOLE, parts=again), DAY, before=parts).findings
    assert [each.rule for each in found] == ["counter.falls"]  # it was repaired before: no reason to fall now


def test_a_reading_is_not_older_than_the_one_it_replaces() -> None:
    assert [each.rule for each in _since(_set("condition", "StateOfCharge", "LastUpdate", to="2026-11-01T08:41:07Z"))] == ["time.falls"]


def test_what_identifies_a_battery_stays() -> None:
    assert [each.rule for each in _since(_set("nameplate", "DateOfManufacture", to="2024-03-13"))] == ["identity.changes"]


# --- data points ---------------------------------------------------------------------------------------


def _cut(passport: Passport, template: str) -> Passport:
    """The passport without what stands at a template: a leaf, or a kind of document."""
    part, _, path = template.partition("/")
    if part == "documents":
        gone = {each.identifier for each in passport.documents if each.kind == path}
        listed: Any = passport.parts["handover"]
        entries = [each for each in listed["Documents"] if not gone & set(entry_identifiers(each))]
        documents = tuple(each for each in passport.documents if each.kind != path)
        return replace(passport, documents=documents, parts={**passport.parts, "handover": {"Documents": entries}})
    if part == "passport":
        return replace(passport, model="")

    def cut(value: Any, steps: list[str]) -> Any:
        if steps[0] == "*":
            return [cut(each, steps[1:]) for each in value] if steps[1:] else []
        if len(steps) == 1 or (steps[1:] == ["*"] and isinstance(value.get(steps[0]), list)):
            return {key: each for key, each in value.items() if key != steps[0]}
        return {**value, steps[0]: cut(value[steps[0]], steps[1:])} if steps[0] in value else value

    parts = {key: cut(tree, path.split("/")) if key == part else tree for key, tree in passport.parts.items()}
    return replace(passport, parts=parts)


def _without_entries(passport: Passport, template: str, words: tuple[str, ...]) -> Passport:
    part, name, _, leaf = template.split("/")
    tree: Any = passport.parts[part]
    kept = [each for each in tree[name] if not any(word in each[leaf].lower() for word in words)]
    return replace(passport, parts={**passport.parts, part: {**tree, name: kept}})


MANDATORY = [
    (category, number)
    for category in ("ev", "lmt", "industrial")
    for number in points()
    if status(number, category, DAY) is Status.MANDATORY
]


@pytest.mark.parametrize(("category", "number"), MANDATORY, ids=lambda value: str(value))
def test_a_missing_point_is_the_only_thing_found(category: str, number: int) -> None:
    point, whole = points()[number], complete(category)
    for group in point.homes:
        broken = whole
        for place in group:
            broken = _without_entries(broken, point.entry, point.words) if point.entry else _cut(broken, place)
        report = judged(broken, DAY)
        shared = {other for other in points() if set(group) & {place for each in points()[other].homes for place in each}}
        shared = {each for each in shared if status(each, category, DAY) is Status.MANDATORY and points()[each].entry == point.entry}
        if point.entry:
            shared = {number}
        assert broken_by(report) == {f"point.{each}" for each in shared}, report.findings
        standings = {verdict.point.number: verdict.standing for verdict in report.verdicts}
        assert all(standings[each] is Standing.MISSING for each in shared)
        assert not report.complete


UNWANTED = [
    (category, number)
    for category in ("ev", "lmt", "industrial")
    for number in points()
    if status(number, category, DAY) is Status.NOT_TO_BE_FILLED and points()[number].homes
]


@pytest.mark.parametrize(("category", "number"), UNWANTED, ids=lambda value: str(value))
def test_what_is_not_to_be_filled_is_found_where_no_other_point_asks_for_it(category: str, number: int) -> None:
    full, whole = complete("lmt" if category == "ev" else "ev"), complete(category)
    asked = {
        place
        for other, point in points().items()
        for place in point.places
        if status(other, category, DAY) in (Status.MANDATORY, Status.CONDITIONAL, Status.OPTIONAL)
    }
    places = [place for place in points()[number].places if place not in asked]
    parts: Parts = copy.deepcopy(dict(whole.parts))
    for place in points()[number].places:
        part, *steps = place.split("/")
        at, other = parts[part], full.parts[part]
        for step in steps[:-1]:
            other = other[step]  # type: ignore[index, call-overload]
            at = at.setdefault(step, copy.deepcopy(other) if steps[-2] == step else {})
        at[steps[-1]] = other[steps[-1]]  # type: ignore[index, call-overload]
    report = judged(replace(whole, parts=parts), DAY)
    assert broken_by(report) == ({f"unwanted.{number}"} if places else set())
    assert report.complete  # a warning: it harms nobody
    standing = next(verdict.standing for verdict in report.verdicts if verdict.point.number == number)
    assert standing is (Standing.UNWANTED if places else Standing.ABSENT)


def test_a_wrong_value_makes_its_point_invalid_and_no_other() -> None:
    report = judged(_broken("range"), DAY)
    assert [verdict.point.number for verdict in report.verdicts if verdict.standing is Standing.INVALID] == [71]


def test_a_conditional_point_that_is_absent_says_its_condition() -> None:
    report = judged(_cut(complete("ev"), "technical/GeneralInformation/WarrantyInformation/WarrantyPeriod"), DAY)
    (verdict,) = [each for each in report.verdicts if each.point.number == 35]
    assert (verdict.status, verdict.standing) == (Status.CONDITIONAL, Standing.ABSENT)
    assert verdict.next.endswith("where a warranty of the calendar life is given")
