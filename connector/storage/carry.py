"""A shared database carried out to a file and in from one, so that a backup has one form whatever it was taken from.

Out: one read-only transaction that sees one moment, while every process goes on writing.  In: one transaction that moves what
is there into a schema of its own and writes the rest, whole or not at all; refused while a node runs on the database.  The file
is an SQLite database at this release's schema: a node may as well go on with it, or with another database than it came from.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from connector import records
from connector.errors import Malformed, Misconfigured, Unavailable
from connector.records import Letter

from . import server, sql, steps
from .backup import Original
from .file import open_file
from .form import key_rows, key_text, load, micros, no_nul, with_nul
from .server import TROUBLES, Connection, Server, explained, misconfigured

PAGE, BLOBS = 500, 16  # rows that are in memory at a time; bytes can be large
SECONDS = 3600.0  # for one statement of a large database
_ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_STRANGE = "\1"  # stands in ids and keys that `key_text` had to change
_KINDS: dict[str, type[Any]] = {
    each.__dict__["kind"]: each for each in vars(records).values() if isinstance(each, type) and isinstance(each.__dict__.get("kind"), str)
}

Rows = list[tuple[Any, ...]]


def of_server(url: str, writer: Callable[[], str]) -> Original:
    """The shared database at `url`; `writer` is this process's chain."""

    async def copied(target: Path) -> int:
        return await carry_out(url, writer(), target)

    return Original(partial(size, url), copied)


async def size(url: str) -> int:
    """Bytes that the tables take at the server; Unavailable when it cannot be asked."""
    async with _session(Server(url)) as connection:
        found: int = await server.value(connection, "carry_size")
        return found


async def carry_out(url: str, writer: str, target: Path) -> int:
    """Everything as of now in a new file (mode 0600); its schema's number.  Unavailable when that cannot be done.

    `writer` is the chain that whoever goes on with the file will continue.
    """
    # SQLite's connection stays in one thread, and out of the loop that serves.
    thread = ThreadPoolExecutor(1, thread_name_prefix="backup")
    run = partial(asyncio.get_running_loop().run_in_executor, thread)
    file = await run(open_file, str(target), "NORMAL")
    try:
        async with _session(Server(url)) as connection:
            await connection.execute(_ONE_MOMENT)
            for statement, make, insert, page in _OUT:
                async for rows in _pages(connection, statement, page):
                    await run(_insert, file, insert, make, rows)
            await connection.execute("ROLLBACK")
        await run(_finish, file, writer)
    except sqlite3.Error as error:
        raise Unavailable("The copy of the database cannot be written.", str(error), "Make room there.", code="backup.failed") from error
    finally:
        await run(file.close)
        thread.shutdown(wait=False)
    return len(sql.schema("sqlite"))


@contextlib.asynccontextmanager
async def _session(database: Server) -> AsyncIterator[Connection]:
    try:
        connection = await database.connect("backup")
        try:
            yield connection
        finally:
            connection.terminate()
    except TROUBLES as error:
        why, next = explained(error)
        raise Unavailable("The database cannot be copied.", why, next, code="backup.failed") from error


async def _pages(connection: Connection, statement: str, page: int) -> AsyncIterator[Rows]:
    """What a statement gives, some rows at a time; within the transaction that is open."""
    text, _ = server.text(statement)
    prepared = await connection.prepare(text)
    cursor = await prepared.cursor(timeout=SECONDS)
    while rows := await cursor.fetch(page, timeout=SECONDS):
        yield [tuple(row) for row in rows]


def _insert(file: sqlite3.Connection, statement: str, make: Callable[[Rows], Iterator[tuple[Any, ...]]], rows: Rows) -> None:
    file.execute("BEGIN")
    file.executemany(statement, make(rows))
    file.execute("COMMIT")


def _finish(file: sqlite3.Connection, writer: str) -> None:
    file.execute("INSERT INTO meta VALUES ('audit.writer', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (writer,))
    file.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it


def _records(rows: Rows) -> Iterator[tuple[Any, ...]]:
    for kind, id, version, body in rows:
        yield kind, load(_KINDS[kind], body).id if _STRANGE in id else id, version, body


def _keys(rows: Rows) -> Iterator[tuple[Any, ...]]:
    """Key rows; where the server keeps another text than was meant, as the record says it."""
    for kind, name, value, id, body in rows:
        if body is None:
            yield kind, name, value, id
            continue
        record: Any = load(_KINDS[kind], body)
        yield from ((kind, name, meant, record.id) for key, meant in key_rows(record) if key == name and key_text(meant) == value)


def _letters(rows: Rows) -> Iterator[tuple[Any, ...]]:
    for (body,) in rows:
        letter = load(Letter, body)
        yield letter.id, letter.process, micros(letter.due), micros(letter.posted), body


def _entries(rows: Rows) -> Iterator[tuple[Any, ...]]:
    for writer, seq, prev, at, event, subject, data, hash in rows:
        yield writer, seq, prev, at, event, with_nul(subject), data, hash


def _nonces(rows: Rows) -> Iterator[tuple[Any, ...]]:
    for issuer, nonce, until in rows:
        yield with_nul(issuer), with_nul(nonce), until


# Statement to read with, what becomes of its rows, statement to write with, rows at a time.
_OUT: tuple[tuple[str, Callable[[Rows], Iterator[tuple[Any, ...]]], str, int], ...] = (
    ("carry_records", _records, "INSERT INTO record VALUES (?, ?, ?, ?)", PAGE),
    ("carry_keys", _keys, "INSERT OR IGNORE INTO record_key VALUES (?, ?, ?, ?)", PAGE),
    ("carry_blobs", iter, "INSERT INTO blob VALUES (?, ?)", BLOBS),
    ("carry_letters", _letters, "INSERT INTO letter VALUES (?, ?, ?, ?, ?)", PAGE),
    ("carry_audit", _entries, "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", PAGE),
    ("carry_nonces", _nonces, "INSERT OR IGNORE INTO nonce VALUES (?, ?, ?)", PAGE),
)


# --- in ------------------------------------------------------------------------------------------


async def look(url: str) -> str:
    """What would be put aside, in words; '' when there is nothing.  Misconfigured when a node runs there, or it cannot serve."""
    database = Server(url)
    try:
        connection = await database.connect("restore")
        try:
            async with connection.transaction():
                there = await _free_to_restore(connection, database)
        finally:
            connection.terminate()
    except TROUBLES as error:
        raise misconfigured(database, error) from error
    return f"What is in {database}" if there else ""


async def carry_in(url: str, source: Path, now: datetime) -> str:
    """Put the database at `url` back as the file says; where what was there is now, '' when there was nothing.

    Misconfigured or Malformed, with nothing changed, when that cannot be.  The file has this release's schema.
    """
    database = Server(url)
    file = sqlite3.connect(source)
    try:
        connection = await database.connect("restore")
        try:
            async with connection.transaction():
                kept = ""
                if await _free_to_restore(connection, database):
                    kept = await steps.set_aside(connection, f"before_restore_{now:%Y%m%dT%H%M%SZ}".lower())
                await steps.make(connection)
                for table, columns, statement, make in _IN:
                    await connection.copy_records_to_table(table, records=make(file.execute(statement)), columns=columns, timeout=SECONDS)
                await server.rows(connection, "carry_writers")
        finally:
            connection.terminate()
    except TROUBLES as error:
        raise misconfigured(database, error) from error
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise Malformed("The database in the backup cannot be read.", str(error), "Restore another backup.") from error
    finally:
        file.close()
    return f"schema {kept} of {database}" if kept else ""


async def _free_to_restore(connection: Connection, database: Server) -> bool:
    """Whether a database of ours is there; nobody else may begin to work on it until the transaction ends."""
    await steps.examine(connection, database)
    if not await server.value(connection, "alone_until_the_end"):
        next = "Stop every process of this node (serve), then restore."
        raise Misconfigured(f"The database {database} is in use.", "a node runs on it", next, code="store.in-use")
    return await steps.version_of(connection, database) > 0


def _records_in(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    return ((kind, key_text(id), version, body) for kind, id, version, body in rows)


def _keys_in(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    return ((kind, name, key_text(value), key_text(id)) for kind, name, value, id in rows)


def _letters_in(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    return ((key_text(id), key_text(process), due, posted, due, "", body) for id, process, due, posted, body in rows)


def _entries_in(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    return ((writer, seq, prev, at, event, no_nul(subject), data, hash) for writer, seq, prev, at, event, subject, data, hash in rows)


def _nonces_in(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    return ((key_text(issuer), key_text(nonce), until) for issuer, nonce, until in rows)


_AUDIT = ("writer", "seq", "prev", "at", "event", "subject", "data", "hash")
# Table, its columns, what to read of the file, what becomes of it.
_IN: tuple[tuple[str, Sequence[str], str, Callable[[Any], Iterator[tuple[Any, ...]]]], ...] = (
    ("record", ("kind", "id", "version", "body"), "SELECT kind, id, version, body FROM record", _records_in),
    ("record_key", ("kind", "name", "value", "id"), "SELECT kind, name, value, id FROM record_key", _keys_in),
    ("blob", ("sha256", "data"), "SELECT sha256, data FROM blob", iter),
    (
        "letter", ("id", "process", "due", "posted", "free_at", "holder", "body"),
        "SELECT id, process, due, posted, body FROM letter ORDER BY posted, rowid", _letters_in,
    ),
    ("audit", _AUDIT, f"SELECT {', '.join(_AUDIT)} FROM audit", _entries_in),  # noqa: S608 - ours
    ("nonce", ("issuer", "nonce", "until"), "SELECT issuer, nonce, until FROM nonce", _nonces_in),
)  # fmt: skip

__all__ = ["carry_in", "carry_out", "look", "of_server", "size"]
