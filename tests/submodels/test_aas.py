"""AAS environments in and out: the official templates, foreign spellings, owners, and round trips under both metamodels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.sample import folder, passport
from submodels.aas import environment_to_batch, passport_to_environment
from submodels.batch import Batch
from submodels.errors import Invalid
from submodels.folder import read_folder
from submodels.passport import Passport, merge
from submodels.table import PARTS, element, elements, submodel
from submodels.value import Number, Tree, walk
from submodels.verify import problems

TEMPLATES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "idta-02035" / "templates"
OFFICIAL = sorted(TEMPLATES.glob("*.json"))
needs_templates = pytest.mark.skipif(not OFFICIAL, reason="the official templates (../shared/data/idta-02035) are not here")

SAMPLE = passport(read_folder(folder()), "000017")


def parts_of(batch: Batch, *owners: str) -> dict[str, Tree]:
    said = {part: [each.tree for owner in owners for each in batch.layers if (each.owner, each.part) == (owner, part)] for part in PARTS}
    return {part: merge(trees) for part, trees in said.items() if trees}


def environment(**changes: Any) -> dict[str, Any]:
    env: dict[str, Any] = json.loads(passport_to_environment(SAMPLE))
    return {**env, **changes}


def at(env: dict[str, Any], part: str, *names: str) -> dict[str, Any]:
    """The element at names inside a part of an environment."""
    (here,) = (each for each in env["submodels"] if each["idShort"] == submodel(part).id_short)
    for name in names:
        children = here.get("value") or here.get("submodelElements")
        here = children[int(name)] if name.isdecimal() else next(each for each in children if each["idShort"] == name)
    return dict(here)


# --- templates -----------------------------------------------------------------------------------


@needs_templates
@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_an_official_template_becomes_a_draft_that_lists_its_elements(path: Path) -> None:
    batch = environment_to_batch(path.read_bytes())
    assert batch.draft
    assert batch.findings[0].what.startswith("is a template")
    (layer,) = batch.layers
    listed = {finding.where for finding in batch.findings}
    drop_ins = ("AddressInformation/",)  # IDTA 02002 fills this collection in; the template leaves it empty
    templates = (each.template for each in elements(layer.part) if not each.own)
    expected = {each for each in templates if not any(name in each for name in drop_ins)}
    assert expected <= listed
    assert not [finding for finding in batch.findings if finding.severity == "error" or "no such element" in finding.what]


@needs_templates
def test_no_template_is_missing() -> None:
    assert {layer.part for path in OFFICIAL for layer in environment_to_batch(path.read_bytes()).layers} == set(PARTS)


@needs_templates
def test_both_patch_levels_give_the_same_names() -> None:
    older, newer = (environment_to_batch((TEMPLATES / f"part4-technical-1.0.{patch}.json").read_bytes()) for patch in (1, 2))
    assert older.layers[0].tree == newer.layers[0].tree


@needs_templates
def test_aas_120_is_reported_and_not_refused() -> None:
    findings = environment_to_batch((TEMPLATES / "part7-circularity-1.0.1.json").read_bytes()).findings
    assert [each.what for each in findings if "AASd-120" in each.what and "9 times" in each.what]


@needs_templates
def test_a_template_filled_in_leaves_with_its_display_names_and_concepts_where_these_are_valid() -> None:
    names = ("part6-materials-1.0.1", "part5-condition-1.0.2")  # the second holds invalid concept descriptions
    layers = [environment_to_batch((TEMPLATES / f"{name}.json").read_bytes()).layers[0] for name in names]
    env = json.loads(passport_to_environment(SAMPLE, {layer.part: layer.remainder for layer in layers}))
    assert at(env, "materials", "BatteryChemistry", "ShortName")["displayName"]
    assert at(env, "condition", "StateOfCharge")["displayName"]
    concepts = " ".join(each["id"] for each in env["conceptDescriptions"])
    assert "material_composition" in concepts
    assert "product_condition" not in concepts
    assert not problems(env)


# --- round trips ---------------------------------------------------------------------------------


def test_the_sample_goes_out_and_comes_back_the_same() -> None:
    batch = environment_to_batch(passport_to_environment(SAMPLE))
    assert (batch.model, batch.category, batch.draft) == ("EV-72", "ev", False)
    assert batch.batteries == tuple(each for each in read_folder(folder()).batteries if each.serial == "000017")
    assert dict(batch.identifiers) == dict(SAMPLE.identifiers)
    assert parts_of(batch, "000017") == SAMPLE.parts


def test_what_we_write_is_valid_under_both_metamodels_and_names_no_list_child() -> None:
    env = environment()
    assert problems(env) == ()

    def children(found: Any) -> Any:
        if isinstance(found, dict):
            if found.get("modelType") == "SubmodelElementList":
                assert not [each for each in found.get("value", []) if "idShort" in each]
            found = list(found.values())
        for each in found if isinstance(found, list) else []:
            children(each)

    children(env)


def test_semantic_ids_and_types_are_those_of_the_element_table() -> None:
    env = environment()
    mass = at(env, "materials", "BatteryMaterials", "0", "BatteryMaterialMass")
    known = element("materials", ("BatteryMaterials", "*", "BatteryMaterialMass"))
    assert known
    assert (mass["valueType"], mass["semanticId"]["keys"][0]["value"]) == (known.value_type, known.semantic_id)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_selection_of_leaves_is_valid_and_comes_back(data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(PARTS))
    leaves = ["/".join(path) for path, _, _ in walk(part, SAMPLE.parts[part])]
    left = data.draw(st.sets(st.sampled_from(leaves)))
    text = data.draw(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1).filter(str.strip))

    def chosen(found: Tree, path: str) -> Tree:
        if isinstance(found, dict) and not ({"en"} & found.keys() or {"value"} & found.keys()):
            inside = {name: (child, f"{path}/{name}".lstrip("/")) for name, child in found.items()}
            return {name: chosen(child, where) for name, (child, where) in inside.items() if where not in left}
        if isinstance(found, list):
            return [chosen(child, f"{path}/{number}".lstrip("/")) for number, child in enumerate(found)]
        return found

    nameplate: dict[str, Tree] = {"SerialNumber": "A1", "LifeCycleStage": text}
    tree = chosen(SAMPLE.parts[part], "")
    assert isinstance(tree, dict)
    parts: dict[str, Tree] = {"nameplate": nameplate, part: {**tree, **(nameplate if part == "nameplate" else {})}}
    whole = Passport(battery="M.A1", model="M", category="ev", revision="1", parts=parts)
    assert parts_of(environment_to_batch(passport_to_environment(whole)), "A1") == parts


def test_number_tokens_survive() -> None:
    parts: dict[str, Tree] = {
        "circularity": {"RenewableContent": Number("10")},
        "technical": {"GeneralInformation": {"BatteryMass": Number("412.370")}},
    }
    out = passport_to_environment(replace(SAMPLE, parts={**SAMPLE.parts, **parts}))
    back = parts_of(environment_to_batch(out), "000017")
    assert repr(back["circularity"]) == repr(parts["circularity"])
    assert repr(back["technical"]) == repr(parts["technical"])


def test_qualifiers_and_elements_without_a_value_form_come_back_through_the_remainder() -> None:
    env = environment()
    blob = {"modelType": "Blob", "idShort": "Scan", "contentType": "image/png", "value": "AAAA"}
    note = {"type": "reviewed", "valueType": "xs:string", "value": "yes"}
    for each in env["submodels"]:
        if each["idShort"] == "MaterialComposition":
            each["submodelElements"] = [*each["submodelElements"], blob]
            each["submodelElements"][0]["qualifiers"] = [note]
    batch = environment_to_batch(json.dumps(env))
    assert [each.where for each in batch.findings if each.what == "a Blob has no value here; kept for export only"] == ["materials/Scan"]
    kept = {each.part: each.remainder for each in batch.layers}
    out = json.loads(passport_to_environment(SAMPLE, kept))
    assert at(out, "materials", "BatteryChemistry")["qualifiers"] == [note]
    assert at(out, "materials", "Scan")["value"] == "AAAA"
    assert "Scan" not in json.dumps(parts_of(batch, "000017"))


def test_a_remainder_that_would_break_the_export_is_left_out() -> None:
    broken = json.dumps({"elements": {"/BatteryChemistry": {"category": ""}}})
    assert passport_to_environment(SAMPLE, {"materials": broken}) == passport_to_environment(SAMPLE)


def test_a_value_that_makes_no_valid_aas_is_named() -> None:
    wrong: dict[str, Tree] = {"circularity": {"RenewableContent": "a lot"}}
    with pytest.raises(Invalid, match="cannot be written as a valid AAS"):
        passport_to_environment(replace(SAMPLE, parts=wrong))


# --- foreign input -------------------------------------------------------------------------------


def test_older_spellings_and_patch_versions_are_read() -> None:
    text = passport_to_environment(SAMPLE).decode()
    older = text.replace("RatioNominalBattery", "RatioNorminalBattery").replace("product_condition:1.0.2", "product_condition:1.0.1")
    assert older != text
    parts = parts_of(environment_to_batch(older), "000017")
    assert {part for part in PARTS if parts[part] != SAMPLE.parts[part]} == {"metadata"}  # lists the older ids as its own text


def test_a_submodel_without_semantic_id_is_known_by_its_name() -> None:
    env = environment()
    for each in env["submodels"]:
        each.pop("semanticId")
        each.pop("supplementalSemanticIds", None)
    assert parts_of(environment_to_batch(env), "000017") == SAMPLE.parts


def test_what_the_model_shell_holds_or_shares_is_the_models() -> None:
    env = environment()
    (shell,) = env["assetAdministrationShells"]
    shared = [each for each in shell["submodels"] if not each["keys"][0]["value"].endswith(("#nameplate", "#condition"))]
    asset = {"assetKind": "Type", "globalAssetId": "urn:m", "specificAssetIds": [{"name": "manufacturerPartId", "value": "EV-72"}]}
    model = {"modelType": "AssetAdministrationShell", "id": "urn:shell", "assetInformation": asset, "submodels": shared}
    batch = environment_to_batch({**env, "assetAdministrationShells": [model, shell]})
    assert {layer.part for layer in batch.layers if layer.owner == "000017"} == {"nameplate", "condition"}
    assert parts_of(batch, "", "000017") == SAMPLE.parts


def test_submodels_without_a_shell_are_one_battery_or_a_model() -> None:
    env = environment(assetAdministrationShells=[])
    del env["assetAdministrationShells"]
    assert [each.serial for each in environment_to_batch(env).batteries] == ["000017"]
    env["submodels"] = [each for each in env["submodels"] if each["idShort"] == "Circularity"]
    assert environment_to_batch(env).batteries == ()


def test_a_foreign_submodel_is_left_out_and_reported() -> None:
    env = environment()
    env["submodels"].append({"modelType": "Submodel", "id": "urn:x", "idShort": "Payroll"})
    assert [each.where for each in environment_to_batch(env).findings if "not imported" in each.what] == ["submodel Payroll"]


def test_files_that_came_along_become_documents_with_their_stated_kind() -> None:
    files = {f"documents/{each.filename}": b"%PDF-1" for each in SAMPLE.documents}
    batch = environment_to_batch(passport_to_environment(SAMPLE, under="/documents/"), files)
    assert [(each.identifier, each.kind, each.title, each.filename) for each in batch.documents] == [
        (each.identifier, each.kind, each.title, each.filename) for each in SAMPLE.documents
    ]
    assert batch.findings == ()


def test_a_file_that_did_not_come_along_is_reported() -> None:
    assert len(environment_to_batch(passport_to_environment(SAMPLE)).findings) == len(SAMPLE.documents)


def test_a_wrong_number_is_an_error_at_its_place() -> None:
    text = passport_to_environment(SAMPLE).decode().replace('"412.37"', '"heavy"')
    errors = [each for each in environment_to_batch(text).findings if each.severity == "error"]
    assert [each.where for each in errors] == ["technical/GeneralInformation/BatteryMass"]


def second(env: dict[str, Any]) -> dict[str, Any]:
    copies = [{**each, "id": each["id"] + "-2"} for each in env["submodels"] if each["idShort"] == "Circularity"]
    shell = env["assetAdministrationShells"][0]
    shell["submodels"] += [{"type": "ModelReference", "keys": [{"type": "Submodel", "value": each["id"]}]} for each in copies]
    return {**env, "submodels": [*env["submodels"], *copies]}


def nameless(env: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(env).replace('"partInstanceId"', '"other"').replace('"SerialNumber"', '"SerialNumbre"'))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("env", "what"),
    [
        (b"[]", "not a JSON object"),
        (b"{", "not JSON"),
        (b'{"submodels": 3}', "not an AAS environment"),
        (
            b'{"submodels": [{"modelType": "Submodel", "id": "x", "submodelElements": [{"modelType": "Nonsense"}]}]}',
            "not an AAS environment",
        ),
        (b'{"submodels": [], "submodels": []}', "twice"),
        (b"{}", "no part of a battery passport"),
        (json.dumps(second(environment())).encode(), "two submodels say circularity"),
        (json.dumps(nameless(environment())).encode(), "has no serial number"),
    ],
    ids=range(8),
)
def test_what_is_no_environment_of_ours_is_refused(env: bytes, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        environment_to_batch(env)
