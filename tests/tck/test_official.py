"""`scripts/tck dsp`: the official kit where it is to be had, and what the script makes of any kit's report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from . import jars, run
from .ids import DISABLED, IDS

ROOT = Path(__file__).resolve().parents[2]
FETCHED = ROOT / ".tck" / f"dsp-tck-{jars.KIT[2]}"


@pytest.mark.timeout(420)
def test_the_official_kit_passes_its_disabled_scenarios_too() -> None:
    named = os.environ.get(jars.ENVIRONMENT, "")
    if not named and not FETCHED.is_dir():
        pytest.skip(f"the official kit is not here: name a folder with its jars in {jars.ENVIRONMENT}, or let scripts/tck dsp fetch it")
    if shutil.which("java") is None:
        pytest.skip("the official kit needs Java 17: apt-get install openjdk-17-jre-headless")
    # later than the kit needs on a machine of its own: here it shares one with other tests
    done = subprocess.run([ROOT / "scripts" / "tck", "dsp", "--all", "--after", "0.6"], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("dsp: 67 passed, 0 failed\n"), done.stdout[-3000:] + done.stderr[-3000:]
    assert done.returncode == 0


# --- any kit -------------------------------------------------------------------------------------


def _pretend(folder: Path, reported: Iterable[str], then: str = "", version: str = "17.0.1") -> dict[str, str]:
    """A folder of jars and a `java` that reports these lines; the environment in which they are found."""
    for name in ("dsp-tck-1.0.1.jar", "okhttp-jvm-5.4.0.jar"):
        (folder / name).touch()
    java = folder / "java"
    lines = "".join(f"echo '[2026-11-24T23:27:27.78] {line}'\n" for line in reported)
    java.write_text(f'#!/bin/sh\nif [ "$1" = -version ]; then echo \'openjdk version "{version}"\' >&2; exit 0; fi\n{lines}{then}\n')
    java.chmod(0o755)
    return {**os.environ, "TMPDIR": str(folder), "PATH": f"{folder}:{os.environ['PATH']}", jars.ENVIRONMENT: str(folder)}


def _run(environ: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.tck.run", "dsp", *options]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=90)


def test_every_id_reported_makes_it_pass(tmp_path: Path) -> None:
    done = _run(_pretend(tmp_path, [f"SUCCESSFUL: {id}" for id in IDS if id not in DISABLED]))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "dsp: 65 passed, 0 failed"
    assert sum(line.startswith("  passed  ") for line in done.stdout.splitlines()) == 65


def test_an_id_that_is_not_reported_makes_it_fail_whatever_the_kit_counts(tmp_path: Path) -> None:
    reported = [f"SUCCESSFUL: {id}" for id in IDS if id not in ("CN:01-01", "TP:02-04", "MET:01-01")]
    done = _run(_pretend(tmp_path, [*reported, "FAILED: MET:01-01", "Passed tests: 67", "Failed tests: 0"]), "--all")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "dsp: 64 passed, 3 failed"
    for missing in ("CN:01-01", "TP:02-04", "MET:01-01"):
        assert f"  FAILED  {missing}" in done.stdout.splitlines()


def test_a_kit_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    done = _run(_pretend(tmp_path, ["SUCCESSFUL: CAT:01-01"], then="exec sleep 60"), "--timeout", "1")
    assert done.returncode == 1
    assert "stopped after 1 s" in done.stdout
    assert done.stdout.splitlines()[-1] == "dsp: 1 passed, 64 failed"


def test_a_folder_that_holds_no_kit_is_an_error(tmp_path: Path) -> None:
    environ = _pretend(tmp_path, [])
    (tmp_path / "okhttp-jvm-5.4.0.jar").unlink()
    done = _run(environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no okhttp-jvm jar" in done.stderr


def test_without_a_java_that_serves_it_says_skipped_and_why(tmp_path: Path) -> None:
    done = _run(_pretend(tmp_path, [], version="11.0.2"))
    assert done.returncode == 0
    assert done.stdout.startswith("dsp: SKIPPED  Java is older than 17")


def test_where_maven_does_not_serve_the_kit_it_says_skipped_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] Could not find artifact x in central -> [Help 1]'\necho '[ERROR] '\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(jars.ENVIRONMENT, raising=False)
    with pytest.raises(jars.NoKit, match=r"dsp-tck:1\.0\.1 here \(Could not find artifact x in central\)\. Name a folder"):
        jars.find(None, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_what_maven_delivers_is_kept_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text('#!/bin/sh\nfor word; do case $word in -DoutputDirectory=*) mkdir "${word#*=}";; esac; done\n')
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(jars.ENVIRONMENT, raising=False)
    fetched = jars.find(None, tmp_path / "cache")
    assert fetched == tmp_path / "cache" / "dsp-tck-1.0.1"
    assert (tmp_path / "cache" / ".gitignore").read_text() == "*\n"
    maven.unlink()
    assert jars.find(None, tmp_path / "cache") == fetched


def test_free_ports_are_neighbours() -> None:
    first = run.free_run(3)
    assert 1024 < first < 65534
