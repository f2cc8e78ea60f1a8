"""The database file: one process at a time, a schema we know, and SQLite's troubles in words a person can act on."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import sqlite3
from pathlib import Path

from connector import log
from connector.errors import Misconfigured, Unavailable

from . import sql

MEMORY = ":memory:"
_SYNCHRONOUS = ("FULL", "NORMAL", "EXTRA")

# What SQLite calls it (the beginning of sqlite_errorname) -> why, what to do.
_TROUBLES = (
    ("SQLITE_FULL", "the disk is full", "Make room on the disk; nothing was lost, callers are asked to try again."),
    ("SQLITE_READONLY", "the file or its folder may not be written", "Give the user that runs saltbridge write access to both."),
    ("SQLITE_BUSY", "another program holds the file", "End whatever else has the database open, for example a backup or an sqlite3 shell."),
    ("SQLITE_CANTOPEN", "the file cannot be opened", "Check that the folder exists and that its owner runs saltbridge."),
    ("SQLITE_PERM", "the file may not be opened", "Check that the folder exists and that its owner runs saltbridge."),
    ("SQLITE_NOTADB", "the file is not an SQLite database", "Name another file, or restore the last backup."),
    ("SQLITE_CORRUPT", "the file is damaged", "Stop the node and restore the last backup."),
    ("SQLITE_IOERR", "the disk reports an error", "Look at the system's log; the disk may be failing."),
)


def trouble(error: sqlite3.Error) -> Unavailable:
    """What SQLite says, as something that may pass; nothing of the transaction was written."""
    why, next = _explained(error)
    return Unavailable("The database cannot be used just now.", why, next, code="store.unavailable", retry_after=5)


def _explained(error: sqlite3.Error) -> tuple[str, str]:
    name = getattr(error, "sqlite_errorname", "")
    for prefix, why, next in _TROUBLES:
        if name.startswith(prefix):
            return why, next
    return f"{name or type(error).__name__}: {error}", "Look at the log for what came before."


class FileLock:
    """Holds `<path>.lock` for this process; Misconfigured when another one holds it.  Freed by the system on any kind of death."""

    def __init__(self, path: str) -> None:
        self._handle: int | None = None
        if path == MEMORY:
            return
        folder = Path(path).parent
        if not folder.is_dir():
            why = f"the folder {folder} does not exist"
            raise Misconfigured(f"The database {path} cannot be opened.", why, "Run saltbridge init, or correct [store] url.")
        try:
            self._handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            next = f"Give the user that runs saltbridge write access to {folder}."
            raise Misconfigured(f"The database {path} cannot be opened.", f"{path}.lock: {error.strerror}", next) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._handle, 32, 0).decode(errors="replace").strip()
            self.release()
            why = f"process {holder or 'unknown'} has it open" + (" (this one)" if holder == str(os.getpid()) else "")
            next = "Stop that process, or give this node a database of its own ([store] url)."
            raise Misconfigured(f"The database {path} is in use.", why, next, code="store.in-use") from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go.  The lock file stays: removing it would let two processes lock two files of one name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def open_file(path: str, synchronous: str) -> sqlite3.Connection:
    """A connection to a database with the present schema, made or brought up to date; Misconfigured when that cannot be."""
    if synchronous not in _SYNCHRONOUS:
        raise Misconfigured(f"synchronous = {synchronous!r} is not known.", next=f"Use one of {', '.join(_SYNCHRONOUS)}.")
    try:
        if path != MEMORY:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # passports are not for the group to read
        connection = sqlite3.connect(path, timeout=5, isolation_level=None, cached_statements=256)
    except (OSError, sqlite3.Error) as error:
        raise _misconfigured(path, error) from error
    try:
        steps = _steps_ahead(connection, path)  # before anything is changed: a stranger's file stays as it is
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA trusted_schema = OFF")
        _bring_up_to_date(connection, path, steps)
    except (OSError, sqlite3.Error) as error:
        connection.close()
        raise _misconfigured(path, error) from error
    except Misconfigured:
        connection.close()
        raise
    return connection


def _misconfigured(path: str, error: OSError | sqlite3.Error) -> Misconfigured:
    if isinstance(error, sqlite3.Error):
        why, next = _explained(error)
    else:
        why, next = error.strerror or str(error), "Check that the user that runs saltbridge may write the file and its folder."
    return Misconfigured(f"The database {path} cannot be opened.", why, next)


def _steps_ahead(connection: sqlite3.Connection, path: str) -> list[tuple[int, str]]:
    """The schema steps the file has not taken yet, numbered; refuses a newer schema and a stranger's file."""
    steps = sql.schema("sqlite")
    version = _version(connection, path)
    if version > len(steps):
        why = f"it has schema {version}, this release knows up to {len(steps)}"
        next = "Install the release that wrote it, or a later one."
        raise Misconfigured(f"The database {path} was written by a newer Saltbridge.", why, next)
    return list(enumerate(steps, 1))[version:]


def _bring_up_to_date(connection: sqlite3.Connection, path: str, steps: list[tuple[int, str]]) -> None:
    """Apply schema steps, each whole or not at all; a file we may not write is found now and not at the first message.

    A file that has a schema already is copied first, to `<path>.schema-<number>` beside it; where that cannot be, nothing changes.
    """
    if steps and steps[0][0] > 1 and path != MEMORY:
        copy = _copy(connection, path, steps[0][0] - 1)
        log.event("schema", logging.WARNING, database=path, was=steps[0][0] - 1, now=steps[-1][0], backup=copy)
    for number, text in steps:
        mark = f"INSERT INTO meta VALUES ('schema', '{number}') ON CONFLICT (name) DO UPDATE SET value = excluded.value;"  # noqa: S608 - an int
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{text}\n{mark}\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _copy(connection: sqlite3.Connection, path: str, version: int) -> str:
    """A whole copy of the database as it is, for its owner only, under a name that no file has; whole or not there."""
    name = f"{path}.schema-{version}"
    names = itertools.chain([name], (f"{name}.{number}" for number in itertools.count(2)))
    chosen = next(name for name in names if not Path(name).exists())
    unfinished = f"{chosen}.part"
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(unfinished)) as copy:
            connection.backup(copy)
        Path(unfinished).rename(chosen)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return chosen


def _version(connection: sqlite3.Connection, path: str) -> int:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        return 0
    if "meta" in tables:
        row = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        if row and row[0].isdecimal():
            return int(row[0])
    raise Misconfigured(f"{path} is not a Saltbridge database.", "it has tables of another program", "Name another file in [store] url.")
