"""`scripts/demo` as a process: it plays the story, sees a planted leak, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scripts.lib import stage

ROOT = Path(__file__).resolve().parents[2]
LEAKY = Path(__file__).with_name("leaky_node.py")
THIRD, FIRST = "EV-72.000019", "EV-72.000017"
CONTENT, STRUCTURE = "condition/RemainingEnergy/RemainingEnergyValue", "condition/NumberOfFullCycles/NumberOfFullCyclesValue"
PATIENCE = 100


@dataclass
class Demo:
    """The demo over one folder, on ports of its own."""

    folder: Path
    port: int
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "scripts.lib.story", "--folder", str(self.folder), "--port", str(self.port), *more]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def play(self, *more: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr) of a whole run."""
        process = self.start(*more)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def nodes(self) -> list[str]:
        """Command lines of the processes that run over this folder."""
        found = []
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"--home {self.folder}" in line:
                found.append(line)
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo") / "nodes"
    demo = Demo(folder, free_port())
    yield demo
    for process in demo.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def free_port() -> int:
    """A first port that leaves room for the four operators, below those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(10_000, 32_000)
        with contextlib.suppress(stage.Trouble):
            stage.check_ports([stage.Node(str(number), Path(), port + 10 * number) for number in range(4)])
            return port


def leaky(battery: str, *places: str) -> list[str]:
    return ["--serve", sys.executable, str(LEAKY), battery, ",".join(places)]


# The order is the story's: a run that fails, then one over the same folder that does not.


def test_a_leak_turns_the_check_red_and_is_named(demo: Demo) -> None:
    code, out, err = demo.play("--json", *leaky(THIRD, CONTENT, STRUCTURE))
    assert code == 1, err
    told = json.loads(out)
    assert not told["ok"]
    found = told["leak_check"]["found"]
    assert {line.partition(" = ")[0] for line in found} == {f"recycler: {THIRD} {CONTENT}", f"recycler: {THIRD} {STRUCTURE} (structure)"}
    assert f"LEAK to recycler: {THIRD} {CONTENT}" in err
    assert demo.nodes() == []


def test_a_second_run_over_the_same_folder_is_sound_and_finds_nothing(demo: Demo) -> None:
    code, out, err = demo.play("--json")
    assert code == 0, err
    told: dict[str, Any] = json.loads(out)
    assert told["ok"]
    check = told["leak_check"]
    assert check["found"] == []
    assert check["by_content"] > 100
    assert check["by_structure"] > 20
    assert check["documents"] == 7
    assert {row["who"] for row in told["matrix"]} == {"recycler", "oem", "stranger", "unknown key"}
    refusals = {row["asked_for"]: row["why"] for row in told["matrix"] if row["got"] == "nothing"}
    assert len(refusals) == 6
    assert all(refusals.values())
    assert told["timings"]["negotiation_ms"] > 0
    assert "none found." in err
    assert demo.nodes() == []


def test_the_consumer_raises_the_alarm_before_the_check_does(demo: Demo) -> None:
    code, out, err = demo.play("--json", *leaky(FIRST, CONTENT))
    assert code == 1
    assert out == ""
    assert "The demo stopped:" in err
    assert CONTENT in err
    assert demo.nodes() == []


@pytest.mark.parametrize("moment", ["Saltbridge demo", "3  The recycler"])
def test_ctrl_c_leaves_no_process(demo: Demo, moment: str) -> None:
    process = demo.start("--json")
    assert process.stderr
    for line in process.stderr:
        if line.startswith(moment):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.rstrip().endswith("Stopped; every node is down.")
    assert "Traceback" not in err
    assert demo.nodes() == []


def test_an_impatient_second_ctrl_c_leaves_no_process_either(demo: Demo) -> None:
    process = demo.start()
    assert process.stdout
    for line in process.stdout:
        if line.startswith("3  The recycler"):
            break
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    until = time.monotonic() + 15
    while demo.nodes() and time.monotonic() < until:
        time.sleep(0.1)
    assert demo.nodes() == []


# --- what it will not do -------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 2, 31])
def test_a_port_in_use_is_named_with_the_option_that_changes_it(demo: Demo, which: int) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", demo.port + which))
        taken.listen()
        code, out, err = demo.play("--json")
    assert code == 1
    assert out == ""
    assert f"Port {demo.port + which} is in use." in err
    assert "--port" in err
    assert "Traceback" not in err


def test_a_folder_that_is_not_the_demos_is_never_removed(tmp_path: Path) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("three years")
    code, _, err = Demo(tmp_path, free_port()).play()
    assert code == 1
    assert f"{tmp_path} is not a demo's folder." in err
    assert "--folder" in err
    assert kept.read_text() == "three years"
    assert list(tmp_path.iterdir()) == [kept]


def test_a_file_in_the_folders_place_is_never_removed(tmp_path: Path) -> None:
    kept = tmp_path / "demo"
    kept.write_text("a file")
    for folder in (kept, kept / "below"):
        code, _, err = Demo(folder, free_port()).play()
        assert code == 1
        assert f"{folder} " in err
        assert "--folder" in err
        assert "Traceback" not in err
    assert kept.read_text() == "a file"


def test_a_node_that_stops_at_once_is_named_with_its_log(demo: Demo) -> None:
    code, _, err = demo.play("--serve", "/bin/false")
    assert code == 1
    assert "maker stopped at once." in err
    assert "node.log" in err
    assert demo.nodes() == []
