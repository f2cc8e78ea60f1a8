"""`saltbridge doctor`: a checklist before the first message; ok, warning or failed, each failure with the fix.

It changes nothing and needs no running node; where one runs, it asks it.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
import sqlite3
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import typer

from connector.errors import Misconfigured, SaltbridgeError
from connector.text import clean, duration, size

from .init import Home
from .table import Json, print_json

if TYPE_CHECKING:
    from connector.settings import Address, Config

MEGABYTE = 1_000_000
SECONDS = 4.0  # for one call
DRIFT = 5.0  # seconds between our clock and a peer's before it is worth a word
ROTATE_SOON = 30.0  # days
STUCK = 3600.0  # seconds that a letter may wait before it is worth a word
BACKUP_OLD = timedelta(days=7)
BUILT = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before this was never set


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    outcome: Literal["ok", "warning", "failed"]
    text: str
    fix: str = ""


def doctor(home: Home = None, as_json: Json = False) -> None:
    """Check everything that a first message needs: disk, clock, database, keys, ports, own address.

    Example: saltbridge --home maker doctor
    """
    from .client import home_dir

    findings = examine(home or home_dir())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for line in lines(findings):
            print(line)
    if any(finding.outcome == "failed" for finding in findings):
        raise typer.Exit(1)


def examine(home: Path) -> list[Finding]:
    """Every finding about the node in `home`; without readable settings the only one is that."""
    from connector.config import load

    try:
        config = load(home)
    except SaltbridgeError as error:
        return [_failure("settings", error)]
    findings = [Finding("settings", "ok", f"{home / 'saltbridge.toml'}, profile {config.profile}")]
    findings += [check for checks in CHECKS for check in checks(config)]
    return findings


def lines(findings: list[Finding]) -> list[str]:
    width = max(len(finding.check) for finding in findings)
    shown = []
    for finding in findings:
        shown.append(clean(f"{finding.outcome:<8} {finding.check:<{width}}  {finding.text}"))
        if finding.fix:
            shown.append(clean(f"{'':<8} {'':<{width}}  fix: {finding.fix}"))
    failed = sum(finding.outcome == "failed" for finding in findings)
    warned = sum(finding.outcome == "warning" for finding in findings)
    return [*shown, f"{len(findings)} checks: {failed} failed, {warned} warnings"]


# --- the checks ----------------------------------------------------------------------------------


def _profile(config: Config) -> Iterator[Finding]:
    from connector.config import check_profile, demo_keys

    try:
        check_profile(config, demo_keys=demo_keys(config))
    except SaltbridgeError as error:
        yield _failure("profile", error)
        return
    if config.profile == "production":
        yield Finding("profile", "ok", "production: keys, TLS and operator side are as they must be")
    elif not config.operator.address.loopback and not config.operator.tls_cert:
        fix = "Set operator.listen to 127.0.0.1, or operator.tls_cert and tls_key."
        yield Finding("profile", "warning", f"the operator side listens on {config.operator.listen} without TLS", fix)


def _disk(config: Config) -> Iterator[Finding]:
    free = shutil.disk_usage(config.home).free
    text = f"{size(free)} free at {config.home}"
    if free < 100 * MEGABYTE:
        yield Finding("disk", "failed", text, "Make room: the database cannot grow, and messages will be refused.")
    elif free < 1000 * MEGABYTE:
        yield Finding("disk", "warning", text, "Make room before it is below 100 MB.")
    else:
        yield Finding("disk", "ok", text)


def _clock(config: Config) -> Iterator[Finding]:
    now = datetime.now(UTC)
    if now < BUILT:
        yield Finding("clock", "failed", f"the clock says {now:%Y-%m-%d}", "Set the clock: tokens of this time are refused.")
        return
    drifts = [(name, seconds) for name, seconds in _peers_clocks(config) if abs(seconds) > DRIFT]
    for name, seconds in drifts:
        text = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} {name}'s"
        yield Finding("clock", "warning", text, "Run a time service (NTP) on both machines: tokens live for minutes.")
    if not drifts:
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _database(config: Config) -> Iterator[Finding]:
    path = config.database
    if path is None and not config.store.url.startswith("sqlite:"):
        from connector.offline import look_at_server

        try:
            yield Finding("database", "ok", look_at_server(config.store.url))
        except Misconfigured as error:
            yield Finding("database", "failed", f"{error.what.rstrip('.')}: {error.why}", error.next)
        return
    if path is None:
        yield Finding("database", "warning", "in memory: everything is lost on exit", 'Set store.url to "sqlite:saltbridge.db".')
        return
    if not path.is_file():
        yield Finding(
            "database", "failed", f"{path} does not exist", f"saltbridge --home {config.home} serve makes it; or restore a backup."
        )
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=SECONDS)) as connection:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        yield Finding("database", "failed", f"{path}: {error}", "Stop the node and restore the last backup.")
        return
    if said != "ok":
        yield Finding("database", "failed", f"{path}: {said}", "Stop the node and restore the last backup.")
    else:
        yield Finding("database", "ok", f"{path}, {size(path.stat().st_size)}")


def _secrets(config: Config) -> Iterator[Finding]:
    """Keys and token must be this user's alone."""
    token = config.home / config.operator.token_file
    private = [token, *(sorted(config.keys.iterdir()) if config.keys.is_dir() else [])]
    if not config.keys.is_dir():
        yield Finding("keys", "failed", f"{config.keys} does not exist", "Restore it from a backup; a node without its keys is a stranger.")
    if not token.is_file():
        yield Finding("keys", "failed", f"the operator token {token} does not exist", "Write a long random word into it and chmod 600 it.")
    open_ones = [path for path in private if path.is_file() and path.name != "DEMO" and stat.S_IMODE(path.stat().st_mode) & 0o077]
    for path in open_ones:
        text = f"{path} can be read by others (mode {stat.S_IMODE(path.stat().st_mode):04o})"
        yield Finding("keys", "failed", text, f"chmod 600 {path}")
    if stat.S_IMODE(config.home.stat().st_mode) & 0o077:
        yield Finding("keys", "warning", f"{config.home} can be entered by others", f"chmod 700 {config.home}")
    elif config.keys.is_dir() and token.is_file() and not open_ones:
        yield Finding("keys", "ok", f"{config.keys} and the operator token are this user's alone")


def _rotation(config: Config) -> Iterator[Finding]:
    """How long the signing key should still serve."""
    from connector.offline import key_made

    try:
        left = (key_made(config.keys) + timedelta(days=config.identity.key_days) - datetime.now(UTC)) / timedelta(days=1)
    except SaltbridgeError:
        return  # the check of keys says why
    if left < ROTATE_SOON:
        text = f"the signing key should be rotated within {left:.0f} days" if left > 0 else "the signing key should have been rotated"
        yield Finding("rotation", "warning", text, "saltbridge peer card --next; a day later: saltbridge keys rotate")
    else:
        yield Finding("rotation", "ok", f"the signing key serves for {left:.0f} more days")


def _running(config: Config) -> Iterator[Finding]:
    """What the running node says of itself."""
    told = _told(config, "/status")
    if not isinstance(told, dict):
        return
    letters, oldest = told["outbox"]["letters"], told["outbox"]["oldest_seconds"]
    if oldest > STUCK:
        text = f"{letters} letters wait, the oldest for {duration(oldest)}"
        yield Finding("outbox", "warning", text, "See who does not answer: saltbridge peer list, saltbridge peer ping NAME")
    else:
        yield Finding("outbox", "ok", f"{letters} letters wait" if letters else "nothing waits to be sent")
    if told["blocked_peers"]:
        text = f"blocked: {', '.join(told['blocked_peers'])}"
        yield Finding("peers", "warning", text, "saltbridge peer show NAME says why")
    kept = told["last_backup"]
    if config.profile == "production" and config.database:
        age = datetime.now(UTC) - datetime.fromisoformat(kept) if kept else None
        late = age is None or age > BACKUP_OLD
        text = f"last backup {duration(age.total_seconds())} ago" if age else "no backup on record"
        yield Finding("backup", "warning" if late else "ok", text, "saltbridge backup FILE" if late else "")


def _certificates(config: Config) -> Iterator[Finding]:
    for side in (config.dataspace, config.operator):
        certificate, key = config.path(side.tls_cert), config.path(side.tls_key)
        if certificate is None or key is None:
            continue
        from connector.certificates import SOON, read, server_context

        now = datetime.now(UTC)
        try:
            server_context(certificate, key, now)
            own = read(certificate)
        except SaltbridgeError as error:
            yield _failure("tls", error)
            continue
        left = own.left(now)
        late = left < SOON
        text = f"{certificate} is valid to {own.ends:%Y-%m-%d}, {left.days} more days"
        yield Finding("tls", "warning" if late else "ok", text, "Renew it before then: peers would refuse to connect." if late else "")


def _authorities(config: Config) -> Iterator[Finding]:
    from connector.certificates import client_context

    file = config.path(config.outbound.tls_ca)
    try:
        client_context(file)
    except SaltbridgeError as error:
        yield _failure("tls", error)
    else:
        if file is not None:
            yield Finding("tls", "ok", f"{file} is trusted beside the system's authorities")


def _ports(config: Config) -> Iterator[Finding]:
    running = is_running(config)
    for setting, address in (("dataspace.listen", config.dataspace.address), ("operator.listen", config.operator.address)):
        trouble = _cannot_bind(address)
        if trouble is None:
            yield Finding("ports", "ok", f"{address.host}:{address.port} is free for {setting}")
        elif trouble == errno.EADDRINUSE and running:
            yield Finding("ports", "ok", f"{address.host}:{address.port} is this node's")
        else:
            why = "in use by another program" if trouble == errno.EADDRINUSE else "not ours to listen on"
            yield Finding("ports", "failed", f"{address.host}:{address.port} is {why}", f"Change {setting} in saltbridge.toml.")


def _address(config: Config) -> Iterator[Finding]:
    url = config.dataspace.public_url
    host = urlsplit(url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        yield Finding("address", "failed", f"{host} has no address: {error.strerror}", "Correct dataspace.public_url, or the name service.")
        return
    if not is_running(config):
        yield Finding(
            "address", "warning", f"{url}: not tried, the node is not running", f"saltbridge --home {config.home} serve, then again"
        )
        return
    try:
        status, _ = _get(f"{url}/.well-known/dspace-version", config)
    except (SaltbridgeError, OSError, HTTPException) as error:
        fix = "Peers need this address: check firewall, proxy and dataspace.public_url."
        yield Finding("address", "failed", f"{url} does not answer: {getattr(error, 'reason', None) or error}", fix)
        return
    if status == 200:
        yield Finding("address", "ok", f"{url} answers")
    else:
        yield Finding(
            "address", "failed", f"{url} answers {status}", "Something else listens there: check dataspace.public_url and the proxy."
        )


CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    _profile, _disk, _clock, _database, _secrets, _rotation, _certificates, _authorities, _ports, _address, _running,
)  # fmt: skip


# --- asking --------------------------------------------------------------------------------------


def is_running(config: Config) -> bool:
    """Does this home's node answer at its operator address, with this home's token?"""
    return _told(config, "/status") is not None


def _told(config: Config, path: str) -> Any:
    """What the running node says; None when none runs, or when it cannot be asked."""
    from .client import Client

    try:
        return Client.from_home(config.home).get(path)
    except (SaltbridgeError, OSError):
        return None


def _peers_clocks(config: Config) -> Iterator[tuple[str, float]]:
    """(name, our clock minus theirs in seconds) for peers that answer; the running node says who they are."""
    known = _told(config, "/peers") or []
    peers = known if isinstance(known, list) else known.get("peers", [])
    for peer in peers[:5]:
        with contextlib.suppress(SaltbridgeError, OSError, HTTPException, ValueError, TypeError):
            root = "{0.scheme}://{0.netloc}".format(urlsplit(str(peer["address"])))
            _, date = _get(f"{root}/.well-known/dspace-version", config)
            yield str(peer.get("name", root)), (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()


def _get(url: str, config: Config) -> tuple[int, str]:
    """(status, Date header) of a GET that follows nothing and says nothing of us."""
    from connector.certificates import client_context

    context = client_context(config.path(config.outbound.tls_ca))
    own = config.path(config.dataspace.tls_cert)
    if own is not None and own.is_file() and url.startswith(config.dataspace.public_url):
        context.load_verify_locations(own)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # ours is known to us, whoever signed it
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port
    connection = HTTPSConnection(host, port, timeout=SECONDS, context=context) if secure else HTTPConnection(host, port, timeout=SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", parts.path)
        response = connection.getresponse()
        return response.status, response.headers.get("Date", "")


def _cannot_bind(address: Address) -> int | None:
    """The error number of trying to listen there; None when it is free."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
    return None


def _failure(check: str, error: SaltbridgeError) -> Finding:
    return Finding(check, "failed", " ".join(text for text in (error.what, error.why) if text), error.next)
