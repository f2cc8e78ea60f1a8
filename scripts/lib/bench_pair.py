"""Two nodes as two processes, a maker that offers and a recycler that asks: made, started, told what to do, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from connector.cli.init import make
from connector.config import load

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
MODEL, BATTERY = "EV-72", "EV-72.000017"
VIEW, LARGER_VIEW = "dismantling", "supplier"  # some 6 and 20 kB
READY_WITHIN = 30.0  # seconds
KEPT = "KEPT"  # the file in a workplace that says why it stays
Stores = Callable[[str], str]  # name of a node -> [store] url, "" for the home's own SQLite file


class Trouble(Exception):
    """A node did not do as it was told."""


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder for homes and logs: gone afterwards, unless something went wrong; then the error says where it is."""
    folder = Path(tempfile.mkdtemp(prefix="saltbridge-bench-"))
    try:
        yield folder
    except GeneratorExit:  # nobody wants the rest
        shutil.rmtree(folder)
        raise
    except Exception as error:
        raise Trouble(f"{type(error).__name__}: {error}\nHomes and logs are kept in {folder}") from error
    if not (folder / KEPT).exists():
        shutil.rmtree(folder)


class Process:
    """One node that takes orders; see `bench_driver`."""

    def __init__(self, home: Path, url: str, cores: set[int], settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        with (home / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scripts.lib.bench_driver", str(home)],
                cwd=ROOT, env=environment(url) | dict(settings or {}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        pin(self._process.pid, cores)
        self._answer()

    def do(self, order: str, **how: Any) -> dict[str, Any]:
        """Have something done and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": order, **how}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def pin(self, cores: set[int]) -> None:
        pin(self._process.pid, cores)

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it stopped"}
        if "error" in answer:
            raise Trouble(f"{self.home.name}: {answer['error']} (see {self.home / 'node.log'})")
        return answer


class Pair:
    """The maker and the recycler, introduced to each other; the maker has the sample battery on offer."""

    def __init__(self, maker: Process, recycler: Process) -> None:
        self.maker, self.recycler = maker, recycler

    @property
    def both(self) -> tuple[Process, Process]:
        return self.maker, self.recycler

    def cpu(self) -> float:
        """CPU seconds that both have used so far."""
        return sum(float(each.do("usage")["cpu"]) for each in self.both)

    def pin_apart(self) -> None:
        """Give each a core of its own, as far as there are two."""
        cores = sorted(two_cores())
        self.maker.pin({cores[0]})
        self.recycler.pin({cores[-1]})

    def keep(self, why: str) -> None:
        """Let homes and logs stay, and say where."""
        folder = self.maker.home.parent
        (folder / KEPT).write_text(f"{why}\n", encoding="utf-8")
        print(f"{why}: homes and logs are kept in {folder}", file=sys.stderr)


@contextlib.contextmanager
def pair(folder: Path, stores: Stores, view: str = VIEW) -> Iterator[Pair]:
    """A pair in a folder of its own, on ports that are free; without a view nothing is published."""
    started: list[Process] = []
    cores = two_cores()
    try:
        started.append(Process(made(folder / "maker", "maker"), stores("maker"), cores))
        started.append(Process(made(folder / "recycler", "recycler"), stores("recycler"), cores))
        both = Pair(*started)
        cards = [each.do("card") for each in both.both]
        both.maker.do("trust", **cards[1], name="recycler", role="recycler")
        both.recycler.do("trust", **cards[0], name="maker")
        if view:
            both.maker.do("publish", folder=str(SAMPLE), model=MODEL, view=view, policy="recycler", until="2098-12-31")
            both.recycler.do("look", view=view)
        yield both
        check_logs(*(each.home for each in started))
    finally:
        for each in started:
            each.stop()


def check_logs(*homes: Path) -> None:
    """Trouble when a node logged an error of its own: it may have answered all the same, and nobody would ever know."""
    for home in homes:
        for line in (home / "node.log").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line) if line.startswith("{") else {"level": "error", "event": line}
            if entry["level"] == "error" or entry.get("status") == 500:
                raise Trouble(f"{home.name} logged an error: {line[:2000]}")


def made(home: Path, name: str) -> Path:
    """The home of a new node for this machine only; everything else is what `saltbridge init` gives."""
    home.mkdir(parents=True)
    port, operator_port = _free(), _free()
    make(home, name=name, port=port, operator_port=operator_port, allow_private=["127.0.0.0/8", "::1/128"], profile="demo")
    return home


def two_cores() -> set[int]:
    """The cores that two nodes share here."""
    return set(sorted(os.sched_getaffinity(0))[:2])


def pin(pid: int, cores: set[int]) -> None:
    os.sched_setaffinity(pid, cores)


@contextlib.contextmanager
def served(home: Path, url: str = "") -> Iterator[tuple[int, float]]:
    """A plain `saltbridge serve`: its process id, and the seconds until it said that it is ready."""
    port = load(home, {}).operator.address.port
    command = [sys.executable, "-m", "connector.cli.main", "--home", str(home), "serve", "--log", "json"]
    begun = time.perf_counter()
    with (home / "node.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=_as_installed(environment(url), home.parent), stdout=log, stderr=log)
    try:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - begun > READY_WITHIN:
                raise Trouble(f"{home.name} is not ready (see {home / 'node.log'})")
            time.sleep(0.002)
        yield process.pid, time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(20)


def environment(url: str) -> dict[str, str]:
    """Ours without settings of some other node; the store is the home's own unless another is named."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SALTBRIDGE_")}
    return ours | ({"SALTBRIDGE_STORE__URL": url} if url else {})


def _as_installed(given: dict[str, str], folder: Path) -> dict[str, str]:
    """With bytecode that is kept from the first start on, as an installed package has it; here it is kept in a folder of our own."""
    return {name: value for name, value in given.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode")
    }


def resident(pid: int) -> float:
    """Resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
