"""Bad days of an operator: each says what, why and what next, in three lines; nothing half-written stays, and it goes on after."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.cli.init import make
from connector.config import load
from connector.operate import contracts
from connector.records import Negotiation

from .authority import Authority
from .stage import ROOT, Pair, Run, free_ports

SECONDS = 30


@pytest.fixture
def home(tmp_path: Path) -> Path:
    port, operator = free_ports()
    return make(tmp_path / "node", name="node", port=port, operator_port=operator, profile="development").home


def serve(home: Path, wrapped: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Start the node as its operator does; one that comes up is a failed test."""
    command = [*wrapped, sys.executable, "-m", "connector.cli.main", "--home", str(home), "serve"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)


def setting(home: Path, section: str, line: str) -> None:
    file = home / "saltbridge.toml"
    file.write_text(file.read_text().replace(f"[{section}]", f"[{section}]\n{line}", 1))


def open_token(home: Path) -> None:
    (home / "operator.token").chmod(0o644)


def no_token(home: Path) -> None:
    (home / "operator.token").unlink()


def open_key(home: Path) -> None:
    (home / "keys" / "dsp.jwk").chmod(0o604)


def expired(home: Path) -> None:
    chain, key = Authority(home).issue(since=-9, days=-1)
    setting(home, "operator", f'tls_cert = "{chain}"\ntls_key = "{key}"')


def newer(home: Path) -> None:
    with sqlite3.connect(home / "saltbridge.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    connection.close()


def damaged(home: Path) -> None:
    (home / "saltbridge.db").write_bytes(b"no database " * 1000)


@pytest.mark.parametrize(
    ("breaks", "why", "next"),
    [
        (open_token, "mode is 0644", "chmod 600"),
        (no_token, "No such file", "chmod 600"),
        (open_key, "mode is 0604", "chmod 600"),
        (expired, "it expired at", "Renew it"),
        (newer, "schema 99", "Install the release"),
        (damaged, "not an SQLite database", "restore the last backup"),
    ],
)
def test_what_keeps_a_node_from_starting_is_told_in_three_lines(home: Path, breaks: Callable[[Path], None], why: str, next: str) -> None:
    breaks(home)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"}
    done = serve(home)
    said = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "") and [line.split()[0] for line in said] == ["what", "why", "next"], done.stderr
    assert why in said[1] and next in said[2]
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"} == before


@pytest.mark.parametrize("side", ["dataspace", "operator"])
def test_a_port_in_use_is_told_with_the_setting_that_changes_it(home: Path, side: str) -> None:
    address = getattr(load(home, {}), side).address
    with socket.socket() as taken:
        taken.bind(address)
        taken.listen()
        done = serve(home)
    said = done.stderr.splitlines()
    assert done.returncode == 1 and len(said) == 3
    assert f"Port {address.port} is in use" in said[0] and f"{side}.listen" in said[2] and f"SALTBRIDGE_{side.upper()}__LISTEN" in said[2]


def powerless() -> list[str]:
    """How to run a command to which file modes apply; root is above them."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("as root, file modes apply to nobody, and there is no setpriv (Debian: util-linux) to give that up")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def test_a_database_that_may_only_be_read_is_told_before_anything_is_answered(home: Path) -> None:
    (home / "saltbridge.db").chmod(0o444)
    done = serve(home, powerless())
    said = done.stderr.splitlines()
    assert done.returncode == 1 and len(said) == 3, done.stderr
    assert "saltbridge.db cannot be opened" in said[0] and "denied" in said[1].lower() and "may write" in said[2]


def test_a_folder_that_may_only_be_read_is_told_too(home: Path) -> None:
    (home / "saltbridge.db.lock").unlink(missing_ok=True)
    home.chmod(0o555)
    done = serve(home, powerless())
    home.chmod(0o700)
    said = done.stderr.splitlines()
    assert done.returncode == 1 and len(said) == 3, done.stderr
    assert "saltbridge.db cannot be opened" in said[0] and "denied" in said[1].lower() and "write access" in said[2]


# --- while it runs -------------------------------------------------------------------------------


@contextmanager
def full(run: Run) -> Iterator[None]:
    """The database file may not grow any more."""
    connection = run.world.store._connection  # type: ignore[attr-defined]
    # what is free inside the file is used up first
    connection.execute("VACUUM")
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    yield
    connection.execute("PRAGMA max_page_count = 1000000000")


@contextmanager
def read_only(run: Run) -> Iterator[None]:
    connection = run.world.store._connection  # type: ignore[attr-defined]
    connection.execute("PRAGMA query_only = ON")
    yield
    connection.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize(("trouble", "why"), [(full, "the disk is full"), (read_only, "may not be written")])
async def test_a_database_that_takes_nothing_is_told_to_the_operator_and_peers_try_again(
    pair: Pair, tmp_path: Path, trouble: Callable[[Run], Any], why: str
) -> None:
    maker, recycler = pair.maker, pair.recycler
    entries = len(await maker.world.store.audit(limit=10_000))
    view = tmp_path / "view.json"
    # more text than a page has room for
    paths = ", ".join(f'"materials/BatteryMaterials/*/{name}"' for name in ("BatteryMaterialName", "BatteryMaterialMass"))
    view.write_text(f'{{"title": "{"x" * 20_000}", "paths": [{paths}], "ceiling": "contract"}}')
    with trouble(maker):
        said = await maker.types("view", "put", "large", str(view))
        assert said.code == 1 and why in said.err and "next" in said.err and len(said.err.splitlines()) == 3
        assert (await maker.types("status")).code == 0  # it still reads
        opened = await contracts.open(recycler.world, "maker", "dismantling")
        if trouble is read_only:
            waiting = await recycler.until(Negotiation, opened.id, lambda it: it.place.waiting)
            assert waiting.place.state == ""
    assert (await maker.types("view", "show", "large")).code == 1  # nothing of it was written
    ended = await recycler.until(Negotiation, opened.id, lambda it: it.place.state == "FINALIZED" and not it.place.waiting)
    assert ended.agreement
    assert len(await maker.world.store.audit(limit=10_000)) > entries
