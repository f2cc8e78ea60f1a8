"""One node as a process of its own, the peers it knows as a test plays them, and what of it a stranger's request may change: nothing."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from connector.cli.init import make
from connector.config import load, read_token
from connector.identity import jws, keys, static
from connector.ports import Me
from connector.protocol.vocabulary import CONTEXT

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "scripts" / "sample" / "EV-72"
BASE = "/dsp/2025-1"
JSON = "application/json"
PATIENCE = 20.0  # seconds for anything to come true


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # lower-case names
    body: bytes

    @property
    def json(self) -> Any:
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


@dataclass
class Peer:
    """A peer of the node: its key is the test's, its address a server that takes every message and counts who calls."""

    name: str
    key: Any = field(default_factory=keys.new_key)
    calls: Counter[str] = field(default_factory=Counter)
    heard: list[tuple[str, Any]] = field(default_factory=list)  # (path, message), by a peer that listens
    says: Callable[[str, Any], tuple[int, Any]] | None = None  # how one that listens answers
    server: ThreadingHTTPServer | None = None

    @property
    def id(self) -> str:
        return f"did:web:{self.name}.example"

    @property
    def url(self) -> str:
        assert self.server
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def callback(self) -> str:
        return f"{self.url}/dsp/2025-1"

    def card(self) -> Any:
        return static.card(Me(id=self.id, name=self.name, public_url=self.url), self.key)

    def token(self, audience: str, key: Any = None, **changes: Any) -> str:
        """A fresh token of one call, or one that differs in what is given (None: left out)."""
        now = int(time.time())
        claims = {"iss": self.id, "sub": self.id, "aud": audience, "iat": now, "exp": now + 120, "jti": os.urandom(12).hex()} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return f"Bearer {jws.sign_claims(key or self.key, claims)}"

    def listen(self) -> None:
        calls, peer = self.calls, self

        class Taking(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                calls[self.path] += 1
                status, said = 200, b""
                if peer.says is not None:
                    document = json.loads(body)
                    peer.heard.append((self.path, document))
                    status, answer = peer.says(self.path, document)
                    said = json.dumps(answer).encode() if answer else b""
                self.send_response(status)
                self.send_header("Content-Type", JSON)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def do_GET(self) -> None:
                calls[self.path] += 1
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def close(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()


@dataclass
class Node:
    """The node under attack."""

    home: Path
    process: subprocess.Popen[bytes]
    port: int
    operator_port: int
    token: str
    id: str
    peers: dict[str, Peer] = field(default_factory=dict)
    _kept: dict[int, HTTPConnection] = field(default_factory=dict, repr=False)
    _read: int = 0  # of its log

    # --- calls

    def call(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, operator: bool = False
    ) -> Answer:
        """One request with exactly this target; the connection is kept for the next one."""
        port = self.operator_port if operator else self.port
        connection = self._kept.setdefault(port, HTTPConnection("127.0.0.1", port, timeout=PATIENCE))
        for attempt in (1, 2):
            try:
                connection.putrequest(method, target, skip_accept_encoding=True)
                for name, value in (headers or {}).items():
                    connection.putheader(name, value)
                if body is not None:
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                response = connection.getresponse()
                content = response.read()
                if response.will_close:
                    connection.close()
                return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
            except (HTTPException, ConnectionError):
                connection.close()
                if attempt == 2:
                    raise
        raise AssertionError

    def says(self, peer: Peer, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """A call of a peer, under a fresh token of its."""
        given = {"Authorization": peer.token(self.id)} | ({"Content-Type": JSON} if body is not None else {}) | dict(headers or {})
        return self.call(method, target, body, given)

    def sends(self, peer: Peer, path: str, type: str, **fields: Any) -> Answer:
        """A message of a peer below the DSP base."""
        return self.says(peer, "POST", BASE + path, message(type, **fields))

    def operate(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """What its operator asks; the path stands below /management."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {"X-Api-Key": self.token} | ({"Content-Type": JSON} if data is not None else {}) | dict(headers or {})
        return self.call(method, f"/management{path}", data, given, operator=True)

    def raw(self, data: bytes, *, operator: bool = False, seconds: float = 5.0, then: bytes = b"") -> bytes:
        """Bytes as they are on a connection of their own; all that comes back until it is closed, or until nothing has come for a while."""
        port = self.operator_port if operator else self.port
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.sendall(data)
            if then:
                connection.sendall(then)
            got = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while piece := connection.recv(65536):
                    got += piece
            return got

    # --- what it has and what it suffers

    def stored(self) -> dict[str, Any]:
        """What every table holds, so far as a row that came, went or changed shows in it."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home / 'saltbridge.db'}?mode=ro", uri=True, timeout=10)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            found: dict[str, Any] = {table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables}
            for kind, count, versions in connection.execute("SELECT kind, count(*), sum(version) FROM record GROUP BY kind ORDER BY kind"):
                found[f"record {kind}"] = (count, versions)
            found["letter bodies"] = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM letter").fetchone()[0]
        return found

    def at_rest(self) -> dict[str, Any]:
        """The same, once nothing is under way any more."""
        deadline = time.monotonic() + PATIENCE
        before = self.stored()
        while time.monotonic() < deadline:
            time.sleep(0.06)
            now = self.stored()
            if now == before:
                return now
            before = now
        raise AssertionError(f"the node does not come to rest: {before}")

    def bugs(self) -> list[str]:
        """What its log says of faults of its own, since somebody last looked."""
        text = (self.home / "node.log").read_text("utf-8", "replace")
        lines, self._read = text[self._read :].splitlines(), len(text)
        return [line for line in lines if line.startswith("Traceback") or "bug" in line.split()[:4] or "Unhandled exception" in line]

    def memory_mib(self) -> float:
        """Resident memory of the process now."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024

    def sound(self) -> None:
        """It lives, answers, has met no bug of its own, and its audit chain verifies."""
        assert self.process.poll() is None, "the node has ended"
        assert self.operate("GET", "/saltbridge/status").status == 200
        verified = self.operate("GET", "/saltbridge/audit/verify")
        assert verified.status == 200 and verified.json["holds"], verified.body
        assert self.bugs() == []

    # --- its operator's doings

    def meets(self, name: str, **claims: str) -> Peer:
        """A new peer that the operator has added."""
        peer = self.peers[name] = Peer(name)
        peer.listen()
        card, vouched = peer.card(), {claim: [value] for claim, value in claims.items()}
        wish = {"card": card, "fingerprint": static.read_card(card).fingerprint, "name": name, "claims": vouched}
        added = self.operate("POST", "/saltbridge/peers", wish)
        assert added.status == 201, added.body
        return peer

    def close(self) -> None:
        for connection in self._kept.values():
            connection.close()
        for peer in self.peers.values():
            peer.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def message(type: str, **fields: Any) -> bytes:
    """A DSP message as a peer writes it."""
    return json.dumps({"@context": list(CONTEXT), "@type": type, **fields}).encode()


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Node]:
    """A node that offers views of EV-72, and that knows a recycler and an oem; `settings` are environment variables without prefix."""
    port, operator_port = _free_ports()
    home = folder / "node"
    make(home, name="maker", port=port, operator_port=operator_port, allow_private=["127.0.0.0/8"], profile="demo")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "SALTBRIDGE_STORE__SYNCHRONOUS": "NORMAL"}
    environment |= {f"SALTBRIDGE_{name}": value for name, value in settings.items()}
    with (home / "node.log").open("wb") as log:
        command = [sys.executable, "-m", "connector.cli.main", "--home", str(home), "serve"]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    config = load(home, {})
    node = Node(home, process, port, operator_port, read_token(config), config.participant.id)
    try:
        _wait(node)
        node.meets("recycler", role="recycler")
        node.meets("oem", role="recycler")
        _stock(node)
        yield node
    finally:
        node.close()


def _wait(node: Node) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert node.process.poll() is None, (node.home / "node.log").read_text()
        with contextlib.suppress(OSError, HTTPException):
            if node.call("GET", "/health/ready", operator=True).status == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the node does not start")


def _stock(node: Node) -> None:
    imported = node.operate("POST", "/saltbridge/passports/import", _packed(), {"Content-Type": "application/zip"})
    assert imported.status in (200, 201), imported.body
    published = node.operate("POST", "/saltbridge/passports/EV-72/publish", {})
    assert published.status in (200, 201), published.body
    offered = node.operate(
        "POST", "/saltbridge/offers", {"view": "dismantling", "model": "EV-72", "policy": "recycler", "until": "2099-12-31"}
    )
    assert offered.status in (200, 201), offered.body


@cache
def _packed() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(SAMPLE.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(SAMPLE).as_posix())
    return packed.getvalue()


_given: set[int] = set()


def _free_ports() -> tuple[int, int]:
    while True:
        with socket.socket() as one, socket.socket() as other:
            for each in (one, other):
                each.bind(("127.0.0.1", 0))
            found = one.getsockname()[1], other.getsockname()[1]
        if not _given & set(found):
            _given.update(found)
            return found
