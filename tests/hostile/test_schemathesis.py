"""Schemathesis drives the operator API by the description that the node serves: no fault, and every answer as it is described.

It lives in an environment of its own (it holds jsonschema-rs below the version a node may have), made once in a cache folder
outside the tree; where it cannot be had the test says why it is skipped.  `SALTBRIDGE_HOSTILE=20` runs twenty times as many.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from .node import Node
from .shapes import LONG

PINNED = "schemathesis==4.32.5"
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"
SEED = "20261125"


@cache
def installed() -> Path:
    """The command; skips where there is none to be had."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = f"{PINNED.replace('==', '-')}-py{sys.version_info.major}{sys.version_info.minor}"
    folder = caches / "saltbridge-tests" / name
    command, done = folder / "bin" / "schemathesis", folder / "installed"
    if not done.exists():
        try:
            for words in ([sys.executable, "-m", "venv", str(folder)], [str(folder / "bin" / "pip"), "install", "--quiet", PINNED]):
                subprocess.run(words, check=True, capture_output=True, timeout=110)
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", None) or str(error).encode()
            pytest.skip(f"{PINNED} cannot be installed: {said.decode(errors='replace').strip()[-300:]}")
        done.touch()
    return command


@pytest.mark.timeout(600)
def test_the_operator_api_answers_as_it_is_described(managed: Node, tmp_path: Path) -> None:
    described = f"http://127.0.0.1:{managed.operator_port}/management/openapi.json"
    command = [
        str(installed()), "run", described, "--header", f"X-Api-Key: {managed.token}",
        "--phases", "fuzzing", "--checks", CHECKS, "--continue-on-failure", "--seed", SEED if LONG == 1 else str(LONG), "--no-color",
        "--max-examples", str(LONG), "--request-timeout", "30",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False)
    said = done.stdout.replace(managed.token, "...")
    assert done.returncode == 0, said[said.find("FAILURES") :][:6000]
    assert "No checks were performed" not in said and "Tested:" in said
    managed.sound()
