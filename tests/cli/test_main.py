"""The command line as a whole: instant, helpful, and every ending has its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("aiohttp", "pydantic", "rich", "jwcrypto", "pyld", "jsonschema_rs", "connector.node", "connector.exchange")


def test_help_imports_nothing_heavy() -> None:
    program = (
        f"import sys; from connector.cli.main import main; main(['--help']); print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(name in done.stdout for name in COMMANDS)


def _pages() -> list[list[str]]:
    from connector.cli.main import _load

    pages = []
    for name, entry in COMMANDS.items():
        verbs = getattr(_load(name, entry), "commands", {})
        pages += [[name, verb] for verb in verbs] or [[name]]
    return pages


@pytest.mark.parametrize("words", _pages(), ids=" ".join)
def test_each_command_has_a_help_that_fits_a_screen_with_one_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example: saltbridge" in text
    assert len(text.splitlines()) <= 44


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statsu"]) == 2
    assert "'status'" in capsys.readouterr().err


def test_usage_errors_say_what_why_and_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["what", "why", "next"]


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--home", "{}", "status"], ["status", "--home", "{}"], ["status", "--home={}"]])
def test_home_may_stand_anywhere(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SALTBRIDGE_HOME", "elsewhere")
    assert main([word.format(tmp_path) for word in words]) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 3
    assert err[2] == f"next  saltbridge --home {tmp_path} init"


def test_errors_are_json_when_json_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SALTBRIDGE_HOME", str(tmp_path))
    assert main(["status", "--json"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert set(json.loads(shown.err)) >= {"what", "why", "next", "code", "decision"}


def test_a_fault_of_ours_names_a_file_and_shows_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("connector.cli.status.Client", None)
    assert main(["status"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    file = Path(next(word for word in err.split() if "saltbridge-bug-" in word))
    try:
        assert "Traceback" in file.read_text()
    finally:
        file.unlink()
