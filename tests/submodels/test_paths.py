"""Path templates: a closed language whose containment is sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submodels.errors import Invalid
from submodels.paths import Template, contains, covers, of_pointer, parse
from submodels.table import PARTS

NAMES = ["A", "B", "CompanyLogo", "atSoc", "TemperatureRangeIdleState_LowerBoundary"]


@st.composite
def templates(draw: st.DrawFn) -> Template:
    segments = draw(st.lists(st.sampled_from([*NAMES[:3], "*"]), min_size=0, max_size=4))
    if draw(st.booleans()) or not segments:
        segments = [*segments, "**"]
    return Template(draw(st.sampled_from(PARTS[:2])), tuple(segments))


paths = st.lists(st.sampled_from([*NAMES[:3], "0", "17"]), min_size=1, max_size=5).map(tuple)


@given(templates())
def test_a_template_survives_being_written_and_read(template: Template) -> None:
    assert parse(str(template)) == template
    assert of_pointer(template.part, template.pointer) == template


@given(templates(), templates(), paths)
def test_what_the_narrower_covers_the_wider_covers(wider: Template, narrower: Template, path: tuple[str, ...]) -> None:
    if contains(wider, narrower) and covers(narrower, narrower.part, path):
        assert covers(wider, narrower.part, path)


@given(templates(), templates())
def test_what_is_not_contained_has_a_path_of_its_own(wider: Template, narrower: Template) -> None:
    concrete = tuple("0" if segment == "*" else segment for segment in narrower.segments)
    witnesses = [concrete] if concrete[-1] != "**" else [(*concrete[:-1], "Z9"), (*concrete[:-1], "0"), (*concrete[:-1], "Z9", "0")]
    assert contains(wider, narrower) == all(covers(wider, narrower.part, witness) for witness in witnesses)


@given(templates())
def test_a_template_contains_itself(template: Template) -> None:
    assert contains(template, template)


@pytest.mark.parametrize(
    ("template", "path", "covered"),
    [
        ("materials/BatteryMaterials/*/BatteryMaterialMass", "BatteryMaterials/3/BatteryMaterialMass", True),
        ("materials/BatteryMaterials/*/BatteryMaterialMass", "BatteryMaterials/*/BatteryMaterialMass", True),
        ("materials/BatteryMaterials/*/BatteryMaterialMass", "BatteryMaterials/x/BatteryMaterialMass", False),
        ("materials/BatteryMaterials/*/BatteryMaterialMass", "BatteryMaterials/3/BatteryMaterialName", False),
        ("materials/BatteryMaterials/*/BatteryMaterialMass", "BatteryMaterials/3/BatteryMaterialMass/x", False),
        ("materials/BatteryMaterials/**", "BatteryMaterials/3/BatteryMaterialName", True),
        ("materials/BatteryMaterials/**", "BatteryMaterials", False),
        ("materials/**", "BatteryChemistry/ShortName", True),
        ("materials/BatteryMaterials/**", "BatteryMaterialsX/3", False),
    ],
)
def test_a_template_covers(template: str, path: str, covered: bool) -> None:
    assert covers(parse(template), "materials", path.split("/")) is covered
    assert not covers(parse(template), "circularity", path.split("/"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "materials",
        "materials/",
        "nonsense/**",
        "Materials/**",
        "materials//A",
        "materials/A/",
        "materials/**/A",
        "materials/***",
        "materials/A*",
        "materials/0",
        "materials/A/0",
        "materials/-",
        "materials/..",
        "materials/A[0]",
        "materials/A?(@.x)",
        "materials/!A",
        "materials/A~1B",
        "materials/A B",
        "materials/A%2FB",
        "materials/Ä",
        "materials/" + "A/" * 40 + "A",
        "urn:samm:x#y",
        "materials/A\n",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)
