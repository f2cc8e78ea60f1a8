"""A node as a process: it says when it is ready, answers, and stops when asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from connector.cli.init import make
from connector.cli.serve import lines
from connector.config import load, read_token

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        dataspace, operator = (probe.getsockname()[1] for probe in (first, second))
    home = tmp_path / "node"
    return make(home, name="node", port=dataspace, operator_port=operator, profile="development").home


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts `saltbridge serve` and ends it with the test."""
    running: list[subprocess.Popen[str]] = []

    def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "connector.cli.main", "--home", str(home), "serve", *arguments]
        running.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        )
        return running[-1]

    yield started
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until_ready(process: subprocess.Popen[str]) -> list[str]:
    said: list[str] = []
    assert process.stdout
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if said[-1].startswith("ready"):
            return said
    raise AssertionError(f"never ready: {said} {process.communicate()}")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_answers_and_stops_gracefully(home: Path, start: Start, stop: signal.Signals) -> None:
    config = load(home, {})
    process = start()
    said = until_ready(process)
    assert len(said) <= 12 and all(
        word in "\n".join(said) for word in (config.participant.id, config.operator.listen, "operator.token", "SQLite")
    )
    assert requests.get(f"{config.dataspace.public_url}/.well-known/dspace-version", timeout=5).status_code == 200
    answer = requests.get(
        f"http://{config.operator.listen}/management/saltbridge/status", headers={"X-Api-Key": read_token(config)}, timeout=5
    )
    assert answer.status_code == 200
    process.send_signal(stop)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert log.rstrip().endswith("stopped") and "Traceback" not in log and read_token(config) not in log


def test_a_supervisor_is_told_when_it_is_ready_and_when_it_stops(tmp_path: Path, start: Start) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        process = start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert systemd.recv(100) == b"READY=1"
        process.send_signal(signal.SIGTERM)
        assert systemd.recv(100) == b"STOPPING=1"
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_its_log_is_one_json_object_per_line_when_asked(home: Path, start: Start) -> None:
    process = start("--log", "json")
    assert process.stderr
    ready = json.loads(process.stderr.readline())
    assert (ready["event"], ready["id"]) == ("ready", load(home, {}).participant.id)
    process.send_signal(signal.SIGTERM)
    out, log = process.communicate(timeout=20)
    assert out == "" and [json.loads(line)["event"] for line in log.splitlines()] == ["stopping", "stopped"]


def test_a_taken_port_is_named_with_its_setting_and_nothing_is_left_running(home: Path, start: Start) -> None:
    config = load(home, {})
    with socket.socket() as taken:
        taken.bind(config.operator.address)
        taken.listen()
        process = start()
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "operator.listen" in said and str(config.operator.address.port) in said and "Traceback" not in said
    assert "next" in said


def test_a_second_process_on_one_home_is_refused(start: Start) -> None:
    until_ready(start())
    second = start()
    _, said = second.communicate(timeout=20)
    assert second.returncode == 1 and "is in use" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SALTBRIDGE_PROFILE": "production"}, "production"),
        ({"SALTBRIDGE_DATASPACE__LISTN": "x"}, "dataspace.listen"),
        ({"SALTBRIDGE_STORE__URL": "postgresql://x/y"}, "Start PostgreSQL"),
    ],
)
def test_what_is_wrong_with_the_settings_stops_it_at_the_start(start: Start, environment: dict[str, str], said: str) -> None:
    process = start(**environment)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1 and said in errors and "Traceback" not in errors and len(errors.splitlines()) <= 3


def test_a_store_in_memory_says_that_it_is_lost(home: Path) -> None:
    config = load(home, {"SALTBRIDGE_STORE__URL": "sqlite::memory:"})
    assert any("in memory, lost on exit" in line for line in lines(config, 0.42))
    assert lines(config, 0.42)[-1] == "ready in 0.4 s"
