"""`scripts/tck aas`: the official engine and the second judge where they are to be had, and what the script makes of any engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from . import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(420)
def test_the_official_engine_finds_nothing_wrong() -> None:
    done = subprocess.run([ROOT / "scripts" / "tck", "aas"], capture_output=True, text=True, check=False)
    if done.stdout.startswith("aas: SKIPPED"):
        pytest.skip(done.stdout.strip())
    closing = re.findall(r"^aas: (\d+) passed, (\d+) failed$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert [failed for _, failed in closing] == ["0"] * 5
    assert [int(passed) for passed, _ in closing] == [112, 106, 94, 76, 8], "as many checks as ever: none was left out"


def test_where_the_engine_cannot_be_had_it_says_skipped_and_why(tmp_path: Path) -> None:
    environ = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    environ.pop(run.ENVIRONMENT, None)
    code = f"from pathlib import Path; from tests.aas import run; run.ROOT = Path({str(tmp_path)!r}); raise SystemExit(run.main(['aas']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0
    assert done.stdout.startswith("aas: SKIPPED  aas-test-engines==1.0.3 aas-submodel-validate==1.0.0 cannot be installed here (")
    assert "name its python" in done.stdout
    assert not (tmp_path / ".tck" / "aas-engines" / "complete").exists()


def test_an_interpreter_without_the_engine_is_said_to_be_one() -> None:
    with pytest.raises(run.NoEngine, match="has no aas_test_engines"):
        run.find(Path(sys.executable), ROOT / ".tck")


def test_an_engine_that_breaks_off_is_a_failure(tmp_path: Path) -> None:
    """What stands for an engine says one suite and ends."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho \'{"suite": "One/SSP-002", "passed": 3, "failed": ["something"], "warned": []}\'\n')
    python.chmod(0o755)
    assert run._suites(python, tmp_path, "http://127.0.0.1:9", "") == 1 + 3
