"""A node put back as it was: from a checked backup, into a home that is its own or empty, never under a running node.

The restored database is whole and looked over before the present one is put aside: a file by renames, a database server's
tables in one transaction.  A backup of the one may be restored into the other, which is how a node moves.  The chain gets an entry
that says so: after it numbers may stand twice, once here and once in copies of what happened after the backup.
"""

from __future__ import annotations

import io
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector import archive
from connector.archive import Manifest
from connector.config import FILE, KEYS, Config, load, read
from connector.errors import Malformed, Misconfigured
from connector.ports import SystemClock
from connector.records import Note
from connector.storage import backup, carry
from connector.storage.chain import verify
from connector.storage.file import FileLock
from connector.storage.sqlite import open_sqlite


@dataclass(frozen=True, slots=True)
class Plan:
    """A backup that fits a home."""

    file: Path
    manifest: Manifest
    home: Path
    url: str  # of the database server that takes the data, "" where a file does
    database: Path  # that file; beside it what is restored is made
    token: Path
    fresh: bool  # the home has no settings: they come from the backup
    keyless: bool  # the home has no keys: they come from the backup


def plan(file: Path, home: Path) -> Plan:
    """Check the backup and the home against each other; Malformed or Misconfigured when they do not fit."""
    manifest = archive.checked(file)
    if manifest.schema > backup.known_schema():
        why = f"its database has schema {manifest.schema}, this release knows up to {backup.known_schema()}"
        raise Malformed(
            f"{file} was written by a newer Saltbridge ({manifest.version}).", why, "Install that release, or a later one.",
            code="backup.newer",
        )  # fmt: skip
    fresh, keyless = not (home / FILE).exists(), not (home / KEYS).exists()
    if (fresh or keyless) and not manifest.keys:
        why = f"{home} has no keys, and without its own a node is a stranger to its peers"
        raise Misconfigured(
            f"{file} holds no keys.", why, f"Put the node's keys folder and settings into {home}, or use a backup made --with-keys.",
            code="backup.keyless",
        )  # fmt: skip
    config = _settings_in(file, home) if fresh else load(home)
    url, database = _database(config, manifest)
    return Plan(file, manifest, home, url, database, home / config.operator.token_file, fresh, keyless)


async def replaces(plan: Plan) -> str:
    """What would be put aside, in words; "" when there is nothing.  Misconfigured where a database server cannot take it now."""
    if plan.url:
        return await carry.look(plan.url)
    return str(plan.database) if plan.database.exists() else ""


def _settings_in(file: Path, home: Path) -> Config:
    """What the settings in the backup mean in this home."""
    content = io.BytesIO()
    try:
        archive.extract(file, archive.SETTINGS, content)
        return read(tomllib.loads(content.getvalue().decode()), os.environ, home)
    except (KeyError, ValueError) as error:
        raise Malformed(f"The settings in {file} cannot be read.", str(error), "Put the node's settings into its home first.") from error


def _database(config: Config, manifest: Manifest) -> tuple[str, Path]:
    """A database server's URL or "", and the file that takes the data or is on the way there."""
    if config.participant.id != manifest.participant:
        why = f"it is of {manifest.participant}, and {config.home} is the home of {config.participant.id}"
        raise Misconfigured("This backup is another node's.", why, "Name its own home, or an empty one: --home DIR", code="backup.foreign")
    if config.store.url.startswith("postgres"):
        return config.store.url, config.home / archive.DATABASE
    if config.database is None:
        next = 'Set [store] url = "sqlite:saltbridge.db" first.'
        raise Misconfigured("This node keeps its data in no file.", f"[store] url is {config.store.url.partition(':')[0]}:", next)
    return "", config.database


async def restore(plan: Plan) -> dict[str, Any]:
    """Carry a plan out; a failure before the last step leaves home and database as they were."""
    _make_home(plan.home)
    if plan.url:
        await carry.look(plan.url)  # before anything is unpacked
    lock = FileLock(str(plan.database))  # refuses a running node
    restored = plan.database.with_name(f".{plan.database.name}.restoring")
    try:
        _write(restored, plan.file, archive.DATABASE)
        backup.look_over(restored)
        entries = await _continued(restored, plan.manifest)
        if plan.keyless:
            _write_keys(plan)
        if plan.url:
            kept = await carry.carry_in(plan.url, restored, SystemClock().now())
        else:
            kept = str(_put_aside(plan.database) or "")
            restored.rename(plan.database)
        if plan.fresh:
            _write(plan.home / FILE, plan.file, archive.SETTINGS)
        _sync(plan.database.parent)
    except OSError as error:
        why = error.strerror or str(error)
        raise Misconfigured(f"Nothing can be restored in {plan.home}.", why, "Check its disk and that you may write there.") from error
    finally:
        for name in ("", "-wal", "-shm", ".lock"):
            restored.with_name(restored.name + name).unlink(missing_ok=True)
        lock.release()
        if plan.url:
            plan.database.with_name(f"{plan.database.name}.lock").unlink(missing_ok=True)
    return {
        "name": plan.manifest.name,
        "participant": plan.manifest.participant,
        "made": plan.manifest.made,
        "entries": entries,
        "keys": "from the backup" if plan.keyless else "those of this home",
        "kept": kept,
    }


async def _continued(database: Path, manifest: Manifest) -> int:
    """How many entries the chains have, the last one of ours saying that it goes on from here; Malformed when a link does not hold."""
    store = open_sqlite(str(database), SystemClock())
    try:
        chain = await store.chains()
        broken = verify(chain, all_chains=True)
        if broken is not None:
            why = f"entry {broken.seq} of {broken.writer}: {broken.why}"
            raise Malformed("The audit chain in the backup is broken.", why, "Restore another backup.", code="backup.broken")
        async with store.transaction() as tx:
            data = {"made": manifest.made, "database": manifest.files[archive.DATABASE]}
            tx.note(Note(event="store.restored", subject=manifest.participant, data=data))
        return len(chain) + 1
    finally:
        await store.close()


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"{home} cannot be made.", error.strerror or str(error), "Choose a --home you may write to.") from error


def _write(path: Path, file: Path, name: str) -> None:
    """One file of the backup, whole and on the disk, for its owner only."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as written:
        archive.extract(file, name, written)
        written.flush()
        os.fsync(written.fileno())


def _write_keys(plan: Plan) -> None:
    """Keys and token under a name of their own, moved in when all are there."""
    folder = plan.home / ".keys-restoring"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in plan.manifest.files:
        if name.startswith(archive.KEYS):
            _write(folder / name.removeprefix(archive.KEYS), plan.file, name)
    if archive.TOKEN in plan.manifest.files and not plan.token.exists():
        _write(plan.token, plan.file, archive.TOKEN)
    folder.rename(plan.home / KEYS)


def _put_aside(database: Path) -> Path | None:
    """Move the present database out of the way, with what SQLite keeps beside it; None when there is none."""
    if not database.exists():
        return None
    kept = database.with_name(f"{database.name}.before-restore-{SystemClock().now():%Y%m%dT%H%M%SZ}")
    for name in ("-wal", ""):
        beside = database.with_name(database.name + name)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + name))
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
    return kept


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
