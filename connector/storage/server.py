"""The database server: connections, a schema we know, and PostgreSQL's troubles in words a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from asyncpg import exceptions as pg
from asyncpg.connect_utils import SessionAttribute

from connector.errors import Misconfigured, Unavailable

from . import hosts, sql

Connection = asyncpg.Connection  # one session; never shared by two who wait at the same time
TROUBLES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
COMMAND_SECONDS = 30.0
PORT = 5432  # where a host listens that the URL gives no port

_TEXTS = {name: sql.numbered(query.text) for name, query in sql.load(sql.HERE / "postgres.sql").items()}
_SETTINGS = {
    "jit": "off",  # plans of large arrays look expensive and are not
    # Every statement walks an index from a few keys.  A plan is made once, which saves most of its cost, and maybe on empty
    # tables, where reading them whole looks cheapest: 13 ms a commit once they have grown, against 1.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "0",  # readers wait within a transaction that holds nothing yet
    "tcp_keepalives_idle": "10",  # a host that is gone lets go of its writer's row in half a minute
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}

# SQLSTATE or its class -> why, what to do.  The first that fits.
_BY_CODE = (
    ("53100", "the disk of the database server is full", "Make room there; nothing was lost, callers are asked to try again."),
    ("53300", "the database server has no connection left", "Raise max_connections there, or run fewer processes."),
    ("25006", "the database may only be read", "Name the primary in [store] url, or end the read-only mode of the server."),
    ("28", "the server refuses the user or its password", "Correct user and password in [store] url, or pg_hba.conf on the server."),
    ("3D000", "there is no database of this name", "Make it: createdb -O USER NAME, or correct [store] url."),
    ("3F000", "there is no schema to work in", "Make the schema that search_path names, or leave search_path out of [store] url."),
    ("42501", "the user may not do that there", "Give the user a database of its own: createdb -O USER NAME."),
    ("55P03", "another session holds a lock", "End whatever else works on this database, for example an open psql transaction."),
    ("57014", "the statement took too long", "Look at the load of the database server."),
    ("57P", "the server is starting, stopping or was restarted", "Wait until it is up again; this node connects by itself."),
    ("08", "the connection broke", "Look at the database server; this node connects again by itself."),
    ("58", "the server reports a system error", "Look at the database server's log; its disk may be failing."),
    ("XX", "the server reports damaged data", "Look at the database server's log; restore the last backup if it is damaged."),
)


@dataclass(frozen=True, slots=True)
class Server:
    """A database by its URL.  `str()` of it shows no password."""

    url: str
    synchronous: str = "FULL"  # NORMAL lets a commit return before it is on the disk
    line: hosts.Line = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", hosts.Line(hosts.hosts(self.url)))

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.netloc.rpartition('@')[2] or 'localhost'}{parts.path}"

    async def connect(self, role: str) -> Connection:
        """A new session, of several hosts with one that takes writes; raises one of TROUBLES."""
        settings = _SETTINGS | {"application_name": f"saltbridge {role}"}
        if self.synchronous == "NORMAL":
            settings["synchronous_commit"] = "off"
        asked = hosts.asked(self.url)  # what the URL sets goes before what we would
        settings = {name: value for name, value in settings.items() if name not in asked}
        wanted = SessionAttribute.read_write if self.line.several and "target_session_attrs" not in asked else None

        async def connect(host: hosts.Host | None, seconds: float) -> Connection:
            return await asyncpg.connect(
                self.url,
                host=host.name if host else None,
                port=(host.port or PORT) if host else None,
                timeout=seconds,
                command_timeout=COMMAND_SECONDS,
                max_cached_statement_lifetime=0,
                server_settings=settings,
                target_session_attrs=wanted,
            )

        return await self.line.reach(connect, TROUBLES)


async def rows(connection: Connection, statement: str, /, **values: Any) -> list[asyncpg.Record]:
    """What a named statement gives; raises as `fetch` does."""
    text, names = _TEXTS[statement]
    return await fetch(connection, text, [values[name] for name in names])


async def fetch(connection: Connection, text: str, values: Sequence[Any]) -> list[asyncpg.Record]:
    """What a statement gives.  Raises one of TROUBLES, or ValueError for a value that cannot be sent (text that is no Unicode)."""
    try:
        found: list[asyncpg.Record] = await connection.fetch(text, *values)
    except asyncpg.DataError as error:
        raise ValueError(str(error)) from error
    return found


async def value(connection: Connection, statement: str, /, **values: Any) -> Any:
    """The first column of its first row; None when there is none."""
    found = await rows(connection, statement, **values)
    return found[0][0] if found else None


def trouble(error: BaseException, what: str = "The database cannot be used just now.") -> Unavailable:
    """What went wrong, as something that may pass."""
    why, next = explained(error)
    return Unavailable(what, why, next, code="store.unavailable", retry_after=5)


def misconfigured(server: Server, error: BaseException) -> Misconfigured:
    """The same at start-up."""
    why, next = explained(error)
    return Misconfigured(f"The database {server} cannot be used.", why, next)


def explained(error: BaseException) -> tuple[str, str]:
    """Why, and what to do."""
    code = getattr(error, "sqlstate", None) or ""
    for prefix, why, next in _BY_CODE:
        if code.startswith(prefix):
            return f"{why} ({error})" if prefix in {"28", "42501", "3D000"} else why, next
    if isinstance(error, pg.TargetServerAttributeNotMatched):
        return "none of the servers takes writes", "Promote a standby; a running node connects by itself."
    if isinstance(error, TimeoutError):
        return "the server does not answer in time", "Look at the database server and at the network between."
    if isinstance(error, OSError):
        return f"nobody answers there ({error})", "Start PostgreSQL, or correct [store] url; a running node connects again by itself."
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return f"the connection broke ({error})", "Look at the database server; this node connects again by itself."
    return f"{code or type(error).__name__}: {error}", "Look at the log of the database server."


def text(statement: str) -> tuple[str, tuple[str, ...]]:
    """A named statement's text, and the names of its values in their order."""
    return _TEXTS[statement]


__all__ = [
    "TROUBLES",
    "Connection",
    "Server",
    "Unavailable",
    "explained",
    "fetch",
    "misconfigured",
    "rows",
    "text",
    "trouble",
    "value",
]
