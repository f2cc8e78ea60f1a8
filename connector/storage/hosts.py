"""The hosts of a database URL: one, or a primary and its standbys, of which the one that takes writes is asked for.

`postgres://user@db1,db2/name` names two.  Each is tried by itself, beginning with the one that served last, so that a host that
is gone without a word (its address answers nothing) costs its own few seconds and hides no other.  Right after all have failed
nobody is asked again: a node whose database is away answers at once and leaves the servers alone.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

C = TypeVar("C")
SECONDS = 5.0  # for one host to answer; of several each has less
SECONDS_OF_SEVERAL = 2.0
PAUSE = 0.25  # seconds after a failure in which it counts for everybody
WRITES = ("read-write", "primary", "any")  # target_session_attrs that a node can work with


@dataclass(frozen=True, slots=True)
class Host:
    """One server of several; `port` None is PostgreSQL's own."""

    name: str
    port: int | None


def hosts(url: str) -> tuple[Host, ...]:
    """The hosts a URL names before its path, none where it names them elsewhere or not at all; ValueError for a port that is none."""
    named = re.match(r"[^:/?#]+://([^/?#]*)", url)
    specs = [spec for spec in (named[1] if named else "").rpartition("@")[2].split(",") if spec]
    if any("[" in spec for spec in specs[1:]):  # not every Python reads a URL like that
        raise ValueError("names an IPv6 address behind another host: write one first, and others by their names")
    found = []
    for spec in specs:
        match = re.fullmatch(r"(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?", spec)
        if match is None or int(match["port"] or 1) not in range(1, 65536):
            raise ValueError(f"names a host that cannot be read: {spec[:100]!r}")
        found.append(Host(match["six"] or match["name"] or "localhost", int(match["port"]) if match["port"] else None))
    return tuple(found)


def asked(url: str) -> dict[str, str]:
    """What a URL sets behind its question mark."""
    return dict(parse_qsl(urlsplit(url).query))


def check(url: str) -> None:
    """ValueError, saying why, for a URL that no database can be reached by."""
    hosts(url)
    wanted = asked(url).get("target_session_attrs")
    if wanted is not None and wanted not in WRITES:
        raise ValueError(f"asks for a server that is {wanted[:40]!r}, and a node writes: use target_session_attrs=read-write")


@dataclass(slots=True)
class Line:
    """Ways to one database, and what is known of them.  Belongs to one event loop."""

    hosts: tuple[Host, ...]
    clock: Callable[[], float] = time.monotonic
    failed: BaseException | None = None  # why nobody could be reached the last time; None once somebody was
    reached: asyncio.Event = field(default_factory=asyncio.Event)  # set whenever somebody was
    _until: float = 0.0
    _best: list[Host] = field(default_factory=list)

    @property
    def several(self) -> bool:
        return len(self.hosts) > 1

    async def reach(self, connect: Callable[[Host | None, float], Awaitable[C]], troubles: tuple[type[BaseException], ...]) -> C:
        """What `connect` makes of the first host that will do; the last one's trouble when none does.

        It is given None where there is no choice, and the seconds it may take.
        """
        if self.failed is not None and self.clock() < self._until:
            raise self.failed.with_traceback(None)
        error: Any = None
        for host in self._in_order():
            try:
                made = await connect(host, SECONDS_OF_SEVERAL if self.several else SECONDS)
            except troubles as trouble:
                error = error if error is not None and _says_less(trouble) else trouble
                continue
            self.failed, self._best = None, [host] if host else []
            self.reached.set()
            return made
        self.failed, self._until = error, self.clock() + PAUSE
        raise error

    def _in_order(self) -> list[Host | None]:
        if not self.several:
            return [None]
        return [*self._best, *(host for host in self.hosts if host not in self._best)]


def _says_less(trouble: BaseException) -> bool:
    """A host that is gone says less than one that answered and refused."""
    return isinstance(trouble, OSError)
