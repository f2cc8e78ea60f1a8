"""A maker and a recycler as two processes of their own, either of which may be killed at a chosen message and is started again."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import pytest

from connector.cli.client import Client, NotRunning, part
from connector.cli.init import make
from connector.errors import SaltbridgeError

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
PATIENCE = 30.0  # seconds for anything to come true; a whole case takes well under one
LOOK = 0.02
T = TypeVar("T")


@dataclass
class Process:
    """One node: started, killed by itself when armed, started again."""

    name: str
    home: Path
    forker: subprocess.Popen[str]
    client: Client
    endings: list[int] = field(default_factory=list)
    running: threading.Event = field(default_factory=threading.Event)
    listener: threading.Thread | None = None

    def start(self) -> None:
        """Fork a new life of the node and wait until it answers."""
        assert self.forker.stdin
        self.forker.stdin.write("start\n")
        self.forker.stdin.flush()
        assert self.running.wait(PATIENCE), f"{self.name} was not started"
        until = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < until, f"{self.name} never answered: {self.log()[-2000:]}"
            time.sleep(LOOK)

    def listen(self) -> None:
        """Hear from the forker what becomes of the node (a thread's work)."""
        assert self.forker.stdout
        for line in self.forker.stdout:
            what, _, number = line.partition(" ")
            if what == "started":
                self.running.set()
            elif what == "ended":
                self.running.clear()
                self.endings.append(int(number))

    def close(self) -> None:
        """End forker and node: the forker ends with its stdin, the node with the forker."""
        with self.forker:
            assert self.forker.stdin
            self.forker.stdin.close()
            assert self.listener
            self.listener.join(PATIENCE)

    def arm(self, moment: str) -> None:
        self._order.write_text(moment)

    @property
    def armed(self) -> bool:
        return self._order.exists()

    def disarm(self) -> None:
        self._order.unlink(missing_ok=True)

    def log(self) -> str:
        return (self.home / "node.log").read_text(errors="replace")

    @property
    def _order(self) -> Path:
        return self.home / "kill-at"

    def _answers(self) -> bool:
        connection = HTTPConnection(self.client.host, self.client.port, timeout=1)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@dataclass
class Pair:
    """Both nodes, and the agreement that the transfers' cases stand on."""

    maker: Process
    recycler: Process
    agreement: str = ""

    def node(self, side: str) -> Process:
        return self.maker if side == "provider" else self.recycler

    def act(self, side: str, path: str, body: Mapping[str, Any]) -> Any:
        """An operator's command; None when the node died of it (it was armed to)."""
        try:
            return self.node(side).client.post(path, dict(body))
        except NotRunning:
            assert not self.node(side).armed
            return None

    def until(self, what: str, look: Callable[[], T | None]) -> T:
        """Wait until `look` finds something; a node that was killed meanwhile is started again."""
        until = time.monotonic() + PATIENCE
        while True:
            self.revive()
            try:
                found = look()
            except NotRunning:
                found = None
            if found:
                return found
            assert time.monotonic() < until, f"not within {PATIENCE:.0f} s: {what}; {self.stands()}"
            time.sleep(LOOK)

    def revive(self) -> None:
        for process in (self.maker, self.recycler):
            if not process.running.is_set():
                process.start()

    def ids(self, kind: str) -> dict[str, frozenset[str]]:
        """The ids of all negotiations, transfers or agreements, by side."""
        return {side: frozenset(row["id"] for row in self.node(side).client.get(f"/{kind}")) for side in ("consumer", "provider")}

    def new(self, kind: str, before: Mapping[str, frozenset[str]], side: str) -> Any:
        """The one process that was not there before, once it is."""
        rows = [row for row in self.node(side).client.get(f"/{kind}") if row["id"] not in before[side]]
        assert len(rows) <= 1, f"more than one: {rows}"
        return rows[0] if rows else None

    def wait_new(self, kind: str, before: Mapping[str, frozenset[str]], side: str, *states: str) -> Any:
        def look() -> Any:
            row = self.new(kind, before, side)
            return row if row and (not states or row["state"] in states) else None

        return self.until(f"{side} {kind} {states}", look)

    def state(self, side: str, kind: str, id: str) -> str:
        return str(self.node(side).client.get(f"/{kind}/{part(id)}")["state"])

    def rest(self) -> None:
        """Until nothing is left to send on either side."""
        for process in (self.maker, self.recycler):
            self.until("an empty outbox", lambda process=process: process.client.get("/status")["outbox"]["letters"] == 0)

    def stands(self) -> str:
        told = []
        for process in (self.maker, self.recycler):
            try:
                row = max(
                    process.client.get("/negotiations") + process.client.get("/transfers"), key=lambda row: row["changed"], default={}
                )
                kind = "transfers" if "generation" in row else "negotiations"
                timeline = process.client.get(f"/{kind}/{part(row['id'])}/timeline") if row else {}
                lines = [(step["direction"], step["message"], step["state"]) for step in timeline.get("steps", [])]
                told.append(f"{process.name}: {row.get('state')} {lines} waiting {timeline.get('waiting')}")
            except SaltbridgeError as error:
                told.append(f"{process.name}: {error.what}")
        return "; ".join(told)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two nodes that know each other; the maker offers `dismantling` to recyclers, `condition` to nobody here."""
    folder = tmp_path_factory.mktemp("pair")
    nodes = [_node(folder / name, name) for name in ("maker", "recycler")]
    try:
        for each in nodes:
            each.start()
        pair = Pair(*nodes)
        _introduce(pair)
        yield pair
    finally:
        for each in nodes:
            each.close()


def _node(home: Path, name: str) -> Process:
    port, operator = _free_ports()
    make(home, name=name, port=port, operator_port=operator, allow_private=["127.0.0.0/8", "::1/128"], profile="demo")
    forker = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("killing_node.py")), str(home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    process = Process(name, home, forker, Client.from_home(home))
    process.listener = threading.Thread(target=process.listen, daemon=True)
    process.listener.start()
    return process


def _introduce(pair: Pair) -> None:
    for host, guest, claims in ((pair.maker, pair.recycler, {"role": ["recycler"]}), (pair.recycler, pair.maker, {})):
        card = guest.client.get("/peers/card")
        host.client.post("/peers", {"card": card["card"], "fingerprint": card["fingerprint"], "name": guest.name, "claims": claims})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(SAMPLE.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(SAMPLE).as_posix())
    pair.maker.client.upload("/passports/import", packed.getvalue(), "application/zip")
    pair.maker.client.post("/passports/EV-72/publish")
    for view, policy in (("dismantling", "recycler"), ("condition", "second-life")):
        pair.maker.client.post("/offers", {"view": view, "model": "EV-72", "policy": policy, "until": "2099-12-31"})
    agreed = pair.recycler.client.post("/negotiations", {"peer": "maker", "dataset": "dismantling", "purpose": ["dismantling"]})
    pair.agreement = agreed["agreement"]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]
