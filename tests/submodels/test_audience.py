"""Who may see what, and who may make the one argument that lets anything out."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from submodels.audience import PUBLIC_GRANT, beyond_public, class_of, may_see, public_gaps, public_release
from submodels.errors import Invalid
from submodels.grant import make_grant
from submodels.table import Audience, element
from submodels.value import Number
from submodels.views import READY, ready_view

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("audience", "ceilings"),
    [
        (Audience.PUBLIC, {"public", "legitimate-interest", "authorities", "contract"}),
        (Audience.BOTH, {"legitimate-interest", "authorities", "contract"}),
        (Audience.LEGITIMATE, {"legitimate-interest", "contract"}),
        (Audience.AUTHORITIES, {"authorities", "contract"}),
        (None, set()),
    ],
)
def test_the_lattice(audience: Audience | None, ceilings: set[str]) -> None:
    assert {ceiling for ceiling in ("public", "legitimate-interest", "authorities", "contract") if may_see(ceiling, audience)} == ceilings


@pytest.mark.parametrize("sibling", [False, None, "true", Number("1"), [True]])
def test_a_name_is_public_only_beside_a_plain_true(sibling: object) -> None:
    name = element("materials", ["BatteryMaterials", "0", "BatteryMaterialName"])
    assert name is not None
    assert class_of(name, {"IsCriticalRawMaterial": True}) is Audience.PUBLIC
    assert class_of(name, {"IsCriticalRawMaterial": sibling}) is Audience.BOTH  # type: ignore[dict-item]
    assert class_of(name, {}) is Audience.BOTH


def test_the_public_view_has_no_gap_and_needs_no_protection() -> None:
    assert public_gaps(PUBLIC_GRANT) == beyond_public(PUBLIC_GRANT) == ()
    assert ready_view("public")[1] == PUBLIC_GRANT
    assert public_release("EV-72.1").grant is PUBLIC_GRANT


def test_a_narrower_public_view_shows_its_gaps() -> None:
    grant = make_grant(["nameplate/**", "materials/BatteryMaterials/*/IsCriticalRawMaterial"], ["declaration-of-conformity"], "public")
    gaps = public_gaps(grant)
    assert "materials/BatteryMaterials/*/BatteryMaterialName" in gaps
    assert "documents/cycle-life-test" in gaps and "documents/test-reports" not in gaps
    assert not [gap for gap in gaps if gap.startswith("nameplate/")]


def test_the_ready_views_are_what_they_say() -> None:
    grants = {name: ready_view(name)[1] for name in READY}
    assert {name: grant.ceiling for name, grant in grants.items()} == {
        "public": "public",
        "dismantling": "legitimate-interest",
        "condition": "legitimate-interest",
        "supplier": "contract",
        "authority": "authorities",
    }
    assert len(grants["dismantling"].elements) == 17
    assert grants["dismantling"].kinds == {"dismantling-manual", "safety-measures"}
    assert len([each for each in grants["condition"].elements if each.part == "condition"]) == 33 + 8  # and of our own
    assert {each.part for each in grants["condition"].elements} == {"condition", "technical"}
    assert not any(each.path[-1] == "BatteryMaterialMass" for each in grants["dismantling"].elements)
    assert any(each.path[-1] == "BatteryMaterialMass" for each in grants["supplier"].elements)
    assert Audience.AUTHORITIES not in {
        each.audience for name in ("dismantling", "condition", "supplier") for each in grants[name].elements
    }
    assert Audience.LEGITIMATE not in {each.audience for each in grants["authority"].elements}
    assert "accidents" not in grants["authority"].kinds and "test-reports" in grants["authority"].kinds
    assert all(beyond_public(grants[name]) for name in READY if name != "public")


def test_an_unknown_ready_view_is_refused_with_a_suggestion() -> None:
    with pytest.raises(Invalid) as caught:
        ready_view("dismantle")
    assert "dismantling" in caught.value.next


def _makers(name: str) -> set[str]:
    """The files of the project that construct `name` (or copy one with changed fields)."""
    found = set()
    for package in ("connector", "submodels", "policies", "catalog", "scripts"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = node.func if isinstance(node, ast.Call) else None
                if (isinstance(called, ast.Name) and called.id == name) or (isinstance(called, ast.Attribute) and called.attr == name):
                    found.add(path.relative_to(ROOT).as_posix())
    return found


def test_only_two_modules_make_a_release() -> None:
    makers = _makers("Release")
    assert "submodels/audience.py" in makers
    assert makers <= {"submodels/audience.py", "connector/exchange/release.py"}


def test_only_select_makes_a_redacted() -> None:
    assert _makers("Redacted") == {"submodels/view.py"}


def test_only_the_view_reads_the_plan() -> None:
    for package in ("connector", "policies", "catalog", "scripts"):
        for path in (ROOT / package).rglob("*.py"):
            assert "submodels.plan" not in path.read_text(encoding="utf-8"), path
