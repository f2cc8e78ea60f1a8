"""Three real nodes on loopback, run by a thread of their own; the tests type commands as three operators would."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connector import node
from connector.cli.init import make
from connector.cli.main import main
from connector.config import load

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
LOOPBACK = 'allow_private = ["127.0.0.0/8", "::1/128"]'


@dataclass(frozen=True)
class Said:
    """What one command line printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass
class Nodes:
    """Running nodes by name, and the operator's hand on each."""

    homes: dict[str, Path]
    loop: asyncio.AbstractEventLoop
    stops: dict[str, Callable[[], None]] = field(default_factory=dict)

    def start(self, name: str) -> node.Node:
        """Run a node until `stop`."""
        ready: asyncio.Future[node.Node] = asyncio.run_coroutine_threadsafe(self._start(name), self.loop)  # type: ignore[assignment]
        return ready.result(timeout=20)  # type: ignore[call-arg]

    async def _start(self, name: str) -> node.Node:
        ended, up = asyncio.Event(), asyncio.Event()
        built = node.build(load(self.homes[name]))

        async def live() -> None:
            async with node.running(built):
                up.set()
                await ended.wait()

        task = asyncio.create_task(live())
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            waiting.cancel()
            task.result()

        def stop() -> None:
            async def end() -> None:
                ended.set()
                await task

            asyncio.run_coroutine_threadsafe(end(), self.loop).result(timeout=20)

        self.stops[name] = stop
        return built

    def stop(self, name: str) -> None:
        self.stops.pop(name)()


@pytest.fixture(autouse=True)
def _given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line keeps `--home` in the environment of its process; a test's is given back when it ends."""
    monkeypatch.setenv("SALTBRIDGE_HOME", "")


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """maker, recycler (vouched for) and stranger (known, without claims); the maker has published its sample and offers two views."""
    folder = tmp_path_factory.mktemp("nodes")
    homes = {name: _home(folder / name, name) for name in ("maker", "recycler", "stranger")}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Nodes(homes, loop)
    try:
        for name in homes:
            running.start(name)
        _introduce(running)
        yield running
    finally:
        for name in list(running.stops):
            running.stop(name)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def say(nodes: Nodes) -> Callable[..., Said]:
    """Type a command as an operator: `say("recycler", "catalog", "maker")`."""
    return lambda who, *words: _say(nodes, who, *words)


def _say(nodes: Nodes, who: str, *words: str) -> Said:
    import io

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setenv("SALTBRIDGE_HOME", "")
        code = main(["--home", str(nodes.homes[who]), *words])
    return Said(code, out.getvalue(), err.getvalue())


def _home(folder: Path, name: str) -> Path:
    make(folder, name=name, port=_two_free_ports(), profile="development")
    settings = folder / "saltbridge.toml"
    text = settings.read_text().replace("[outbound]", f"[outbound]\n{LOOPBACK}")
    if name == "recycler":
        text = text.replace("[participant]", '[participant]\nclaims = { role = ["recycler"] }')
    settings.write_text(text)
    return folder


def _introduce(nodes: Nodes) -> None:
    for who, claims in (("recycler", ["--claim", "role=recycler"]), ("stranger", [])):
        for host, guest, more in (("maker", who, claims), (who, "maker", [])):
            card = _say(nodes, guest, "peer", "card", "--json").json
            file = nodes.homes[host] / f"{guest}.json"
            file.write_text(json.dumps(card["card"]))
            assert _say(nodes, host, "peer", "add", str(file), "--fingerprint", card["fingerprint"], *more).code == 0
    assert _say(nodes, "maker", "passport", "import", str(SAMPLE)).code == 0
    assert _say(nodes, "maker", "passport", "publish", "EV-72").code == 0
    for view, policy in (("dismantling", "recycler"), ("condition", "second-life")):
        offered = _say(nodes, "maker", "view", "offer", view, "--model", "EV-72", "--policy", policy, "--until", "2099-12-31")
        assert offered.code == 0, offered.err


def _two_free_ports() -> int:
    """A port that is free, and the next one too; below those that the system gives to outgoing calls."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as one, socket.socket() as two, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port
