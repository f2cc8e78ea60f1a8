"""The operator's end of the wire: whatever answers, or does not, becomes a value or an error with an exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from connector.cli.client import Client, NotRunning, exit_code, home_dir, part
from connector.errors import (
    Clash,
    Denied,
    Hidden,
    Illegal,
    Malformed,
    Misconfigured,
    PeerRefused,
    PeerUnreachable,
    SaltbridgeError,
    TooLarge,
    Unavailable,
)

TOKEN = "a-token-of-this-home"


@contextmanager
def answering(status: int, body: bytes, media_type: str = "application/json") -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A listener that gives one answer to everything and remembers what it was asked."""
    asked: list[dict[str, Any]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked.append({"line": self.requestline, "headers": dict(self.headers), "body": self.rfile.read(length)})
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_any

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def home(folder: Path, port: int, listen: str = "127.0.0.1") -> Path:
    (folder / "saltbridge.toml").write_text(f'[operator]\nlisten = "{listen}:{port}"\n')
    (folder / "operator.token").write_text(TOKEN + "\n")
    return folder


@pytest.mark.parametrize(
    ("status", "code", "kind", "exits"),
    [
        (400, "input.invalid", Malformed, 4),
        (400, "state.illegal", Illegal, 1),
        (403, "policy.denied", Denied, 3),
        (404, "not.found", Hidden, 1),
        (409, "conflict", Clash, 1),
        (413, "limit.exceeded", TooLarge, 4),
        (503, "unavailable", Unavailable, 1),
        (503, "peer.unreachable", PeerUnreachable, 5),
        (500, "internal", SaltbridgeError, 1),
    ],
)
def test_each_answer_becomes_its_error_and_exit_code(
    tmp_path: Path, status: int, code: str, kind: type[SaltbridgeError], exits: int
) -> None:
    body = {"what": "What.", "why": "Why.", "next": "Next.", "code": code, "decision": "d-1", "reason": []}
    with answering(status, json.dumps(body).encode()) as (port, _), pytest.raises(SaltbridgeError) as raised:
        Client.from_home(home(tmp_path, port)).get("/status")
    error = raised.value
    assert type(error) is kind
    assert (error.what, error.why, error.next, error.code, error.decision) == ("What.", "Why.", "Next.", code, "d-1")
    assert exit_code(error) == exits


def test_a_peers_refusal_keeps_who_and_where(tmp_path: Path) -> None:
    body = {"what": "w", "why": "y", "next": "n", "code": "c", "decision": "", "by": "maker", "process_kind": "negotiation", "process": "p"}
    with answering(403, json.dumps(body).encode()) as (port, _), pytest.raises(PeerRefused) as raised:
        Client.from_home(home(tmp_path, port)).post("/pull")
    assert (raised.value.by, raised.value.process_kind, raised.value.process) == ("maker", "negotiation", "p")
    assert exit_code(raised.value) == 3


def test_nobody_there_says_how_to_start_the_node(tmp_path: Path) -> None:
    with answering(200, b"") as (port, _):
        pass
    with pytest.raises(NotRunning) as raised:
        Client.from_home(home(tmp_path, port)).get("/status")
    assert f"127.0.0.1:{port}" in raised.value.what
    assert "connection refused" in raised.value.why
    assert raised.value.next == f"saltbridge --home {tmp_path} serve"


def test_a_wrong_token_is_told_apart(tmp_path: Path) -> None:
    with answering(401, b"{}") as (port, _), pytest.raises(Misconfigured, match="token"):
        Client.from_home(home(tmp_path, port)).get("/status")


@pytest.mark.parametrize("body", [b"<html>", b"[1", b'"text"'])
def test_nonsense_is_an_error_not_a_traceback(tmp_path: Path, body: bytes) -> None:
    with answering(500, body) as (port, _), pytest.raises(SaltbridgeError):
        Client.from_home(home(tmp_path, port)).get("/status")
    with answering(200, b"<html>", "text/html") as (port, _), pytest.raises(SaltbridgeError, match="not JSON"):
        Client.from_home(home(tmp_path, port)).get("/status")


def test_the_token_goes_in_a_header_and_ids_are_quoted(tmp_path: Path) -> None:
    with answering(200, b"[]") as (port, asked):
        Client.from_home(home(tmp_path, port)).get(f"/received/{part('a|b/ü')}/content", battery="x y", empty="", off=False, on=True)
    assert asked[0]["headers"]["X-Api-Key"] == TOKEN
    assert asked[0]["line"] == "GET /management/saltbridge/received/a%7Cb%2F%C3%BC/content?battery=x+y&on=1 HTTP/1.1"


def test_a_wildcard_listener_is_called_on_loopback(tmp_path: Path) -> None:
    with answering(200, b"{}") as (port, _):
        assert Client.from_home(home(tmp_path, port, "0.0.0.0")).get("/status") == {}


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, b"{}") as (port, _):
        monkeypatch.setenv("SALTBRIDGE_OPERATOR__LISTEN", f"127.0.0.1:{port}")
        assert Client.from_home(home(tmp_path, 1)).get("/status") == {}


@pytest.mark.parametrize("text", ["[operator", "\xff"])
def test_a_broken_home_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "saltbridge.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(Misconfigured, match=r"saltbridge\.toml"):
        Client.from_home(tmp_path)


def test_the_home_is_the_named_one_then_the_working_folder_then_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALTBRIDGE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    assert home_dir() == tmp_path / "user" / ".saltbridge"
    (tmp_path / "saltbridge.toml").touch()
    assert home_dir().resolve() == tmp_path
    monkeypatch.setenv("SALTBRIDGE_HOME", "other")
    assert home_dir() == Path("other")
