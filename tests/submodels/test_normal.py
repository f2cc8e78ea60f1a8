"""Normal forms of what was redacted: valid under both metamodels, the same values, and never a trace of what stayed behind."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings

from scripts.lib.sample import folder, passport
from submodels import normal, projection
from submodels.audience import PUBLIC_GRANT, Release
from submodels.folder import read_folder
from submodels.grant import AttributeGrant
from submodels.idshort import parse
from submodels.normal import Names
from submodels.passport import Passport
from submodels.twin import twin
from submodels.value import Tree, read_json, walk, write_json
from submodels.verify import problems
from submodels.view import Redacted, parts_json, select

from .test_view import BATTERY, MARK, Maker, grants, seeds

SAMPLE = passport(read_folder(folder()), "000017")


def through(whole: Passport, grant: AttributeGrant) -> Redacted:
    return select(whole, Release(BATTERY, grant, "peer"))


def names(whole: Passport) -> Names:
    named = through(whole, PUBLIC_GRANT)
    return Names(twin(named, ()), derived_from="urn:saltbridge:EV-72#shell")


def forms(called: Names, redacted: Redacted) -> list[Tree]:
    """Everything that the AAS API can answer about a view."""
    found: list[Tree] = [normal.shell(called, redacted)]
    for part in normal.parts_of(redacted):
        submodel = normal.part_submodel(called, part, redacted)
        elements = projection.elements_of(submodel)
        found += [submodel, projection.submodel_metadata(submodel), normal.part_submodel(called, part, redacted, under="/files/")]
        for core in (False, True):
            found += [projection.submodel_value(submodel, core=core), projection.normal_submodel(submodel, core=core)]
            found += projection.element_values(elements, core=core)
        for path in projection.element_paths(elements):
            steps = parse(str(path))
            element = projection.find(submodel, steps)
            found += [path, projection.element_reference(submodel, steps), projection.metadata(element)]
    return found


@settings(max_examples=60)
@given(seeds, grants())
def test_no_form_shows_more_than_the_view(seed: int, grant: AttributeGrant) -> None:
    whole = Maker(seed, keep=0.5, longest=2).passport()
    redacted, called = through(whole, grant), names(whole)
    allowed = set(MARK.findall(parts_json(redacted).decode())) | set(
        MARK.findall(json.dumps(normal.shell(called, through(whole, PUBLIC_GRANT))))
    )
    allowed |= set(MARK.findall(parts_json(through(whole, PUBLIC_GRANT)).decode()))  # names of a battery are public
    assert set(MARK.findall(write_json(forms(called, redacted)).decode())) <= allowed


@settings(max_examples=60)
@given(seeds, grants())
def test_the_paths_are_those_of_the_view_and_no_other(seed: int, grant: AttributeGrant) -> None:
    whole = Maker(seed, keep=0.5, longest=2, junk=False).passport()
    redacted, called = through(whole, grant), names(whole)
    for part in normal.parts_of(redacted):
        submodel = normal.part_submodel(called, part, redacted)
        shown = {parse(str(path)) for path in projection.element_paths(projection.elements_of(submodel))}
        leaves = {tuple(int(step) if step.isdecimal() else step for step in path) for path, _, _ in walk(part, redacted.parts[part])}
        assert shown == {leaf[:length] for leaf in leaves for length in range(1, len(leaf) + 1)}


@settings(max_examples=60)
@given(seeds, grants())
def test_the_value_of_the_normal_form_is_the_view(seed: int, grant: AttributeGrant) -> None:
    whole = Maker(seed, keep=0.5, longest=2, junk=False).passport()
    redacted, called = through(whole, grant), names(whole)
    for part in normal.parts_of(redacted):
        shown = projection.submodel_value(normal.part_submodel(called, part, redacted))
        assert write_json(shown) == write_json(redacted.parts[part])


@settings(max_examples=15, deadline=None)
@given(grants())
def test_what_is_written_holds_under_both_metamodels(grant: AttributeGrant) -> None:
    redacted, called = through(SAMPLE, grant), names(SAMPLE)
    submodels = [normal.part_submodel(called, part, redacted) for part in normal.parts_of(redacted)]
    env = normal.environment([normal.shell(called, redacted)], submodels)
    assert problems(env) == ()


def test_part_6_is_written_as_its_template_has_it() -> None:
    """What neither judge covers: names, kinds, types and order of the materials, by the element table's own rows."""
    whole = select(SAMPLE, Release(BATTERY, PUBLIC_GRANT, "operator", operator=True))
    submodel = normal.part_submodel(names(SAMPLE), "materials", whole)
    assert projection.key_values(submodel["semanticId"]) == (
        "urn:samm:io.admin-shell.idta.batterypass.material_composition:1.0.0#MaterialComposition",
    )
    materials = projection.find(submodel, ("BatteryMaterials",))
    assert (materials["typeValueListElement"], materials["orderRelevant"]) == ("SubmodelElementCollection", False)
    first: Any = projection.find(submodel, ("BatteryMaterials", 0))
    assert "idShort" not in first
    kinds = {each["idShort"]: (each["modelType"], each.get("valueType")) for each in first["value"]}
    assert kinds["BatteryMaterialMass"] == ("Property", "xs:float")
    assert kinds["IsCriticalRawMaterial"] == ("Property", "xs:boolean")
    assert kinds["BatteryMaterialLocation"] == ("SubmodelElementCollection", None)


def test_a_file_that_is_not_in_the_view_has_no_part_in_a_package() -> None:
    whole, public = (through(SAMPLE, grant) for grant in (_everything(), PUBLIC_GRANT))
    hidden = {each.filename for each in whole.documents} - {each.filename for each in public.documents}
    assert hidden
    text = write_json([normal.part_submodel(names(SAMPLE), part, public, under="/files/") for part in normal.parts_of(public)]).decode()
    assert not [name for name in hidden if name in text]
    assert [name for name in (each.filename for each in public.documents) if f"/files/{name}" in text]


def _everything() -> AttributeGrant:
    from submodels.documents import KINDS
    from submodels.grant import make_grant
    from submodels.table import PARTS

    return make_grant([f"{part}/**" for part in PARTS], sorted(KINDS), "contract")


def test_number_tokens_stay() -> None:
    whole = Passport(
        battery=BATTERY,
        model="EV-72",
        category="ev",
        revision="1",
        parts={"technical": read_json('{"GeneralInformation":{"BatteryMass":3.70}}')},
    )
    redacted = through(whole, PUBLIC_GRANT)
    submodel = normal.part_submodel(normal.model_names(redacted), "technical", redacted)
    assert projection.find(submodel, ("GeneralInformation", "BatteryMass"))["value"] == "3.70"
    assert write_json(projection.submodel_value(submodel)) == b'{"GeneralInformation":{"BatteryMass":3.70}}'
