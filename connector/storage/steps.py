"""The schema of the shared store: a database is known, brought up to date, set aside; whole or not at all.

Before a step is taken what is there is copied into a schema beside it: the release before can go on with the copy
(`?search_path=NAME`).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

from asyncpg import exceptions as pg

from connector import log
from connector.errors import Misconfigured

from . import sql
from .server import TROUBLES, Connection, Server, misconfigured

OLDEST = 13  # major version: what the statements need
COPY_SECONDS = 3600.0  # for a table
TABLES = ("meta", "record", "record_key", "blob", "letter", "writer", "audit", "nonce")


async def bring_up_to_date(connection: Connection, server: Server) -> None:
    """The present schema, made or brought up to date whole or not at all; Misconfigured when that cannot be.

    Processes that start together take turns.  A database with a newer schema or with tables of another program is left as
    it is.
    """
    steps = sql.schema("postgres")
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/schema', 0))")
        version = await version_of(connection, server)
        if version > len(steps):
            raise _newer(server, version, len(steps))
        if version == len(steps):
            return
        kept = await _copied(connection, server, version) if version else ""
        await _take(connection, list(enumerate(steps, 1))[version:])
        log.event("schema", logging.WARNING, database=server, was=version, now=len(steps), backup=f"schema {kept}" if kept else "")


async def _take(connection: Connection, steps: Sequence[tuple[int, str]]) -> None:
    for number, text in steps:
        await connection.execute(text)
        mark = "INSERT INTO meta VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        await connection.execute(mark, str(number))


async def make(connection: Connection) -> None:
    """The tables of the present schema, empty; within the caller's transaction."""
    await _take(connection, list(enumerate(sql.schema("postgres"), 1)))


async def set_aside(connection: Connection, word: str) -> str:
    """Move our tables as they are into a schema of their own, whose name says `word`; its name."""
    kept = await _new_schema(connection, word)
    for table in TABLES:
        await connection.execute(f'ALTER TABLE {table} SET SCHEMA "{kept}"')
    await connection.execute(f'ALTER FUNCTION demand(boolean) SET SCHEMA "{kept}"')
    return kept


async def _copied(connection: Connection, server: Server, version: int) -> str:
    """A copy of everything under the schema it has, in a schema of its own that the release before can be pointed at; its name.

    Where that cannot be, nothing changes: Misconfigured.
    """
    try:
        kept = await _new_schema(connection, f"schema_{version}")
    except pg.InsufficientPrivilegeError as error:
        next = "Let the user make one: GRANT CREATE ON DATABASE NAME TO USER; then start again."
        what = f"The database {server} has schema {version} and is not brought further without a copy of it."
        raise Misconfigured(what, "its user may not make a schema to keep the copy in", next) from error
    ours, path = await connection.fetchval("SELECT current_schema()"), await connection.fetchval("SHOW search_path")
    await connection.execute(f'SET LOCAL search_path TO "{kept}"')
    await _take(connection, list(enumerate(sql.schema("postgres"), 1))[:version])
    for table in TABLES:
        columns = ", ".join(row["attname"] for row in await connection.fetch(_COLUMNS, table))
        await connection.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
        copy = f'INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM "{ours}".{table}'  # noqa: S608 - ours
        await connection.execute(copy, timeout=COPY_SECONDS)
    await connection.execute("SELECT set_config('search_path', $1, true)", path)
    return kept


async def _new_schema(connection: Connection, word: str) -> str:
    """Make a schema that is named after ours and after a word, under a name that is free; its name."""
    base = f"{await connection.fetchval('SELECT current_schema()')}"[: 60 - len(word)] + f"_{word}"
    taken = {row["nspname"] for row in await connection.fetch("SELECT nspname FROM pg_namespace")}
    name = next(name for name in itertools.chain([base], (f"{base}_{n}" for n in itertools.count(2))) if name not in taken)
    await connection.execute(f'CREATE SCHEMA "{name}"')
    return name


async def look(url: str) -> str:
    """What stands behind a URL, in a line for the operator; Misconfigured, saying why, when it cannot serve.  Changes nothing."""
    database = Server(url)
    try:
        connection = await database.connect("doctor")
        try:
            await examine(connection, database)
            version = await version_of(connection, database)
            size = await connection.fetchval("SELECT pg_size_pretty(pg_database_size(current_database()))")
        finally:
            connection.terminate()
    except TROUBLES as error:
        raise misconfigured(database, error) from error
    known = len(sql.schema("postgres"))
    if version > known:
        raise _newer(database, version, known)
    state = f"schema {version}" if version == known else "empty" if not version else f"schema {version}, will be brought to {known}"
    return f"PostgreSQL {connection.get_server_version().major} at {database}, {size}, {state}"


def _newer(server: Server, version: int, known: int) -> Misconfigured:
    why, next = f"it has schema {version}, this release knows up to {known}", "Install the release that wrote it, or a later one."
    return Misconfigured(f"The database {server} was written by a newer Saltbridge.", why, next)


async def examine(connection: Connection, server: Server) -> None:
    """Misconfigured when the server is too old, speaks no UTF-8, takes no writes or has no schema to work in."""
    major = connection.get_server_version().major
    if major < OLDEST:
        raise Misconfigured(f"The database {server} is too old.", f"it is PostgreSQL {major}", f"Use PostgreSQL {OLDEST} or newer.")
    [facts] = await connection.fetch(
        "SELECT current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') AS reading,"
        " current_schema() AS schema"
    )
    if facts["encoding"] != "UTF8":
        raise Misconfigured(
            f"The database {server} cannot be used.", f"its encoding is {facts['encoding']}", "Make one with UTF8: createdb -E UTF8 NAME."
        )
    if facts["reading"] == "on":
        raise misconfigured(server, pg.ReadOnlySQLTransactionError(""))
    if facts["schema"] is None:
        raise misconfigured(server, pg.InvalidSchemaNameError(""))


async def version_of(connection: Connection, server: Server) -> int:
    tables = {row["relname"] for row in await connection.fetch(_TABLES)}
    if not tables & {"meta", "record", "letter", "audit"}:
        return 0
    if "meta" in tables and "record" in tables:
        stored = await connection.fetchval("SELECT value FROM meta WHERE name = 'schema'")
        if stored and stored.isdecimal():
            return int(stored)
    why = "it has tables of another program under names that we use"
    next = "Give this node a database of its own, or a schema: ?search_path=NAME in [store] url."
    raise Misconfigured(f"{server} is not a Saltbridge database.", why, next)


_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')"
_COLUMNS = (
    "SELECT quote_ident(attname) AS attname FROM pg_attribute"
    " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
