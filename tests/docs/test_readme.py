"""README.md says what happens: its runs, diagrams, tables, commands and file names are held against the real thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector import settings
from connector.protocol import negotiation, transfer
from scripts.lib import architecture, bench, blocks, tour
from scripts.lib.steady import Steady
from scripts.lib.tour_steps import DEMO, TOUR

README = tour.README.read_text(encoding="utf-8")
BESIDE_THE_TOUR = {DEMO, "scripts/test"}
PLACES = ("", "connector", "scripts")
AWAY = {"http/peer.py", "http/outbound.py", "http/manage/received.py"}  # behind ports (courier, data), and the command line's HTTP


@pytest.mark.timeout(300)
def test_the_readme_is_as_the_tour_makes_it() -> None:
    stood = blocks.write(README, tour.made())
    assert blocks.difference(README, stood, "README.md") == "", "write it anew: scripts/tour"


def test_every_command_of_the_readme_is_one_that_the_tour_types() -> None:
    """Ids differ from run to run: what the tour fills in may be any word."""
    typed = [step.command.replace("\\\n", " ") for steps in TOUR.values() for step in steps]
    patterns = [re.sub(r"\\\{\w+\\\}", r"[\\w-]+", re.escape(" ".join(command.split()))) for command in typed]
    told = blocks.commands(README)
    assert len(told) > len(typed)
    assert [command for command in told if command not in BESIDE_THE_TOUR and not any(re.fullmatch(one, command) for one in patterns)] == []


def test_every_file_that_the_readme_names_is_there() -> None:
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    named = {name for name in re.findall(r"`([\w./-]+)`", prose) if re.search(r"\.(py|csv|toml|txt)$|^scripts/", name)}
    named -= {"saltbridge.toml"}  # a node's, not the project's
    assert {name for name in named if not any((tour.ROOT / place / name).exists() for place in PLACES)} == set()


def test_a_walk_is_at_most_six_files_and_each_opens_the_next() -> None:
    """Each file is imported by one before it, or reached through a port of `World`, or over HTTP from the command line."""
    section = README[README.index("### Walks") : README.index("### Persistence")]
    walks = re.findall(r"^- \*\*[^*]+\*\*: (.*?)(?=^- |^$)", section, re.MULTILINE | re.DOTALL)
    assert len(walks) == 7
    for walk in walks:
        files = re.findall(r"`([\w/]+\.py)`", walk)
        assert 2 <= len(files) <= 6
        for number, there in enumerate(files[1:], 1):
            opened = there in AWAY or any(_imports(here, there) for here in files[:number])
            assert opened, f"nothing before {there} opens it"


def _imports(here: str, there: str) -> bool:
    module = there.removesuffix(".py").replace("/", ".")
    parent, _, name = module.rpartition(".")
    forms = (
        rf"from [\w.]*{re.escape(module)} import",
        rf"from \.{name} import",
        rf"from (?:\.|[\w.]*{re.escape(parent)}) import [^\n]*\b{name}\b",
    )
    return any(re.search(form, _source(here)) for form in forms)


def _source(name: str) -> str:
    found = next(path for place in PLACES if (path := tour.ROOT / place / name).exists())
    return found.read_text(encoding="utf-8")


# --- what follows from the code ------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [negotiation, transfer])
def test_a_diagram_shows_every_step_of_its_table(protocol: object) -> None:
    drawn = architecture.state_diagram(protocol)  # type: ignore[arg-type]
    for (before, sender, message), after in protocol.STEPS.items():  # type: ignore[attr-defined]
        arrow = re.escape(f"{before or '[*]'} --> {after}: ")
        assert re.search(rf"^    {arrow}.*\b{sender}\b.* · {re.escape(message.replace(':', ' '))}$", drawn, re.MULTILINE)


def test_every_setting_stands_in_the_table_with_a_meaning() -> None:
    rows = [line.split(" | ") for line in architecture.settings_table().splitlines()[2:]]
    assert [row[0].strip("| `") for row in rows] == list(settings.KNOWN)
    assert [row[0] for row in rows if not row[2].strip("| ")] == []


# --- the means -----------------------------------------------------------------------------------


def test_two_runs_of_one_story_give_the_same_text() -> None:
    told = [
        f"agreement urn:uuid:{pid} · contract {pid[:8]}\nsaid d-{decision} at 2026-11-2{day} 10:00:0{day} +0000\nhttp://localhost:{port}/x%3A{port}\n"
        f"NAME    TOOK\na       {took}\nready in {took}"
        for pid, decision, day, port, took in (
            ("b5ba4f50-515f-495d-8a03-272b10d7a6ae", "97656f195af7", 4, 5312, "9 ms"),
            ("c8302303-4e7f-4b1c-9d20-1f5a7aa0b511", "e4565d9ee3d3", 5, 6044, "0.3 s"),
        )
    ]
    first, second = (Steady({5312: 7401, 6044: 7401}, {}).text(text) for text in told)
    assert first == second
    assert "localhost:7401/x%3A7401" in first
    assert first.count(re.findall(r"urn:uuid:(\w{8})", first)[0]) == 2  # short and whole ids still go together


def test_two_things_never_share_a_stand_in() -> None:
    text = Steady({}, {}).text("decision d-97656f195af7\ndecision d-e4565d9ee3d3")
    assert len(set(text.splitlines())) == 2


def test_a_block_is_written_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = "before\n<!-- tour:begin one -->\nold\n<!-- tour:end one -->\nafter"
    assert blocks.write(page, {"one": "new"}) == page.replace("old", "new")
    with pytest.raises(ValueError, match="'two'"):
        blocks.write(page, {"one": "new", "two": "lost"})
    with pytest.raises(ValueError, match="'one'"):
        blocks.write(page, {})


def test_a_difference_names_the_lines() -> None:
    shown = blocks.difference("a\nb\n", "a\nc\n", "README.md")
    assert "-b" in shown and "+c" in shown


def test_the_figures_are_a_table_that_the_benchmark_wrote() -> None:
    """Of its form and with its names; what was measured depends on the machine."""
    block = README.partition(bench.BEGIN)[2].partition(bench.END)[0]
    assert bench.END in README
    lines = block.strip().splitlines()
    if not lines:
        pytest.skip("the table is not measured yet: scripts/bench --readme")
    assert tuple(lines[:2]) == bench.HEAD
    form = re.compile(r"\| `(\w+)(@postgres)?` \| [\d.e+]+( [\w/%]+)? \| [\d.e+]+ to [\d.e+]+ \(\d+\) \| [^|]+ \|")
    rows = [form.fullmatch(row) for row in lines[2:-2]]
    assert rows and all(rows)
    assert {row[1] for row in rows if row} <= set(bench.NAMES)
    assert re.search(r"\d+ cores, load [\d.]+ .* Python 3", lines[-1])
