"""The nodes of a cluster: processes of one operator on one database behind one address, and a consumer by itself.

All processes of the operator share one home, that is keys, token and settings; what differs comes from the environment.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connector.cli.client import Client
from connector.cli.init import make
from connector.errors import SaltbridgeError
from scripts.lib.balancer import Backend, Balancer

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
MODEL, VIEW, BATTERY = "EV-72", "dismantling", "EV-72.000017"
LOOPBACK = ("127.0.0.0/8", "::1/128")
PATIENCE = 30.0  # seconds for a process to answer


class Trouble(Exception):
    """The cluster cannot be set up, or something in it did not do what it must."""


@dataclass(slots=True)
class Process:
    """One `saltbridge serve`."""

    name: str
    home: Path
    port: int
    operator_port: int
    settings: dict[str, str]
    popen: subprocess.Popen[bytes] | None = None
    killed_at: float = 0.0
    lives: int = 0

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def client(self) -> Client:
        return replace(Client.from_home(self.home), port=self.operator_port, timeout=30.0)

    @property
    def writer(self) -> str:
        """The audit chain it writes (last); '' before it has opened its database."""
        named = [event["writer"] for event in self.events() if event["event"] in ("database.open", "database.back")]
        return str(named[-1]) if named else ""

    @property
    def backend(self) -> Backend:
        return Backend(self.name, self.port, self.operator_port)

    def start(self) -> None:
        """Start it and wait until it is ready; Trouble with the end of its log when it is not."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("SALTBRIDGE_") and "proxy" not in name.lower()}
        ours |= {f"SALTBRIDGE_{name}": value for name, value in self.settings.items()}
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "connector.cli.main", "--home", str(self.home), "serve", "--log", "json"],
                cwd=ROOT, env=ours, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.lives += 1
        until = time.monotonic() + PATIENCE
        while not self._answers():
            if self.popen.poll() is not None or time.monotonic() > until:
                raise Trouble(f"{self.name} is not ready: {self.log.read_text(encoding='utf-8', errors='replace')[-600:]}")
            time.sleep(0.02)

    def freeze(self, still: bool) -> None:
        """Stop it in the middle of whatever it does, or let it go on."""
        if self.popen is None:
            raise Trouble(f"{self.name} does not run")
        self.popen.send_signal(signal.SIGSTOP if still else signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: no word to anybody."""
        if self.popen is None:
            raise Trouble(f"{self.name} does not run")
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        self.killed_at = time.time()

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self.popen is None or self.popen.poll() is not None:
            return
        self.popen.terminate()
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def events(self) -> Iterator[dict[str, Any]]:
        """Its log, line by line; a line that a kill has cut is left out."""
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event

    def _answers(self) -> bool:
        try:
            self.client.get("/status")
        except SaltbridgeError:
            return False
        return True


@dataclass(slots=True)
class Cluster:
    """The maker's processes and the recycler, and what stands in front of each side."""

    makers: list[Process]
    consumer: Process
    balancer: Balancer
    gate: Balancer  # in front of the consumer
    dataset: str = ""

    @property
    def everybody(self) -> list[Process]:
        return [*self.makers, self.consumer]


def made(folder: Path, url: str, count: int) -> Cluster:
    """Homes and settings; nothing runs yet."""
    front = free_port()
    home, consumer = folder / "maker", folder / "recycler"
    address = f"http://localhost:{front}"
    make(home, name="maker", port=free_port(), operator_port=free_port(), public_url=address, allow_private=LOOPBACK, profile="demo")
    ports = free_port(), free_port()
    gate = free_port()
    make(
        consumer, name="recycler", port=ports[0], operator_port=ports[1], public_url=f"http://localhost:{gate}", allow_private=LOOPBACK,
        profile="demo",
    )  # fmt: skip
    (home / "saltbridge.db").unlink()  # the operator's data is in PostgreSQL
    makers = []
    for number in range(1, count + 1):
        port, operator_port = free_port(), free_port()
        settings = {
            "STORE__URL": url, "DATASPACE__LISTEN": f"127.0.0.1:{port}", "OPERATOR__LISTEN": f"127.0.0.1:{operator_port}",
        }  # fmt: skip
        makers.append(Process(f"maker-{number}", home, port, operator_port, settings))
    recycler = Process("recycler", consumer, *ports, {})
    return Cluster(makers, recycler, Balancer(front, [each.backend for each in makers]), Balancer(gate, [recycler.backend]))


def introduce(cluster: Cluster) -> None:
    """The two operators trust each other; the maker publishes the sample battery and offers one view of it to recyclers."""
    maker, recycler = cluster.makers[0].client, cluster.consumer.client
    vouched = {"name": "recycler", "claims": {"role": ["recycler"]}}
    for here, there, said in ((maker, recycler, vouched), (recycler, maker, {"name": "maker"})):
        card = there.get("/peers/card")
        here.post("/peers", {"card": card["card"], "fingerprint": card["fingerprint"], **said})
    maker.upload("/passports/import", *_sample())
    maker.post(f"/passports/{MODEL}/publish")
    offered = maker.post("/offers", {"view": VIEW, "model": MODEL, "policy": "recycler", "until": "2098-12-31"})
    cluster.dataset = str(offered.get("dataset") or offered.get("id"))


def _sample() -> tuple[bytes, str]:
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for path in sorted(SAMPLE.rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(SAMPLE).as_posix())
    return content.getvalue(), "application/zip"


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listened on a moment ago, and that nobody was given here before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port
