"""A checklist before the first message: each failure has its fix, and one failure is enough for exit code 1."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from connector.cli.doctor import Finding, examine, lines
from connector.cli.init import make
from connector.cli.main import main
from connector.config import load
from tests.running.authority import Authority


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new node on two ports that were free a moment ago."""
    made = tmp_path / "node"
    monkeypatch.setenv("SALTBRIDGE_HOME", str(made))
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (first, second)]
    return make(made, name="node", port=ports[0], operator_port=ports[1], profile="development").home


def outcomes(home: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in examine(home):
        found.setdefault(finding.check, set()).add(finding.outcome)
    return found


def test_a_new_node_is_well_and_its_address_is_not_tried_before_it_runs(home: Path) -> None:
    found = outcomes(home)
    assert found.pop("address") == {"warning"}
    assert set(found) >= {"settings", "disk", "clock", "database", "keys", "ports"}
    assert "failed" not in {outcome for all in found.values() for outcome in all}


def _exposed_key(home: Path) -> None:
    (home / "keys" / "dsp.jwk").chmod(0o644)


def _exposed_token(home: Path) -> None:
    (home / "operator.token").chmod(0o640)


def _no_token(home: Path) -> None:
    (home / "operator.token").unlink()


def _no_keys(home: Path) -> None:
    for file in (home / "keys").iterdir():
        file.unlink()
    (home / "keys").rmdir()


def _damaged(home: Path) -> None:
    (home / "saltbridge.db").write_bytes(b"not a database, but long enough to be looked at" * 100)


def _no_database(home: Path) -> None:
    (home / "saltbridge.db").unlink()


def _set(section: str, line: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        settings = home / "saltbridge.toml"
        settings.write_text(settings.read_text().replace(f"[{section}]", f"[{section}]\n{line}", 1))

    return change


def _production(home: Path) -> None:
    settings = home / "saltbridge.toml"
    settings.write_text(settings.read_text().replace('profile = "development"', 'profile = "production"'))


BREAKS = [
    (_exposed_key, "keys", "chmod 600"),
    (_exposed_token, "keys", "chmod 600"),
    (_no_token, "keys", "chmod 600"),
    (_no_keys, "keys", "backup"),
    (_damaged, "database", "backup"),
    (_no_database, "database", "backup"),
    (_production, "profile", "development"),
    (_set("dataspace", 'public_url = "http://no-such-host.invalid"'), "address", "public_url"),
    (_set("dataspace", "listen_at = 1"), "settings", "dataspace.listen"),
    (_set("operator", 'tls_cert = "a.pem"\ntls_key = "b.pem"'), "tls", "PEM"),
]


@pytest.mark.parametrize(("breaks", "check", "fix"), BREAKS)
def test_what_is_broken_fails_with_its_fix(home: Path, breaks: Callable[[Path], None], check: str, fix: str) -> None:
    breaks(home)
    failed = [finding for finding in examine(home) if finding.outcome == "failed"]
    assert {finding.check for finding in failed} == {check}
    assert all(fix in finding.fix for finding in failed), failed


def test_a_port_of_another_program_is_named_with_its_setting(home: Path) -> None:
    port = int((home / "saltbridge.toml").read_text().split('listen = "127.0.0.1:')[1].split('"')[0])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        failed = [finding for finding in examine(home) if finding.outcome == "failed"]
    assert [(finding.check, str(port) in finding.text, "dataspace.listen" in finding.fix) for finding in failed] == [("ports", True, True)]


def test_the_command_says_it_for_people_and_for_programs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--home", str(home)]) == 0
    assert "0 failed" in capsys.readouterr().out
    _exposed_token(home)
    assert main(["doctor", "--home", str(home), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {tuple(finding) for finding in found} == {("check", "outcome", "text", "fix")}
    assert "failed" in {finding["outcome"] for finding in found}


def test_a_failure_is_followed_by_its_fix() -> None:
    shown = lines([Finding("disk", "failed", "1 MB free", "Make room."), Finding("clock", "ok", "fine")])
    assert shown[0].split() == ["failed", "disk", "1", "MB", "free"] and shown[1].strip() == "fix: Make room."
    assert shown[-1] == "2 checks: 1 failed, 0 warnings"


class Shifted(BaseHTTPRequestHandler):
    """An operator listener that knows one peer - itself - whose clock is a minute slow."""

    def do_GET(self) -> None:
        body = b"[]"
        if self.path.endswith("/peers"):
            host, port = self.server.server_address[:2]
            body = json.dumps([{"name": "slow", "address": f"http://{host!s}:{port}/dsp/2025-1"}]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_clock_that_drifts_from_a_peers_is_a_warning(home: Path) -> None:
    address = load(home, {}).operator.address
    with ThreadingHTTPServer((address.host, address.port), Shifted) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            found = [finding for finding in examine(home) if finding.check == "clock"]
        finally:
            server.shutdown()
            thread.join()
    assert [finding.outcome for finding in found] == ["warning"]
    assert "ahead of slow's" in found[0].text and "NTP" in found[0].fix


@pytest.mark.parametrize(
    ("since", "days", "outcome", "said", "fix"),
    [
        (-9, -1, "failed", "it expired at", "Renew it"),
        (1, 9, "failed", "it is valid from", "Set the clock"),
        (-1, 9, "warning", "more days", "Renew it before then"),
        (-1, 99, "ok", "98 more days", ""),
    ],
)
def test_a_certificate_is_told_with_the_days_it_has_left(
    home: Path, tmp_path: Path, since: float, days: float, outcome: str, said: str, fix: str
) -> None:
    chain, key = Authority(tmp_path).issue(since=since, days=days)
    _set("operator", f'tls_cert = "{chain}"\ntls_key = "{key}"')(home)
    [found] = [finding for finding in examine(home) if finding.check == "tls"]
    assert (found.outcome, said in found.text, fix in found.fix) == (outcome, True, True), found


def test_a_key_near_its_end_and_broken_authorities_are_told(home: Path) -> None:
    assert outcomes(home)["rotation"] == {"ok"}
    _append(home, "[identity]\nkey_days = 20")
    [found] = [finding for finding in examine(home) if finding.check == "rotation"]
    assert found.outcome == "warning" and "within 20 days" in found.text and "keys rotate" in found.fix
    (home / "ca.pem").write_text("nothing")
    _set("outbound", 'tls_ca = "ca.pem"')(home)
    [found] = [finding for finding in examine(home) if finding.check == "tls"]
    assert found.outcome == "failed" and "ca.pem" in found.text and "tls_ca" in found.fix


def _append(home: Path, text: str) -> None:
    with (home / "saltbridge.toml").open("a") as file:
        file.write(f"\n{text}\n")
