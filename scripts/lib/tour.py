"""`scripts/tour`: types the README's commands against real nodes and writes what they printed into README.md.

Two nodes and the demo run in a temporary folder, on free ports; what differs from run to run is made steady.
A command that ends otherwise than the tour says stops everything: README.md never shows what did not happen.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import pty
import random
import re
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.lib import acts, architecture, blocks, stage
from scripts.lib.steady import Steady
from scripts.lib.tour_steps import DEMO, DEMO_LINES, TOUR, UNTIL, Step

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
WIDTH = 116  # columns of the terminal that the commands see, and of the longest line shown
DEMO_WIDTH = 160  # the demo's matrix is wide
DOTS = "    ..."
SHOWN = 7401  # the README's first port
DEMO_PORTS = tuple(ten + one for ten in (0, 10, 20, 30) for one in (0, 1, 2))


class Otherwise(Exception):
    """A step of the tour went otherwise than the tour says."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/tour", description="Write the README's tour, diagrams and tables anew, from real runs.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff when README.md differs")
    options = parser.parse_args(argv)
    begun = time.perf_counter()
    before = README.read_text(encoding="utf-8")
    try:
        after = blocks.write(before, made())
    except (Otherwise, ValueError) as error:
        print(f"The tour stopped: {error}", file=sys.stderr)
        return 1
    diff = blocks.difference(before, after, README.name)
    if options.check:
        print(diff or f"README.md is as the tour makes it · {time.perf_counter() - begun:.0f} s")
        return 1 if diff else 0
    README.write_text(after, encoding="utf-8")
    print(f"README.md {'changed' if diff else 'unchanged'} · {time.perf_counter() - begun:.0f} s")
    return 0


def made() -> dict[str, str]:
    """Every block of the README, from runs made now."""
    with tempfile.TemporaryDirectory(prefix="saltbridge-tour-") as name, ThreadPoolExecutor() as pool:
        folder = Path(name)
        (folder / "scripts").symlink_to(ROOT / "scripts")  # so that commands read as typed in the project's folder
        demo = pool.submit(_demo, folder)
        return {**_tour(folder), "demo": demo.result(), **architecture.blocks()}


# --- the demo ------------------------------------------------------------------------------------


def _demo(folder: Path) -> str:
    base = _free_ports(8000, DEMO_PORTS)
    command = [sys.executable, "-m", "scripts.lib.story", "--port", str(base), "--folder", "demo"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise Otherwise(f"{DEMO} ended with {done.returncode}: {done.stderr.strip()[-600:]} {done.stdout.strip()[-600:]}")
    steady = Steady({base + at: SHOWN + at for at in DEMO_PORTS}, {acts.UNTIL: UNTIL})
    text = re.sub(r"\d+ messages, [\d.]+ kB", "… messages, … kB", steady.text(done.stdout))
    text = re.sub(r"(ready in … ms) +", r"\1   ", text)
    return blocks.fenced(_cut(f"$ {DEMO}\n\n{text}", DEMO_LINES, DEMO_WIDTH, dots=""), "console")


# --- the tour ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Trip:
    """One run of the tour: where, on which ports, what was learnt on the way."""

    folder: Path
    ports: Mapping[int, int]  # as shown -> as used
    steady: Steady
    until: str
    learnt: dict[str, str] = field(default_factory=dict)
    nodes: list[stage.Node] = field(default_factory=list)


def _tour(folder: Path) -> dict[str, str]:
    base = _free_ports(5000, (0, 1, 10, 11))
    ports = {SHOWN + at: base + at for at in (0, 1, 10, 11)}
    trip = Trip(folder, ports, Steady({used: shown for shown, used in ports.items()}, {acts.UNTIL: UNTIL}), acts.UNTIL)
    try:
        return {name: blocks.fenced("\n".join(_typed(trip, step) for step in steps), "console") for name, steps in TOUR.items()}
    finally:
        asyncio.run(stage.stop(trip.nodes))


def _typed(trip: Trip, step: Step) -> str:
    """One command with its output, as the README shows them."""
    command = re.sub(r"\b74\d\d\b", lambda found: str(trip.ports[int(found[0])]), step.command).replace(UNTIL, trip.until)
    command = command.format(**trip.learnt)
    words = shlex.split(command.replace("\\\n", " "))
    if words[-1] == "serve":
        output = _served(trip, words)
    else:
        code, output = _seen(words, trip.folder, step.until)
        if code != step.code:
            raise Otherwise(f"`{command}` ended with {code}, not {step.code}:\n{output}")
    for name, pattern in step.learn.items():
        found = re.search(pattern, output)
        if found is None:
            raise Otherwise(f"`{command}` did not say its {name}:\n{output}")
        trip.learnt[name] = found[1]
    return trip.steady.text(f"$ {command}\n") + "\n" + _cut(trip.steady.text(output), step.keep)


def _served(trip: Trip, words: Sequence[str]) -> str:
    """Start a node; what it prints until it is ready."""
    home = trip.folder / words[2]
    log = trip.folder / f"{home.name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(_program(words), cwd=trip.folder, stdout=out, stderr=out, env=_environment(), start_new_session=True)
    trip.nodes.append(stage.Node(home.name, home, 0, process=process))
    deadline = time.monotonic() + stage.PATIENCE
    while not (found := re.match(r"(?s).*?^ready in [^\n]*\n", log.read_text(encoding="utf-8"), re.MULTILINE)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Otherwise(f"{home.name} did not start:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.02)
    return found[0]


def _seen(words: Sequence[str], folder: Path, until: str) -> tuple[int, str]:
    """What a command says; typed again while it does not say what we wait for."""
    deadline = time.monotonic() + stage.PATIENCE
    while True:
        code, output = _on_terminal(words, folder)
        if re.search(until, output):
            return code, output
        if time.monotonic() > deadline:
            raise Otherwise(f"`{shlex.join(words)}` never said {until}:\n{output}")


def _on_terminal(words: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run a command on a terminal of WIDTH columns: its exit code and what a person sees."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
    process = subprocess.Popen(_program(words), cwd=folder, stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=_environment())
    os.close(its)
    seen = b""
    while chunk := _read(ours):
        seen += chunk
    os.close(ours)
    return process.wait(stage.PATIENCE), seen.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO when the last writer has gone
        return b""


def _program(words: Sequence[str]) -> list[str]:
    return [*stage.SALTBRIDGE, *words[1:]] if words[0] == "saltbridge" else list(words)


def _environment() -> dict[str, str]:
    """Plain text, one time zone, one width; no settings of another node."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SALTBRIDGE_") and not key.lower().endswith("_proxy")}
    return kept | {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": str(WIDTH), "TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}


# --- small things --------------------------------------------------------------------------------


def _cut(text: str, keep: str, width: int = WIDTH, dots: str = DOTS) -> str:
    """The lines that match, at most `width` long, with dots for what is left out between them."""
    shown: list[str] = []
    for line in text.rstrip("\n").splitlines():
        if re.search(keep, line):
            shown.append(line if len(line) <= width else f"{line[: width - 1]}…")
        elif dots and shown[-1:] not in ([], [dots]):
            shown.append(dots)
    return "\n".join(shown).rstrip("\n")


def _free_ports(above: int, offsets: Sequence[int]) -> int:
    """A first port of four digits, so that columns stay where they are, with every needed one free."""
    for base in random.sample(range(above, above + 1900), 200):
        if all(_free(base + at) for at in offsets):
            return base
    raise Otherwise(f"no free ports from {above} on")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    sys.exit(main())
