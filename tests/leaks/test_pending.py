"""What is pending is shown to nobody: not in the public passport, not under a contract, at no door and under no name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.cli.client import part
from submodels.value import walk

from .conftest import FIRST, Ring, same

HELD = {
    "dismantling": ("recycler", "dismantling", "model.EV-72"),
    "condition": ("recycler", "condition", f"battery.{FIRST}"),
    "supplier": ("oem", "supplier", f"battery.{FIRST}"),
    "public": ("stranger", "public", "model.EV-72"),
}
PENDING = ("HC-CF-7236", "HC-DD-0725", "HC-TA-0731")  # the footprint's study, due diligence, its assurance


def marks(ring: Ring) -> list[str]:
    """Every value of the footprint that nothing else in the passport says, and the names of pending documents."""
    whole: Any = ring.whole(FIRST).passports[FIRST]
    others = json.dumps({name: tree for name, tree in whole.items() if name != "carbon"})
    said = [str(value) for _, _, value in walk("carbon", whole["carbon"])]
    return [*dict.fromkeys(text for text in said if len(text) > 5 and text not in others), *PENDING]


def test_the_operator_reads_what_nobody_else_does(ring: Ring) -> None:
    assert len(marks(ring)) > 8
    content, _ = ring.operate("maker", "download", f"/passports/{FIRST}")
    assert all(mark in content.decode() for mark in marks(ring))


def test_the_public_passport_holds_nothing_that_is_pending(ring: Ring) -> None:
    answer = ring.get(f"/passports/{FIRST}")
    assert answer.status_code == 200 and answer.json()["parts"]["nameplate"]
    assert "carbon" not in answer.json()["parts"]
    assert [mark for mark in marks(ring) if mark in answer.text] == []
    unknown = same(ring.get(f"/passports/{FIRST}/documents/EV-72.doc-nothing"))
    for id in PENDING:
        assert same(ring.get(f"/passports/{FIRST}/documents/EV-72.doc-{id}")) == unknown


@pytest.mark.parametrize("view", HELD)
def test_no_view_under_a_contract_holds_anything_that_is_pending(ring: Ring, view: str) -> None:
    address = ring.open(*HELD[view])
    for path in (f"/{FIRST}", f"/{FIRST}/documents"):
        answer = ring.pull(address, path)
        assert answer.status_code == 200
        assert [mark for mark in marks(ring) if mark in answer.text] == []
    for path in (
        "/carbon",
        "/carbon/$value",
        "/carbon/ProductCarbonFootprints/0/PcfCO2eq",
        *(f"/documents/EV-72.doc-{id}" for id in PENDING),
    ):
        refused = ring.pull(address, f"/{FIRST}{path}")
        assert refused.status_code in (403, 404), path
        assert [mark for mark in marks(ring) if mark in refused.text and mark not in path] == []


def test_the_operator_sees_in_a_preview_why_it_stays(ring: Ring) -> None:
    seen = ring.operate("maker", "get", f"/views/{part('public')}/preview", battery=FIRST)
    (carbon,) = (each for each in seen["parts"] if each["part"] == "carbon")
    assert {line["mark"] for line in carbon["lines"]} == {"withheld"}
    assert {line["reason"] for line in carbon["lines"]} == {f"pending, not to be shown yet (data point {number})" for number in (17, 18)}
