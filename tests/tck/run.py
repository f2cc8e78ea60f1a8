"""`scripts/tck`: an official kit against a real node process, judged by our own list of ids and an outer time-out.

The kit's exit code is 0 whatever happens, and a scenario that it never reached is in no count of its; so what counts here
is each id that must be reported as passed.  Where no kit is to be had the answer is SKIPPED, with the reason.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from . import ids
from .jars import ENVIRONMENT, NoKit, WrongFolder, find
from .script import ANSWER_AFTER

ROOT = Path(__file__).resolve().parents[2]
SUITE = "org.eclipse.dataspacetck.dsp.suite.DspTckSuite"
FORCE = "-Djunit.jupiter.conditions.deactivate=org.junit.*DisabledCondition"
RESULT = re.compile(r"\b(SUCCESSFUL|FAILED|ABORTED): ([A-Z_]+:\d\d-\d\d)\b")
READY_WITHIN = 60.0  # seconds for a node to start, on a machine that does other things as well


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    try:
        java, jars = _java(), find(options.jars, ROOT / ".tck")
    except WrongFolder as error:
        print(f"{options.kit}: {error}", file=sys.stderr)
        return 2
    except NoKit as error:
        print(f"{options.kit}: SKIPPED  {error}")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="saltbridge-tck-"))
    wanted = [id for id in ids.IDS if options.all or id not in ids.DISABLED]
    try:
        passed = asyncio.run(_run(java, jars, folder, wanted, options))
    except KeyboardInterrupt:
        return 130
    missing = [id for id in wanted if id not in passed]
    if missing:
        print(f"Logs of the kit and of the node: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{options.kit}: {len(wanted) - len(missing)} passed, {len(missing)} failed")
    return 1 if missing else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/tck", description="Run an official test kit against a real node process.")
    parser.add_argument("kit", choices=["dsp"], help="dsp: the Dataspace Protocol kit 1.0.1, 65 scenarios and two disabled ones")
    parser.add_argument("--jars", type=Path, metavar="DIR", help=f"take the kit's jars from this folder (or name it in {ENVIRONMENT})")
    parser.add_argument("--all", action="store_true", help="run the two scenarios that the kit disables as well")
    parser.add_argument("--after", type=float, default=ANSWER_AFTER, metavar="SECONDS", help="how late the node's decider answers")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS", help="give up after this long (default 300)")
    return parser.parse_args(argv)


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise NoKit("There is no Java here: the kit needs version 17 or newer (Debian: apt-get install openjdk-17-jre-headless).")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < 17:
        raise NoKit(f"Java is older than 17, which the kit needs: {said.splitlines()[0] if said else java}")
    return java


# --- one run -------------------------------------------------------------------------------------


async def _run(java: str, jars: Path, folder: Path, wanted: Sequence[str], options: argparse.Namespace) -> set[str]:
    """The ids that the kit reports as passed, each printed as it comes; those that are missing after them."""
    port, kit_port = free_run(3), free_run(1)
    properties = folder / "kit.properties"
    passed: set[str] = set()
    async with _node(folder, port, f"http://127.0.0.1:{kit_port}", properties, options.after):
        print(f"Official kit from {jars}, against a node process at 127.0.0.1:{port}", flush=True)
        command = [java, *([FORCE] if options.all else []), "-cp", f"{jars}/*", SUITE, "-config", str(properties)]
        with (folder / "kit.log").open("wb") as log:
            kit = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log)
            try:
                async with asyncio.timeout(options.timeout):
                    await _follow(kit, folder / "kit.out", passed)
            except TimeoutError:
                print(f"The kit was stopped after {options.timeout:g} s.", flush=True)
            finally:
                await _stop(kit)
    for id in wanted:
        if id not in passed:
            print(f"  FAILED  {id}")
    return passed


async def _follow(kit: asyncio.subprocess.Process, out: Path, passed: set[str]) -> None:
    """Read what the kit prints until it ends."""
    assert kit.stdout is not None
    with out.open("wb") as copy:
        async for line in kit.stdout:
            copy.write(line)
            result = RESULT.search(line.decode(errors="replace"))
            if result and result[1] == "SUCCESSFUL" and result[2] not in passed:
                passed.add(result[2])
                print(f"  passed  {result[2]}", flush=True)
            elif result and result[1] != "SUCCESSFUL":
                passed.discard(result[2])


@contextlib.asynccontextmanager
async def _node(folder: Path, port: int, kit: str, properties: Path, after: float) -> AsyncIterator[None]:
    """A node process, seeded for the kit; listens before the block is entered."""
    command = [sys.executable, "-m", "tests.tck.node", str(folder / "home"), str(port), kit, str(properties), str(after)]
    with (folder / "node.log").open("wb") as log:
        node = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=log)
        try:
            assert node.stdout is not None
            async with asyncio.timeout(READY_WITHIN):
                said = await node.stdout.readline()
            if said != b"ready\n":
                raise SystemExit(f"The node did not start: see {folder / 'node.log'}")
            drain = asyncio.create_task(node.stdout.read())
            yield
            drain.cancel()
        finally:
            await _stop(node)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End a process that we started, at once when it does not go by itself."""
    for end in (process.terminate, process.kill):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)


def free_run(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on just now."""
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, OverflowError):
            first = 0
            for offset in range(count):
                listener = held.enter_context(socket.socket())
                listener.bind(("127.0.0.1", first + offset if offset else 0))
                first = first or listener.getsockname()[1]
            return first


if __name__ == "__main__":
    sys.exit(main())
