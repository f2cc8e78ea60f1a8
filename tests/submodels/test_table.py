"""The element table: complete, classified, and equal to the published templates where those are at hand."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submodels.documents import KINDS
from submodels.table import (
    CEILINGS,
    LIST,
    PARTS,
    SEES,
    Audience,
    Element,
    containers,
    element,
    elements,
    every_element,
    part_of,
    rows,
    submodel,
    tree,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published templates and tables are not beside this checkout (../shared/data)"
)

PART_OF = {
    "1": "nameplate",
    "2": "handover",
    "3": "carbon",
    "4": "technical",
    "5": "condition",
    "6": "materials",
    "7": "circularity",
    "D": "metadata",
}
NEWEST = {
    "nameplate": "part1-nameplate-1.1",
    "handover": "part2-handover-1.1",
    "carbon": "part3-carbon-1.0",
    "technical": "part4-technical-1.0.2",
    "condition": "part5-condition-1.0.2",
    "materials": "part6-materials-1.0.1",
    "circularity": "part7-circularity-1.0.2",
    "metadata": "dpp-metadata-02099-1-1.0.1",
}
DROP_IN = "nameplate/AddressInformation/Email"  # of IDTA 02002; the published table of containers has no row for it


def test_the_table_holds_166_rows_and_all_containers() -> None:
    leaves = [len([each for each in elements(part) if not each.own]) for part in PARTS]
    assert sum(leaves) - len(elements("metadata")) == 145
    assert len(elements("metadata")) == 9
    assert len(KINDS) == 12
    assert sum(len([each for each in containers(part) if not each.own]) for part in PARTS) == 73 + 1
    assert element("nameplate", ["AddressInformation", "Email"]) is not None
    assert len({submodel(part).semantic_id for part in PARTS}) == 8


def test_every_leaf_has_a_class_or_takes_that_of_its_document() -> None:
    assert Counter(each.audience for each in every_element()) == {
        Audience.PUBLIC: 69 + 9 + 2,
        Audience.BOTH: 18,
        Audience.LEGITIMATE: 43 + 8,
        Audience.AUTHORITIES: 1,
        None: 12,
    }
    assert all(each.by_document == (each.part == "handover") == (each.audience is None) for each in every_element())


def test_only_what_the_law_leaves_open_is_decided_by_us() -> None:
    for row in rows("decided.csv"):
        found = element(row["part"], row["path"][1:].split("/"))
        assert found is not None and not found.annex, row
        assert row["why"]
        assert row["class"] == ("document" if found.by_document else found.audience)
    decided = {row["part"] + row["path"] for row in rows("decided.csv")}
    given = {row["path"] for name in (*PARTS, "own") for row in rows(f"{name}.csv") if row["annex"] or row["access"]}
    assert {each.template for each in every_element() if each.pointer not in given} <= decided


def test_elements_of_our_own_say_why_and_take_no_name_of_a_template() -> None:
    own = [each for part in PARTS for each in (*elements(part), *containers(part)) if each.own]
    assert len(own) == len(rows("own.csv")) == 12
    assert all(row["why"] for row in rows("own.csv"))
    assert {each.part for each in own} == {"condition"}
    assert all(each.semantic_id.startswith("https://w3id.org/saltbridge/v1/") for each in own)
    assert all(each.audience is Audience.LEGITIMATE and each.level == "individual" for each in own if not each.container)


def test_the_lattice_is_that_of_article_77() -> None:
    points = {Audience.PUBLIC: "1", Audience.BOTH: "2", Audience.AUTHORITIES: "3", Audience.LEGITIMATE: "4"}
    seen = {ceiling: "".join(sorted(points[each] for each in SEES[ceiling])) for ceiling in CEILINGS}
    assert seen == {"public": "1", "legitimate-interest": "124", "authorities": "123", "contract": "1234"}


@pytest.mark.parametrize("part", PARTS)
def test_names_and_aliases_never_meet(part: str) -> None:
    def check(node: Any) -> None:
        assert not node.children.keys() & node.aliases.keys()
        assert not (node.children and node.item)
        if node.element is not None:
            assert node.element.container == bool(node.children or node.item)
            assert (node.element.kind == LIST) == (node.item is not None)
        for below in (*node.children.values(), *([node.item] if node.item else [])):
            check(below)

    check(tree(part))
    assert all(element(part, [segment.replace("*", "7") for segment in each.path]) is each for each in elements(part))


def test_older_names_are_no_names() -> None:
    area = ["TechnicalPropertyAreas", "PowerCapability"]
    assert element("technical", [*area, "RatioNorminalBatteryPowerAndBatteryEnergy"]) is None
    newest = element("technical", [*area, "RatioNominalBatteryPowerAndBatteryEnergy"])
    assert newest is not None and "RatioNorminalBatteryPowerAndBatteryEnergy" in newest.aliases


def test_a_part_is_recognised_by_any_patch_of_its_ids() -> None:
    condition = "urn:samm:io.admin-shell.idta.batterypass.product_condition"
    assert {part_of(f"{condition}:1.0.{patch}#ProductCondition") for patch in range(4)} == {"condition"}
    assert part_of("unknown", submodel("carbon").semantic_id) == "carbon"
    assert part_of("urn:samm:io.catenax.pcf:6.0.0#Pcf") is None


# --- against what is published ----------------------------------------------------------------------


def _published_rows() -> list[dict[str, str]]:
    with (SHARED / "battery" / "elements.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _pointer(row: dict[str, str]) -> str:
    path = row["path"].replace("[*]", ".*").replace(".", "/").replace("RatioNorminal", "RatioNominal")
    return f"{PART_OF[row['part'][0]]}/{path}"


@needs_shared
def test_the_table_says_what_the_published_rows_say() -> None:
    access = {"public": "public", "legitimate_interest": "legitimate-interest", "authorities_and_commission": "authorities", "": ""}
    published = [row for row in _published_rows() if "where document" not in row["path"]]
    ours = {f"{part}{row['path']}": row for part in PARTS for row in rows(f"{part}.csv")}
    assert {_pointer(row) for row in published} == {each.template for each in every_element() if not each.own}
    for row in published:
        own = ours[_pointer(row)]
        assert (own["kind"], own["cardinality"]) == (row["element_type"], row["cardinality"]), row["path"]
        assert (own["annex"], own["access"]) == (row["annex_xiii_point"], access[row["access"]]), row["path"]
        assert (own["level"], own["behaviour"]) == (row["level"], row["behaviour"]), row["path"]
        # One unit was corrected after the published table was made (02035-5 1.0.2: remaining capacity is Ah).
        assert own["unit"] == ("Ah" if row["path"] == "RemainingCapacity.RemainingCapacityValue" else row["unit"]), row["path"]


@needs_shared
def test_the_twelve_kinds_say_what_the_published_rows_say() -> None:
    published = {row["path"].partition(" = ")[2]: row for row in _published_rows() if "where document" in row["path"]}
    ours = {row["source"]: row for row in rows("documents.csv")}
    assert ours.keys() == published.keys()
    for source, row in published.items():
        assert ours[source]["annex"] == row["annex_xiii_point"]
        assert ours[source]["access"] == {"authorities_and_commission": "authorities", "legitimate_interest": "legitimate-interest"}.get(
            row["access"], row["access"]
        )


@needs_shared
def test_all_published_containers_are_there() -> None:
    with (SHARED / "battery" / "containers.csv").open(encoding="utf-8", newline="") as stream:
        published = list(csv.DictReader(stream))
    assert {row["part"]: row["semantic_id"] for row in published if not row["path"]} == {part: submodel(part).semantic_id for part in PARTS}
    inner = {row["part"] + row["path"]: row for row in published if row["path"]}
    ours = {each.template: each for part in PARTS for each in containers(part) if not each.own}
    assert ours.keys() == inner.keys() | {DROP_IN}
    for template, row in inner.items():
        each = ours[template]
        assert (each.kind, each.cardinality, each.semantic_id) == (row["element_type"], row["cardinality"], row["semantic_id"])
        assert (each.item_kind, each.value_type, each.ordered) == (
            row["list_element_type"],
            row["list_value_type"],
            row["order_relevant"] != "no",
        )


def _template(name: str) -> dict[str, Any]:
    found = json.loads((SHARED / "idta-02035" / "templates" / f"{name}.json").read_text(encoding="utf-8"))
    submodel_found: dict[str, Any] = found["submodels"][0]
    return submodel_found


def _template_elements(found: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    def below(each: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        yield path, each
        if each["modelType"].startswith("SubmodelElement"):
            for child in each.get("value", []):
                yield from below(child, (*path, "*" if each["modelType"] == LIST else child["idShort"]))

    for each in found["submodelElements"]:
        yield from below(each, (each["idShort"],))


def _semantic_id(each: dict[str, Any]) -> str:
    return "/".join(key["value"] for key in each["semanticId"]["keys"])


@needs_shared
@pytest.mark.parametrize("part", PARTS)
def test_names_types_and_ids_are_those_of_the_newest_template(part: str) -> None:
    found = _template(NEWEST[part])
    assert (submodel(part).id_short, submodel(part).semantic_id) == (found["idShort"], _semantic_id(found))
    seen = set()
    for path, each in _template_elements(found):
        own = element(part, path)
        assert own is not None, path
        assert (own.kind, own.semantic_id) == (each["modelType"], _semantic_id(each))
        if own.kind == "Property":
            assert own.value_type == each["valueType"]
        seen.add(own.template)
    missing = {each.template for each in (*elements(part), *containers(part)) if not each.own} - seen
    assert all(template.startswith("nameplate/AddressInformation/") for template in missing)  # the drop-in is empty in the template


@needs_shared
@pytest.mark.parametrize(
    "name", ["part1-nameplate-1.0", "part2-handover-1.0", "part4-technical-1.0.1", "part5-condition-1.0.1", "part7-circularity-1.0.1"]
)
def test_every_name_of_an_older_template_is_a_name_or_an_alias(name: str) -> None:
    part = PART_OF[name[4]]
    for path, _ in _template_elements(_template(name)):
        node = tree(part)
        for segment in path:
            below = node.step(node.aliases.get(segment, segment))
            assert below is not None, path
            node = below


def test_an_element_knows_its_template() -> None:
    found = element("materials", ["BatteryMaterials", "0", "BatteryMaterialName"])
    assert isinstance(found, Element)
    assert found.template == "materials/BatteryMaterials/*/BatteryMaterialName"
    assert found.public_when == ("IsCriticalRawMaterial", True)
