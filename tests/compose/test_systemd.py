"""The unit file, held against systemd's own checkers."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from connector.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "compose" / "systemd" / "saltbridge.service"
EXPOSURE = 20  # tenths: 2.0 of 10, where systemd says OK

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze (Debian: apt-get install systemd)")


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """Its one complaint would be that the command is not installed at its place here, so the copy names one that is."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/saltbridge/bin/saltbridge", "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@needs_systemd
def test_it_exposes_little() -> None:
    asked = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", UNIT]
    checked = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_runs_a_verb_that_exists_as_a_user_of_its_own_and_waits_until_it_is_ready() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["ExecStart"].split()[1] in COMMANDS
    assert service["User"] == "saltbridge" and service["Type"] == "notify"
