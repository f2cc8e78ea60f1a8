"""The matrix says what the one way out does, for every element, document and telling entry; a change of the law is one row."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts.lib import sample
from submodels.audience import Release
from submodels.documents import KINDS
from submodels.folder import read_folder
from submodels.grant import make_grant
from submodels.matrix import AUDIENCES, NO, PENDING, YES, Line, counts, matrix, tally
from submodels.passport import Passport
from submodels.points import pending
from submodels.table import PARTS, every_element
from submodels.view import select

DAY = date(2027, 2, 18)
ROOT = Path(__file__).resolve().parents[2]
BATCH = read_folder(sample.folder())
LINES = matrix("ev", DAY)
LABEL: dict[str, Any] = {"MarkingName": "Carbon footprint label, class B", "IssueDate": "2026-10-01"}


def line(place: str, when: str = "") -> Line:
    return next(each for each in LINES if each.place == place and each.when == when)


def labelled() -> Passport:
    """The sample with a carbon footprint's label among its markings."""
    whole = sample.passport(BATCH, "000017")
    plate: Any = whole.parts["nameplate"]
    return replace(whole, parts={**whole.parts, "nameplate": {**plate, "Markings": [LABEL, *plate["Markings"]]}})


def test_there_is_a_line_for_every_element_that_has_a_class_of_its_own_and_every_kind_of_document() -> None:
    places = Counter(each.place for each in LINES)
    own = {element.template for element in every_element() if not element.by_document}
    assert places.keys() == own | {f"documents/{kind}" for kind in KINDS} | {"nameplate/Markings/*"}
    assert {place for place, often in places.items() if often > 1} == {"materials/BatteryMaterials/*/BatteryMaterialName"}
    assert all(each.decided for each in LINES)


def test_the_three_audiences_are_no_ladder() -> None:
    assert line("nameplate/ResultsOfTestReportsProvingCompliance/*").sees == {"public": NO, "legitimate-interest": NO, "authorities": YES}
    assert line("condition/StateOfCharge/StateOfChargeValue").sees == {"public": NO, "legitimate-interest": YES, "authorities": NO}
    assert line("documents/dismantling-manual").sees == {"public": NO, "legitimate-interest": YES, "authorities": YES}
    assert all(set(each.sees.values()) <= {YES, PENDING} for each in LINES if each.audience == "public")


def test_a_name_is_public_where_its_material_is_critical() -> None:
    place = "materials/BatteryMaterials/*/BatteryMaterialName"
    assert line(place, "where IsCriticalRawMaterial = true").sees["public"] == YES
    assert line(place, "elsewhere than IsCriticalRawMaterial = true").sees == {"public": NO, "legitimate-interest": YES, "authorities": YES}


def test_nobody_sees_what_is_pending() -> None:
    late = {each.place for each in LINES if PENDING in each.sees.values()}
    assert late == {element.template for element in every_element() if element.part == "carbon"} | {
        "nameplate/Markings/*",
        "documents/carbon-footprint-study",
        "documents/due-diligence-report",
        "documents/third-party-assurances",
    }
    assert all(set(each.sees.values()) == {PENDING} for each in LINES if each.place in late)


def test_the_counts_are_those_of_the_lines() -> None:
    counted = counts(LINES)
    assert {who: sum(each.values()) for who, each in counted.items()} == dict.fromkeys(AUDIENCES, len(LINES))
    assert {who: each[PENDING] for who, each in counted.items()} == dict.fromkeys(AUDIENCES, 11)


@pytest.mark.parametrize("serial", ["000017", "000018", "000019", "labelled"])
def test_what_select_lets_out_is_what_the_matrix_says(serial: str) -> None:
    whole = labelled() if serial == "labelled" else sample.passport(BATCH, serial)
    waiting = pending("ev", DAY)
    documents = select(whole, Release(whole.battery, _everything("contract"), "me", operator=True)).documents
    there = tally(whole.parts, [each.kind for each in documents], waiting)
    assert sum(there.values()) > 200
    for who in AUDIENCES:
        seen = select(whole, Release(whole.battery, _everything(who), who, day=DAY))
        given = tally(seen.parts, [each.kind for each in seen.documents], waiting)
        for each in LINES:
            key = (each.place, each.when)
            assert given[key] == (there[key] if each.sees[who] == YES else 0), (who, key)


def _everything(ceiling: str) -> Any:
    return make_grant([f"{part}/**" for part in PARTS], list(KINDS), ceiling)


# --- a change of the law is a change of one row ----------------------------------------------------------

ASK = """
import json, sys
from datetime import date
from scripts.lib import sample
from submodels.audience import PUBLIC_GRANT, Release, public_release
from submodels.check import missing
from submodels.folder import read_folder
from submodels.matrix import matrix
from submodels.view import parts_json, select
from submodels.views import ready_view
day = date.fromisoformat(sys.argv[1])
whole = sample.passport(read_folder(sample.folder()), "000017")
names = ("authority", "supplier", "condition")
views = {name: select(whole, Release(whole.battery, ready_view(name)[1], "peer", day=day)) for name in names}
views["public"] = select(whole, public_release(whole.battery, day))
said = {name: parts_json(seen).decode() + " ".join(each.kind for each in seen.documents) for name, seen in views.items()}
lines = {line.place: dict(line.sees) for line in matrix("ev", day)}
print(json.dumps({"views": said, "lines": lines, "missing": [each.point for each in missing(whole, day)]}))
"""


def ask(place: Path, change: Callable[[list[dict[str, str]]], None], name: str, day: date) -> dict[str, Any]:
    """What a copy of the package says, in whose table `name` one row was changed."""
    shutil.copytree(ROOT / "submodels", place / "submodels", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    table = place / "submodels" / "elements" / name
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    environment = {**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, day.isoformat()], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _nothing(rows: list[dict[str, str]]) -> None:
    pass


def test_a_row_of_the_element_table_moves_every_exit(tmp_path: Path) -> None:
    """Test reports become public (3 to 1(r)): the view of everyone, of suppliers and the matrix follow; nothing else is touched."""

    def public_reports(rows: list[dict[str, str]]) -> None:
        (row,) = (row for row in rows if row["path"] == "/ResultsOfTestReportsProvingCompliance/*")
        row["annex"], row["access"] = "1(r)", "public"

    place = "nameplate/ResultsOfTestReportsProvingCompliance/*"
    before = ask(tmp_path / "a", _nothing, "nameplate.csv", DAY)
    after = ask(tmp_path / "b", public_reports, "nameplate.csv", DAY)
    reports = "ResultsOfTestReportsProvingCompliance"
    assert reports not in before["views"]["public"] and reports in after["views"]["public"]
    assert before["lines"][place] == {"public": NO, "legitimate-interest": NO, "authorities": YES}
    assert after["lines"][place] == dict.fromkeys(AUDIENCES, YES)
    assert {key: each for key, each in after["lines"].items() if each != before["lines"][key]} == {place: after["lines"][place]}
    assert after["views"]["condition"] == before["views"]["condition"]


def test_a_row_of_states_opens_a_pending_point_on_its_day_everywhere(tmp_path: Path) -> None:
    """An act that makes the footprint mandatory from a day on is one row: before that day nothing shows, on it all exits do."""

    def act(rows: list[dict[str, str]]) -> None:
        rows.append(
            {"point": "17", "from": "2028-08-18", "ev": "mandatory", "lmt": "mandatory", "industrial": "mandatory", "source": "act"}
        )

    eve = ask(tmp_path / "a", act, "states.csv", date(2028, 8, 17))
    then = ask(tmp_path / "b", act, "states.csv", date(2028, 8, 18))
    place = "carbon/ProductCarbonFootprints/*/PcfCO2eq"
    for name in ("public", "supplier", "authority"):
        assert "PcfCO2eq" not in eve["views"][name] and "carbon-footprint-study" not in eve["views"][name]
        assert "PcfCO2eq" in then["views"][name]
        assert "PerformanceClass" not in then["views"][name]  # point 18 is another row
    assert "carbon-footprint-study" in then["views"]["public"]
    assert eve["lines"][place] == dict.fromkeys(AUDIENCES, PENDING)
    assert then["lines"][place] == dict.fromkeys(AUDIENCES, YES)
    assert eve["missing"] == then["missing"] == []


def test_a_row_of_states_makes_a_point_mandatory(tmp_path: Path) -> None:
    def act(rows: list[dict[str, str]]) -> None:
        (row,) = (row for row in rows if row["point"] == "66")
        row["ev"] = "mandatory"

    assert ask(tmp_path, act, "states.csv", DAY)["missing"] == [66]
