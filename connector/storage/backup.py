"""Copies of an SQLite database: taken while a node serves, looked over before they take its place.

A copy is one read transaction on a connection of its own: writers go on meanwhile, and it holds exactly what was committed
when it began.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from connector.errors import Malformed, Unavailable

from . import sql
from .file import trouble


@dataclass(frozen=True, slots=True)
class Original:
    """A database that can be copied while it is written to."""

    size: Callable[[], Awaitable[int]]  # in bytes, about
    copy: Callable[[Path], Awaitable[int]]  # to a new file; the schema's number


def of_file(database: Path) -> Original:
    """The database file of a node that runs here."""

    async def size() -> int:
        return await asyncio.to_thread(os.path.getsize, database)

    async def copied(target: Path) -> int:
        return await asyncio.to_thread(copy, database, target)

    return Original(size, copied)


def copy(database: Path, target: Path) -> int:
    """Copy to a new file (mode 0600); the schema's number.  Blocks: call it in a thread.  Unavailable when it cannot be done."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(database)) as source, contextlib.closing(sqlite3.connect(target)) as copied:
            source.backup(copied)
            copied.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
            return _schema(copied)
    except sqlite3.Error as error:
        told = trouble(error)
        raise Unavailable("The database cannot be copied.", told.why, told.next, code="backup.failed") from error
    except OSError as error:
        raise Unavailable(f"The copy {target} cannot be written.", error.strerror or str(error), "Make room there.") from error


def look_over(path: Path) -> int:
    """The schema's number of a copy that is whole and can be read by this release; Malformed otherwise."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copied:
            schema, said = _schema(copied), copied.execute("PRAGMA quick_check(1)").fetchone()[0]
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise Malformed("The database in the backup cannot be read.", str(error), "Restore another backup.") from error
    if said != "ok":
        raise Malformed("The database in the backup is damaged.", str(said), "Restore another backup.")
    return schema


def known_schema() -> int:
    """The newest schema that this release reads."""
    return len(sql.schema("sqlite"))


def _schema(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()[0])
