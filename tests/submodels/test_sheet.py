"""Spreadsheets: what is written is read back token by token, and what a spreadsheet does to values is refused with what to write."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from submodels.batch import Batch
from submodels.errors import Invalid
from submodels.folder import read_folder
from submodels.sheet import is_sheet, letters, read_sheets
from submodels.sheet_form import guarded, template, write_sheet
from submodels.table import PARTS, elements
from submodels.value import Number, Tree, write_json

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"


def sample() -> Batch:
    return read_folder({path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()})


def said(batch: Batch) -> dict[str, dict[str, Tree]]:
    owned: dict[str, dict[str, Tree]] = {}
    for layer in batch.layers:
        owned.setdefault(layer.owner, {})[layer.part] = layer.tree
    return owned


def sheet(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def wrong(*lines: str) -> list[tuple[str, str, str]]:
    batch = read_sheets({"a.csv": sheet(*lines)})
    assert all(each.severity == "error" for each in batch.findings)
    return [(each.where, each.what, each.next) for each in batch.findings]


def one(head: str, cell: str) -> tuple[str, str]:
    """What is wrong with one cell, and what to write."""
    found = wrong(f"#path,serial,{head}", f"EV-1,7,{cell}")
    assert len(found) == 1, found
    assert found[0][0] == f"a.csv, line 2, cell C2 ({head})"
    return found[0][1], found[0][2]


# --- there and back ------------------------------------------------------------------------------


def test_the_whole_sample_comes_back_token_by_token() -> None:
    before = said(sample())
    batch = read_sheets({"all.csv": write_sheet("EV-72", before.items())})
    assert batch.findings == ()
    assert (batch.model, batch.category) == ("EV-72", "ev")
    assert [each.serial for each in batch.batteries] == ["000017", "000018", "000019"]
    assert said(batch).keys() == before.keys()
    for owner, parts in before.items():
        assert plain(said(batch)[owner]) == plain(dict(parts)), owner


def plain(value: Tree) -> object:
    """A tree that compares its number tokens as tokens, and names in any order."""
    if isinstance(value, dict):
        return {name: plain(below) for name, below in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else (type(value), value)


def test_a_file_for_each_part_says_the_same_as_one_file() -> None:
    before = said(sample())
    files = {f"{part}.csv": write_sheet("EV-72", before.items(), (part,)) for part in PARTS}
    assert said(read_sheets(files)) == said(read_sheets({"all.csv": write_sheet("EV-72", before.items())}))


@pytest.mark.parametrize("part", PARTS)
def test_a_template_explains_every_element_and_reads_back_its_own_examples(part: str) -> None:
    lines = list(csv.reader(io.StringIO(template(part, "EV-1", ["7"]).decode("utf-8-sig"))))
    heads, rows = lines[0], {line[0]: line for line in lines if line[0].startswith("#") and len(line) > 2}
    covered = {head.partition("@")[0].replace("/0", "/*") for head in heads[2:]}
    assert covered == {each.template for each in elements(part)}
    assert all(rows["#meaning"][2:]) and all(rows["#type"][2:])
    assert lines[-2:] == [["EV-1", ""], ["EV-1", "7"]]
    example = [cell if not head.endswith("SerialNumber") else "7" for head, cell in zip(heads, rows["#example"], strict=True)]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([*lines[:-2], ["EV-1", "7", *example[2:]]])
    batch = read_sheets({f"{part}.csv": buffer.getvalue().encode()})
    assert batch.findings == ()
    assert [layer.part for layer in batch.layers] == [part]


def test_a_template_says_unit_class_level_and_for_whom_it_is_mandatory() -> None:
    lines = list(csv.reader(io.StringIO(template("condition").decode("utf-8-sig"))))
    rows = {line[0]: line for line in lines}
    at = rows["#path"].index("condition/StateOfCharge/StateOfChargeValue")
    assert rows["#unit"][at] == "%"
    assert rows["#Annex XIII"][at] == "4(d) · legitimate-interest"
    assert rows["#level"][at] == "individual"
    nameplate = {line[0]: line for line in csv.reader(io.StringIO(template("nameplate").decode("utf-8-sig")))}
    assert nameplate["#mandatory for"][nameplate["#path"].index("nameplate/URIOfTheProduct")].startswith("ev (point 1")


def test_an_unknown_part_has_no_template() -> None:
    with pytest.raises(Invalid, match="is no part"):
        template("nowhere")


# --- what spreadsheets do ------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "﻿"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_separator_mark_and_line_ending_reads_the_same(separator: str, mark: str, ending: str) -> None:
    lines = ["#path|serial|technical/GeneralInformation/BatteryMass|nameplate/ManufacturerName@en", "EV-1||412.370|Halden, Cells; South"]
    text = ending.join(lines).replace("|", separator).replace("Halden, Cells; South", '"Halden, Cells; South"')
    batch = read_sheets({"a.csv": (mark + text).encode()})
    assert said(batch) == {
        "": {
            "nameplate": {"ManufacturerName": [{"en": "Halden, Cells; South"}]},
            "technical": {"GeneralInformation": {"BatteryMass": Number("412.370")}},
        }
    }
    assert write_json(said(batch)[""]["technical"]) == b'{"GeneralInformation":{"BatteryMass":412.370}}'


def test_a_spreadsheets_note_of_its_separator_is_passed_over() -> None:
    found = read_sheets({"a.csv": b"sep=;\r\n#path;serial;condition/StateOfCharge/StateOfChargeValue\r\nEV-1;7;4,5\r\n"}).findings
    assert found[0].where == "a.csv, line 3, cell C3 (condition/StateOfCharge/StateOfChargeValue)"


MASS, DAY, FLAG = (
    "technical/GeneralInformation/BatteryMass",
    "nameplate/DateOfManufacture",
    "materials/BatteryMaterials/0/IsCriticalRawMaterial",
)
TRAPS = (
    (MASS, '"412,37"', "has a comma", "as 412.37"),
    (MASS, '"1.412,37"', "has a comma", "as 1412.37"),
    (MASS, '"1,412.37"', "has a comma", "as 1412.37"),
    (MASS, "412.37 kg", "has a unit", "kg"),
    (MASS, "heavy", "not a number", "with a point"),
    ("condition/StateOfCharge/StateOfChargeValue", "43%", "has a unit", "%"),
    ("condition/NumberOfFullCycles/NumberOfFullCyclesValue", "4.5", "is not xs:unsignedInt", "whole number"),
    (DAY, "14.03.2024", "2024-03-14 is meant?", "as 2026-11-24"),
    (DAY, "45365", "number of a day", "as 2026-11-24"),
    (DAY, "03/14/2024", "which is the month?", "as 2026-11-24"),
    (DAY, "2024-02-30", "is not xs:date", "as 2026-11-24"),
    ("condition/StateOfCharge/LastUpdate", "2026-11-12 08:41", "is not xs:dateTime", "2026-11-24T09:30:00Z"),
    (FLAG, "WAHR", "is not true or false", "true or false"),
    ("nameplate/URIOfTheProduct", "https://id.example/with space", "is not xs:anyURI", "without spaces"),
    ("materials/BatteryMaterials/0/BatteryMaterialIdentifier", "7.44002E+10", "shortened a long number", "as text"),
    ("materials/BatteryChemistry/ShortName", "#REF!", "a spreadsheet's error", "as text"),
    ("condition/InformationOnAccidents", "yes", "is a list", "InformationOnAccidents/0"),
)


@pytest.mark.parametrize(("head", "cell", "what", "next"), TRAPS)
def test_each_trap_is_refused_with_what_to_write(head: str, cell: str, what: str, next: str) -> None:
    told = one(head, cell)
    assert what in told[0], told
    assert next in told[1], told


@pytest.mark.parametrize("cell", ["TRUE", "true", "True"])
def test_truth_is_read_as_spreadsheets_write_it(cell: str) -> None:
    batch = read_sheets({"a.csv": sheet(f"#path,serial,{FLAG}", f"EV-1,,{cell}")})
    assert said(batch)[""]["materials"] == {"BatteryMaterials": [{"IsCriticalRawMaterial": True}]}


@pytest.mark.parametrize("text", ["=1+1", "+49 69", "-5 is written", "@now", "'=1", "''", "\tx", "plain", "'plain"])
def test_no_text_runs_as_a_formula_and_each_comes_back(text: str) -> None:
    content = write_sheet("EV-1", [("", {"materials": {"BatteryChemistry": {"ShortName": text}}})])
    cell = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1][2]
    assert cell == guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert said(read_sheets({"a.csv": content}))[""]["materials"] == {"BatteryChemistry": {"ShortName": text}}


def test_a_negative_number_stays_a_number() -> None:
    content = write_sheet("EV-1", [("7", {"condition": {"TemperatureInformation": {"MeasuredTemp": Number("-17.50")}}})])
    assert content.decode("utf-8-sig").splitlines()[1] == "EV-1,7,-17.50"


# --- what is no sheet ----------------------------------------------------------------------------

NO_SHEETS = (
    (b"", "line 1", "#path"),
    (b"model,serial\nEV-1,7", "line 1", "#path"),
    (b"#path,model\n", "line 1", "serial"),
    ("#path,serial,nameplate/SerialNumber\nEV-1,7,ü".encode("latin-1"), "line 2", "UTF-8"),
    ("#path,serial\n".encode("utf-16"), "a.csv", "UTF-16"),
    (b'#path,serial,nameplate/SerialNumber\nEV-1,7,"7', "line 2", "not CSV"),
    (b"#path,serial,nameplate/SerialNumber\n", "a.csv", "no row"),
)


@pytest.mark.parametrize(("content", "where", "what"), NO_SHEETS)
def test_what_is_no_sheet_is_refused_whole(content: bytes, where: str, what: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_sheets({"a.csv": content})
    assert where in refused.value.where
    assert what in str(refused.value)


HEADS = (
    ("condition/StateOfCharge/StateOfChargeValues", "no element", "StateOfChargeValue"),
    ("conditions/StateOfCharge/StateOfChargeValue", "is no part", "condition"),
    ("condition/StateOfCharge", "is a group", "StateOfChargeValue"),
    ("materials/BatteryMaterials/BatteryMaterialName", "is a list", "BatteryMaterials/0"),
    ("materials/BatteryMaterials/*/BatteryMaterialName", "is a list", "BatteryMaterials/0"),
    ("nameplate/ManufacturerName", "several languages", "ManufacturerName@en"),
    ("nameplate/SerialNumber@en", "nothing called @en", "leave it out"),
)


@pytest.mark.parametrize(("head", "what", "next"), HEADS)
def test_a_head_that_names_no_column_is_an_error_of_its_cell(head: str, what: str, next: str) -> None:
    found = wrong(f"#path,serial,{head},nameplate/DateOfManufacture", "EV-1,7,x,2024-03-14")
    assert found[0][0] == f"a.csv, line 1, cell C1 ({head})"
    assert what in found[0][1] and next in found[0][2]


def test_every_error_is_told_and_none_twice() -> None:
    found = wrong(
        f"#path,serial,{MASS},{DAY}", 'EV-1,7,"1,5",2024', "EV-1,8,1.5,2024-03-14", "EV-2,9,1.5,", "EV-1,b c,1.5,", "EV-1,7,,2024-03-14,x",
    )  # fmt: skip
    assert [where.split(" (")[0] for where, _, _ in found] == [
        "a.csv, line 2, cell C2", "a.csv, line 2, cell D2", "a.csv, line 4, cell A4", "a.csv, line 5, cell B5", "a.csv, line 6, cell E6",
        "a.csv, line 6, cell D6",
    ]  # fmt: skip


def test_the_line_is_the_spreadsheets_even_after_a_cell_of_several_lines() -> None:
    found = wrong(f"#path,serial,nameplate/ManufacturerName@en,{MASS}", 'EV-1,7,"two', 'lines",1.5', 'EV-1,8,,"1,5"')
    assert found[0][0].startswith("a.csv, line 4, cell D4")


def test_a_serial_number_that_differs_from_its_rows_is_an_error() -> None:
    assert "serial number of its row (7)" in wrong("#path,serial,nameplate/SerialNumber", "EV-1,7,8")[0][1]


def test_none_and_an_entry_exclude_each_other_and_none_alone_is_an_empty_list() -> None:
    head = "#path,serial,condition/InformationOnAccidents,condition/InformationOnAccidents/0"
    assert said(read_sheets({"a.csv": sheet(head, "EV-1,7,none,")}))["7"]["condition"] == {"InformationOnAccidents": []}
    assert wrong(head, "EV-1,7,none,HC-1")
    assert wrong("#path,serial,condition/InformationOnAccidents/0,condition/InformationOnAccidents", "EV-1,7,HC-1,none")


def test_a_gap_between_entries_closes() -> None:
    heads = ",".join(f"circularity/SafetyMeasures/ExtinguishingAgents/{number}" for number in (0, 1, 10, 2))
    tree = said(read_sheets({"a.csv": sheet(f"#path,serial,{heads}", "EV-1,,Water,,last,Sand")}))[""]["circularity"]
    assert tree == {"SafetyMeasures": {"ExtinguishingAgents": ["Water", "Sand", "last"]}}


def test_csv_files_sent_together_are_sheets_unless_they_are_a_folders() -> None:
    assert is_sheet({"a.csv": b"", "B.CSV": b""})
    assert not is_sheet({"model.toml": b"", "documents.csv": b""})
    assert not is_sheet({})


def test_columns_are_lettered_as_spreadsheets_do() -> None:
    assert [letters(number) for number in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
