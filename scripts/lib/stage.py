"""The stage of the demo: real nodes as real processes, a recording proxy in front of each, one folder for all of it.

Knows how a node is made, started, awaited and stopped; knows nothing of the story.  Nothing outside the folder is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from connector.cli.client import Client
from scripts.lib.recorder import Recorder

MARK = ".saltbridge-demo"  # only a folder that holds this file is ever cleared
SALTBRIDGE = (sys.executable, "-m", "connector.cli.main")
PATIENCE = 30.0  # seconds a node may take to answer


class Trouble(Exception):
    """The stage cannot be set: what, why, next."""

    def __init__(self, what: str, why: str = "", next: str = "") -> None:
        super().__init__("\n".join(line for line in (what, f"  why   {why}" if why else "", f"  next  {next}" if next else "") if line))


@dataclass(slots=True)
class Node:
    """One operator's node: the proxy's port is its public one, the next the operator's, the one after the node's own."""

    name: str
    home: Path
    port: int
    wishes: str = ""  # role it asks peers to vouch for
    recorder: Recorder | None = None
    process: subprocess.Popen[bytes] | None = None
    ready_seconds: float = 0.0
    serve: Sequence[str] = field(default=SALTBRIDGE)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def id(self) -> str:
        return f"did:web:localhost%3A{self.port}"

    @property
    def client(self) -> Client:
        return Client.from_home(self.home)

    async def call(self, method: str, path: str, *args: Any, **query: Any) -> Any:
        """One call of the operator API, off the loop that runs the proxies."""
        return await asyncio.to_thread(getattr(self.client, method), path, *args, **query)

    def command(self, *args: str) -> list[str]:
        return [*SALTBRIDGE, "--home", str(self.home), *args]


def clear(folder: Path) -> None:
    """Make the demo's folder anew; one that is not ours is never removed."""
    try:
        if folder.exists():
            if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).exists()):
                raise Trouble(f"{folder} is not a demo's folder.", f"It has no {MARK} file.", "Name another one: --folder DIR")
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / MARK).write_text("This folder is made anew by every scripts/demo.\n", encoding="utf-8")
    except OSError as error:
        raise Trouble(f"{folder} cannot be made anew.", str(error), "Name another one: --folder DIR") from error


def check_ports(nodes: Sequence[Node]) -> None:
    """Name a port that is taken before anything is started."""
    for node in nodes:
        for port in (node.port, node.port + 1, node.port + 2):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise Trouble(f"Port {port} is in use.", str(error.strerror), "Choose others: scripts/demo --port 8401") from error


async def make(node: Node) -> None:
    """`saltbridge init`, with the public address at the proxy and loopback allowed for its own calls."""
    args = ["--name", node.name, "--port", str(node.port + 2), "--operator-port", str(node.port + 1), "--public-url", node.url]
    args += ["--allow-private", "127.0.0.0/8", "--allow-private", "::1/128", "--profile", "demo"]
    if node.wishes:
        args += ["--claim", f"role={node.wishes}"]
    done = await asyncio.to_thread(subprocess.run, node.command("init", *args), capture_output=True, check=False, env=_environment())
    if done.returncode:
        raise Trouble(f"{node.name} could not be made.", done.stderr.decode().strip() or done.stdout.decode().strip())


async def start(node: Node) -> None:
    """Open the proxy, start the process, wait until it answers."""
    if node.recorder is None:
        node.recorder = Recorder(node.name, node.port, node.port + 2)
        await node.recorder.start()
    begun = time.perf_counter()
    with (node.home / "node.log").open("ab") as log:
        node.process = subprocess.Popen(
            [*node.serve, "--home", str(node.home), "serve", "--log", "json"],
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )
    while not await asyncio.to_thread(_answers, node.port + 1):
        if node.process.poll() is not None:
            raise Trouble(f"{node.name} stopped at once.", _tail(node.home / "node.log"), f"Read {node.home / 'node.log'}")
        if time.perf_counter() - begun > PATIENCE:
            raise Trouble(f"{node.name} did not answer within {PATIENCE:.0f} s.", _tail(node.home / "node.log"))
        await asyncio.sleep(0.01)
    node.ready_seconds = time.perf_counter() - begun


async def stop(nodes: Sequence[Node]) -> None:
    """Ask every process to stop, gracefully first."""
    running = [node.process for node in nodes if node.process is not None and node.process.poll() is None]
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    for process in running:
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
    for node in nodes:
        if node.recorder is not None:
            await node.recorder.stop()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _environment() -> dict[str, str]:
    """Ours, without settings of some other node and without a proxy for loopback."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SALTBRIDGE_")}
    return {key: value for key, value in kept.items() if key.lower() not in ("http_proxy", "https_proxy", "pythondontwritebytecode")}


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() if path.exists() else []
    return " | ".join(lines[-3:])
