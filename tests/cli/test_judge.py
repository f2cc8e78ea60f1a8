"""`passport check` and `passport matrix` as one types them: tables for eyes, lines for pipes, JSON for programs, exit codes for scripts."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.cli.judge import with_origins
from connector.cli.main import main

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"
Said = tuple[int, str, str]
Run = Callable[..., Said]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Types a command at a terminal, in a home where no node is."""
    monkeypatch.setenv("SALTBRIDGE_HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("COLUMNS", "180")

    def typed(*words: str, terminal: bool = False) -> Said:
        out, err = Terminal() if terminal else io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        return main(words), out.getvalue(), err.getvalue()

    return typed


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The sample without one mandatory value, and one battery without another."""
    folder = tmp_path / "EV-72"
    shutil.copytree(SAMPLE, folder)
    for name, *path in (
        ("parts/technical.json", "TechnicalPropertyAreas", "CapacityEnergyVoltage", "MinVoltage"),
        ("items/000018/condition.json", "RatedCapacity"),
    ):
        tree = at = json.loads((folder / name).read_text("utf-8"))
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]
        (folder / name).write_text(json.dumps(tree), "utf-8")
    return folder


def test_the_sample_is_complete_without_a_node(run: Run) -> None:
    code, out, _ = run("passport", "check", str(SAMPLE), "--category", "ev", "--date", "2027-02-18", terminal=True)
    assert code == 0
    assert out.startswith("EV-72.000017, EV-72.000018, EV-72.000019 · ev · for 2027-02-18\nComplete: 59 present · 3 withheld · 9 absent")
    assert "Annex XIII 4 · of the battery, for legitimate interest" in out
    assert "◌ 17  (c)   Carbon footprint declaration" in out


def test_what_is_missing_stands_first_in_its_section_with_what_to_do(run: Run, broken: Path) -> None:
    code, out, _ = run("passport", "check", str(broken), "--date", "2027-02-18", terminal=True)
    assert code == 4
    first, _, second = out.partition("EV-72.000018 · ev")
    assert first.startswith("EV-72.000017, EV-72.000019 · ev")
    section = first.partition("Annex XIII 1 ·")[2].splitlines()[1]
    assert section.split()[:2] == ["✗", "26"]
    assert section.endswith("give technical/TechnicalPropertyAreas/CapacityEnergyVoltage/MinVoltage")
    # Of the second battery only what differs.
    assert "As EV-72.000017, EV-72.000019, but for what follows." in second
    assert [line.split()[1] for line in second.splitlines() if line.startswith("  ✗")] == ["51"]


def test_a_pipe_gets_a_line_for_each_point_and_json_the_rules(run: Run, broken: Path) -> None:
    code, out, _ = run("passport", "check", str(broken))
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == 4 and len(lines) == 2 * 71
    assert [line[1] for line in lines if line[7] == "missing"] == ["26", "26", "51"]
    _, out, _ = run("passport", "check", str(broken), "--json", "--date", "2027-02-18")
    told = json.loads(out)
    assert (told["complete"], told["date"], told["applies_from"]) == (False, "2027-02-18", "2027-02-18")
    assert [[each["rule"] for each in report["findings"]] for report in told["reports"]] == [["point.26"], ["point.26", "point.51"]]


def test_a_package_is_judged_as_the_folder_is(run: Run) -> None:
    code, out, _ = run("passport", "check", str(SAMPLE.parent / "EV-72.aasx"), "--json", "--date", "2027-02-18")
    assert code == 0
    assert [report["batteries"] for report in json.loads(out)["reports"]] == [["EV-72.000017"]]


def test_another_category_asks_for_other_points(run: Run) -> None:
    code, out, _ = run("passport", "check", str(SAMPLE), "--category", "stationary", "--json")
    report = json.loads(out)["reports"][0]
    assert code == 4 and report["judged_as"] == "industrial"
    assert {each["rule"] for each in report["findings"]} == {"same.category", "unwanted.33", "unwanted.61"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", str(SAMPLE), "--date", "18.2.2027"), "Write it as 2027-02-18."),
        (("check", str(SAMPLE), "--category", "pack"), "one of ev, lmt, industrial, stationary"),
        (("check", "no/such/folder"), "cannot be read"),
        (("check", "no/such/file.aasx"), "cannot be read"),
        (("matrix", "--category", "pack"), "one of ev, lmt, industrial, stationary"),
    ],
)
def test_a_slip_is_told_with_what_to_write(run: Run, words: tuple[str, ...], said: str) -> None:
    code, _, err = run("passport", *words)
    assert code == 4 and said in err


def test_the_matrix_counts_what_each_audience_may_see(run: Run) -> None:
    code, out, _ = run("passport", "matrix", "--date", "2027-02-18", terminal=True)
    assert code == 0
    assert "PUB  79 may see ●  74 may not ○  11 pending ◌" in out
    assert "LI   151 may see ●  2 may not ○  11 pending ◌" in out
    assert "AUT  101 may see ●  52 may not ○  11 pending ◌" in out
    _, out, _ = run("passport", "matrix")
    rows = {line.split("\t")[0]: line.split("\t") for line in out.splitlines()}
    assert rows["nameplate/ResultsOfTestReportsProvingCompliance/*"][4:] == ["no", "no", "yes", "Annex XIII 3"]


def test_a_text_in_several_languages_is_one_value_of_its_layer() -> None:
    told = {"path": "nameplate/ManufacturerName", "level": "model", "owner": "EV-72", "source": "folder", "at": "", "who": "operator"}
    (row,) = with_origins([{"path": "nameplate/ManufacturerName/0/en", "value": "Halden Cells"}], {"elements": [told]})
    assert (row["path"], row["from"]) == ("nameplate/ManufacturerName/0/en", "model EV-72 · folder · operator")
