"""A backup taken while nodes talk, and a node that goes on from it: the conversation, the keys, the chain of evidence."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from connector import archive, node
from connector.cli.serve import lines
from connector.errors import Misconfigured
from connector.operate import audit, contracts, offers, pulls, transfers
from connector.records import Negotiation, Transfer
from connector.storage.chain import verify

from .stage import FIRST, MODEL, Pair, Run, Stage, types
from .test_metrics import number, scraped

ASKED = offers.Wish(view="condition", model=MODEL, policy="recycler", until="2099-12-31", confirm="ask")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def waiting(pair: Pair) -> Negotiation:
    """A negotiation that waits for the maker's operator; as the recycler has it."""
    await offers.offer(pair.maker.world, ASKED)
    opened = await contracts.open(pair.recycler.world, "maker", "condition")
    ours = await pair.recycler.until(Negotiation, opened.id, lambda it: it.place.state == "REQUESTED" and not it.place.waiting)
    await pair.maker.until(Negotiation, ours.peer_pid, lambda it: it.waits_for == "operator")
    return ours


async def chain_holds(run: Run) -> list[str]:
    told = await audit.verified(run.world, verify)
    assert told["holds"], told
    return [entry.event for entry in await run.world.store.audit(limit=10_000)]


async def test_a_restored_node_goes_on_with_its_negotiation_and_its_chain(pair: Pair, tmp_path: Path) -> None:
    stage, ours, file = pair.stage, await waiting(pair), tmp_path / "maker.tar"
    said = await pair.maker.types("backup", str(file), "--with-keys", "--json")
    assert said.code == 0, said.err
    assert said.json["keys"] is True and mode(file) == 0o600
    before = await chain_holds(pair.maker)
    assert before[-1] == "backup.kept"
    assert (await pair.maker.types("status", "--json")).json["last_backup"]

    home = pair.maker.home
    await stage.stop("maker")
    shutil.rmtree(home)
    said = await asyncio.to_thread(types, home, "restore", str(file))
    assert said.code == 0, said.err
    assert "keys: from the backup" in said.out and "the audit chain holds" in said.out
    assert mode(home) == 0o700 and {mode(path) for path in (home / "keys").iterdir()} == {0o600} == {mode(home / "operator.token")}

    again = await stage.start("maker", pair.maker.settings)
    assert again.id == pair.maker.id
    await contracts.approve(again.world, ours.peer_pid)
    ended = await pair.recycler.until(Negotiation, ours.id, lambda it: it.place.state == "FINALIZED" and not it.place.waiting)
    assert ended.agreement
    pulled = await pulls.pull(pair.recycler.world, pulls.Wish(peer="maker", what="condition", battery=FIRST))
    assert pulled["reused"]["agreement"]
    events = await chain_holds(again)
    assert events[: len(before) - 1] == before[:-1] and events[len(before) - 1] == "store.restored"


async def test_what_waited_to_be_sent_is_sent_by_the_restored_node(pair: Pair, tmp_path: Path) -> None:
    agreement = await pair.recycler.agrees(pair.maker)
    await pair.stage.stop("maker")
    asked = await transfers.request(pair.recycler.world, agreement.id)
    file = tmp_path / "recycler.tar"
    assert (await pair.recycler.types("backup", str(file))).code == 0
    await pair.stage.stop("recycler")
    said = await asyncio.to_thread(types, pair.recycler.home, "restore", str(file), "--yes", "--json")
    assert said.code == 0, said.err
    assert Path(said.json["kept"]).is_file() and said.json["keys"] == "those of this home"
    await pair.stage.start("maker", pair.maker.settings)
    again = await pair.stage.start("recycler", pair.recycler.settings)
    started = await again.until(Transfer, asked.id, lambda it: it.place.state == "STARTED")
    assert started.data_address


async def test_a_backup_under_load_is_one_moment_and_stops_nobody(pair: Pair, tmp_path: Path) -> None:
    async def busy(count: int) -> int:
        for _ in range(count):
            await pair.recycler.negotiates(pair.maker)
        return count

    async def backed_up() -> list[Path]:
        files = [tmp_path / f"{number}.tar" for number in range(3)]
        for file in files:
            said = await pair.maker.types("backup", str(file))
            assert said.code == 0, said.err
        return files

    _, files = await asyncio.gather(busy(6), backed_up())
    for copied, file in enumerate(files):
        said = await asyncio.to_thread(types, tmp_path / f"home-{copied}", "restore", str(file))
        assert said.code == 1 and "holds no keys" in said.err  # and nothing is left behind
        assert not (tmp_path / f"home-{copied}").exists()
        copy = tmp_path / f"home-{copied}"
        shutil.copytree(pair.maker.home, copy, ignore=shutil.ignore_patterns("*.db*"))
        said = await asyncio.to_thread(types, copy, "restore", str(file), "--json")
        assert said.code == 0, said.err
    await chain_holds(pair.maker)


async def test_keys_are_in_it_only_when_asked(stage: Stage, tmp_path: Path) -> None:
    solo = await stage.start("solo")
    assert (await solo.types("backup", str(tmp_path / "without.tar"))).err.count("keys are not in it") == 1
    assert "keep it as you keep the keys" in (await solo.types("backup", str(tmp_path / "with.tar"), "--with-keys")).err
    names = {}
    for which in ("with", "without"):
        with tarfile.open(tmp_path / f"{which}.tar") as file:
            names[which] = set(file.getnames())
    assert names["without"] == {"saltbridge.db", "saltbridge.toml", "manifest.json"}
    assert names["with"] - names["without"] == {"keys/dsp.jwk", "keys/data.key", "keys/seal.key", "operator.token"}
    secret = (solo.home / "keys" / "data.key").read_bytes().strip()
    assert secret not in (tmp_path / "without.tar").read_bytes()
    assert secret in (tmp_path / "with.tar").read_bytes()


async def test_the_last_backup_is_in_banner_status_and_metrics(stage: Stage, tmp_path: Path) -> None:
    solo = await stage.start("solo")
    assert not any(name == "backup_age_seconds" for name, _ in await scraped(solo))
    assert "never" in (await solo.types("status")).out
    assert "no backup on record" in "\n".join(lines(solo.node.config, 0.1, await node.last_backup(solo.node)))
    await solo.types("backup", str(tmp_path / "b.tar"))
    stage.passes(days=2)
    assert number(await scraped(solo), "backup_age_seconds") == pytest.approx(2 * 86_400, abs=60)
    banner = "\n".join(lines(solo.node.config, 0.1, await node.last_backup(solo.node)))
    assert "last backup 20" in banner


async def test_a_running_node_is_not_restored_under(stage: Stage, tmp_path: Path) -> None:
    solo = await stage.start("solo")
    file = tmp_path / "b.tar"
    await solo.types("backup", str(file))
    said = await solo.types("restore", str(file), "--yes")
    assert said.code == 1 and "is in use" in said.err and "Stop that process" in said.err
    assert await chain_holds(solo)
    assert not list(solo.home.glob(".*restoring*"))


def spoiled(file: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The backup with its members changed."""
    with tarfile.open(file) as whole:
        members = {member.name: whole.extractfile(member).read() for member in whole}  # type: ignore[union-attr]
    change(members)
    other = file.with_name("spoiled.tar")
    with tarfile.open(other, "w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return other


def newer(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps(manifest | {"schema": 99, "version": "9.9"}).encode()


def anothers(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps(manifest | {"participant": "did:web:other.example"}).encode()


def damaged(members: dict[str, bytes]) -> None:
    members["saltbridge.db"] = members["saltbridge.db"][:-100] + b"\xff" * 100


def escaping(members: dict[str, bytes]) -> None:
    members["../operator.token"] = b"x"
    members["manifest.json"] = members.pop("manifest.json")


def unfinished(members: dict[str, bytes]) -> None:
    del members["manifest.json"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (newer, 4, "newer Saltbridge (9.9)"),
        (anothers, 1, "another node's"),
        (damaged, 4, "changed or damaged"),
        (escaping, 4, "does not belong there"),
        (unfinished, 4, "torn off"),
    ],
)
async def test_what_does_not_fit_is_refused_and_changes_nothing(
    stage: Stage, tmp_path: Path, change: Callable[[dict[str, bytes]], object], code: int, said: str
) -> None:
    solo = await stage.start("solo")
    file = tmp_path / "b.tar"
    await solo.types("backup", str(file), "--with-keys")
    await stage.stop("solo")
    before = {path: path.read_bytes() for path in solo.home.rglob("*") if path.is_file()}
    told = await asyncio.to_thread(types, solo.home, "restore", str(spoiled(file, change)), "--yes")
    assert told.code == code and said in told.err and "next" in told.err
    assert {path: path.read_bytes() for path in solo.home.rglob("*") if path.is_file()} == before


async def test_a_database_of_a_newer_release_is_refused_by_its_own_word_too(stage: Stage, tmp_path: Path) -> None:
    solo = await stage.start("solo")
    await stage.stop("solo")
    with sqlite3.connect(solo.home / "saltbridge.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    connection.close()
    with pytest.raises(Misconfigured, match="newer"):
        await stage.start("solo")


async def test_nothing_is_written_over_and_no_half_of_a_backup_stays(stage: Stage, tmp_path: Path) -> None:
    solo = await stage.start("solo")
    there = tmp_path / "there.tar"
    there.write_text("mine")
    said = await solo.types("backup", str(there))
    assert said.code == 1 and "never written over" in said.err and there.read_text() == "mine"
    said = await solo.types("backup", str(tmp_path / "no" / "such" / "folder.tar"))
    assert said.code == 1 and "cannot be written" in said.err
    said = await solo.types("backup", "/dev/full/x")
    assert said.code == 1
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    assert not list(solo.home.glob(".backup-*"))
    assert not (await solo.types("status", "--json")).json["last_backup"]


async def test_a_store_without_a_file_says_what_to_use(stage: Stage, tmp_path: Path) -> None:
    solo = await stage.start("solo", {"STORE__URL": "sqlite::memory:"})
    said = await solo.types("backup", str(tmp_path / "b.tar"))
    assert said.code == 1 and "database server first" in said.err and not (tmp_path / "b.tar").exists()


def test_a_torn_file_is_told_from_a_whole_one(tmp_path: Path) -> None:
    source = tmp_path / "x.db"
    source.write_bytes(b"content" * 1000)
    about = {"made": "2026-11-24T12:00:00Z", "version": "1", "participant": "p", "name": "n", "schema": 1, "keys": False}
    whole = b"".join(archive.written({"saltbridge.db": source}, about))
    file = tmp_path / "b.tar"
    file.write_bytes(whole)
    assert archive.checked(file).participant == "p"
    for cut in (0, 100, 600, 7000, len(whole) - 1600):
        file.write_bytes(whole[:cut])
        with pytest.raises(Exception, match=r"backup|empty"):
            archive.checked(file)
