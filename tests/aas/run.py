"""`scripts/tck aas`: the official AAS engine against a real node process, and two judges over our files.

The engine (PyPI `aas-test-engines`, metamodel and API 3.0) and the second judge (`aas-submodel-validate`, IDTA 02035 parts 1, 2, 4, 5
and 7) live in an environment of their own below `.tck`.  What counts is each single check of the engine; a warning of it (what it did
not find to check) is told and is no failure.  Where the environment cannot be had the answer is SKIPPED, with the reason.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import requests

from tests.tck.run import free_run

from .seed import encoded, plant

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
ENVIRONMENT = "SALTBRIDGE_AAS_ENGINES"
WANTED = ("aas-test-engines==1.0.3", "aas-submodel-validate==1.0.0")
PATIENCE = 300  # seconds for pip on a slow line
READY_WITHIN = 60.0
SUITES = 4
BATTERY = "https://passport.halden-cells.example/EV-72/7QX4-000017"
JUDGED = ("nameplate", "handover", "technical", "condition", "circularity")  # what the second judge has a table for
PACKAGE = "application/asset-administration-shell-package"


class NoEngine(Exception):
    """Nothing to run here; the message says why and how to get it."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/tck aas", description="Run the official AAS engine against a real node process.")
    parser.add_argument("kit", choices=["aas"])
    parser.add_argument("--python", type=Path, metavar="FILE", help=f"an interpreter that has the engines (or name it in {ENVIRONMENT})")
    options = parser.parse_args(argv)
    try:
        python = find(options.python, ROOT / ".tck")
    except NoEngine as error:
        print(f"aas: SKIPPED  {error}")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="saltbridge-aas-"))
    try:
        failed = _run(python, folder)
    except KeyboardInterrupt:
        return 130
    if failed:
        print(f"What the engine and the node said: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if failed else 0


def find(named: Path | None, cache: Path) -> Path:
    """An interpreter that has the engines; NoEngine where there is none to be had."""
    named = named or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if named is not None:
        if subprocess.run([named, "-c", "import aas_test_engines, aas_submodel_validate"], capture_output=True, check=False).returncode:
            raise NoEngine(f"{named} has no aas_test_engines or no aas_submodel_validate.")
        return named
    place = cache / "aas-engines"
    python = place / "bin" / "python"
    if not (place / "complete").is_file():
        _make(place, python, cache)
    return python


def _make(place: Path, python: Path, cache: Path) -> None:
    cache.mkdir(exist_ok=True)
    (cache / ".gitignore").write_text("*\n", "utf-8")
    shutil.rmtree(place, ignore_errors=True)
    steps = ([sys.executable, "-m", "venv", str(place)], [str(python), "-m", "pip", "install", "-q", *WANTED])
    for command in steps:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise NoEngine(f"{' '.join(WANTED)} did not arrive within {PATIENCE} s. {_HOW}") from None
        if done.returncode:
            why = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it did not say why")
            raise NoEngine(f"{' '.join(WANTED)} cannot be installed here ({why.strip()[-240:]}). {_HOW}")
    (place / "complete").touch()


_HOW = f"Install both in an environment and name its python: --python FILE, or {ENVIRONMENT}=FILE."


# --- one run -------------------------------------------------------------------------------------


def _run(python: Path, folder: Path) -> int:
    """How many checks failed, after printing them."""
    with _node(folder) as (url, token):
        base = f"{url}/management/aas/api"
        _import(folder)
        plant(f"{base}/v3.1", token)
        print(f"Official engine {WANTED[0]} against a node process, {base}/v3.0", flush=True)
        failed = _suites(python, folder, f"{base}/v3.0", token)
        return failed + _files(python, folder, f"{base}/v3.1", token)


def _suites(python: Path, folder: Path, base: str, token: str) -> int:
    command = [python, ROOT / "tests" / "aas" / "judge.py", base, token]
    seen = failed = 0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as engine:
        for line in engine.stdout or ():
            told = json.loads(line)
            seen += 1
            failed += len(told["failed"])
            print(f"\n{told['suite']}")
            for each in told["failed"]:
                print(f"  FAILED  {each}")
            if told["warned"]:
                print(f"  {len(told['warned'])} with a warning, as {told['warned'][-1]}")
            print(f"aas: {told['passed']} passed, {len(told['failed'])} failed", flush=True)
    if seen < SUITES:
        print(f"The engine broke off after {seen} of {SUITES} suites.")
    return failed + (SUITES - seen)


def _files(python: Path, folder: Path, base: str, token: str) -> int:
    """Our files of a battery: whole and public, JSON and AASX, by the API and by the command line."""
    shell = f"aasIds={encoded(BATTERY + '#shell')}"
    parts = "".join(f"&submodelIds={encoded(f'{BATTERY}#{part}')}" for part in JUDGED)
    public = base.replace("/management", "").replace(base.split("/")[2], _public(folder))
    wanted = {
        "whole.json": (base, shell, "application/json"),
        "whole.aasx": (base, shell, PACKAGE),
        "public.json": (public, shell, "application/json"),
        "public.aasx": (public, shell, PACKAGE),
        "judged.json": (base, shell + parts, "application/json"),
    }
    for name, (where, query, accept) in wanted.items():
        headers = {"Accept": accept, **({"X-Api-Key": token} if where == base else {})}
        answer = requests.get(f"{where}/serialization?{query}", headers=headers, timeout=60)
        answer.raise_for_status()
        (folder / name).write_bytes(answer.content)
    exported = {"export.json": "aas-json", "export.aasx": "aasx"}
    for name, form in exported.items():
        _saltbridge(folder, "passport", "export", "EV-72.000017", "--as", form, "--out", str(folder / name))
    checks = [(name, _engine(python, folder / name)) for name in (*wanted, *exported)]
    checks.append(("judged.json, aas-submodel-validate", [python, "-m", "aas_submodel_validate", *_STRICT, str(folder / "judged.json")]))
    print("\nfiles")
    failed = 0
    for name, command in checks:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        failed += done.returncode != 0
        print(f"  {'FAILED' if done.returncode else 'passed'}  {name}")
        if done.returncode:
            print((done.stdout + done.stderr)[-2000:])
    print(f"aas: {len(checks) - failed} passed, {failed} failed", flush=True)
    return failed


_STRICT = ("--require-all-judged", "--profile", "02035-2")


def _engine(python: Path, file: Path) -> list[str | Path]:
    return [python, "-m", "aas_test_engines", "check_file", file, "--format", file.suffix[1:]]


# --- the node ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _node(folder: Path) -> Iterator[tuple[str, str]]:
    """A node as an operator starts it: (operator URL, token)."""
    port = free_run(2)
    _saltbridge(folder, "init", "--port", str(port))
    token = (folder / "home" / "operator.token").read_text("utf-8").strip()
    with (folder / "node.log").open("wb") as log:
        node = subprocess.Popen(_command(folder, "serve"), stdout=log, stderr=log, cwd=ROOT)
        try:
            url = f"http://127.0.0.1:{port + 1}"
            _wait(node, f"{url}/health/ready", folder)
            yield url, token
        finally:
            node.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(15)
            if node.poll() is None:
                node.kill()


def _wait(node: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < READY_WITHIN and node.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"The node did not start: see {folder / 'node.log'}")


def _import(folder: Path) -> None:
    _saltbridge(folder, "passport", "import", str(SAMPLE))
    _saltbridge(folder, "passport", "publish", "EV-72")


def _public(folder: Path) -> str:
    """Host and port of the dataspace listener."""
    settings = (folder / "home" / "saltbridge.toml").read_text("utf-8")
    listen = settings.partition("[dataspace]")[2].partition("listen = ")[2].splitlines()[0]
    return listen.strip().strip('"')


def _command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "connector.cli.main", "--home", str(folder / "home"), *words]


def _saltbridge(folder: Path, *words: str) -> None:
    done = subprocess.run(_command(folder, *words), capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"saltbridge {' '.join(words)}: {(done.stdout + done.stderr)[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
