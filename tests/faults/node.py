"""`saltbridge serve`, killed by SIGKILL at a chosen moment, or with a store that fails at a chosen commit.

Run as `python -m tests.faults.node HOME [PLANT]`: it imports the product once and then, for each line on stdin, forks a fresh node
process (so a restart costs milliseconds, and no two lives share anything but the files).  It says `started PID` and
`ended STATUS`, and ends its node when stdin does.  The file `order` in the home arms it; whoever follows the order removes it.

    kill <protocol>.<MESSAGE>.<moment> <token>    one of MOMENTS, the next time the node comes to it with this message
    kill commit.<n>.before|after <token>          at the n-th commit from now on: before it is written, or when it just was
    fail commit.<n>.<how> <token>                 the n-th commit from now on is not written, and its store says so (FAILURES)

PLANT is a mistake to make (`plants`), so that a test can see it found.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

import connector.cli.serve
import connector.node  # noqa: F401 - both here, so that no life of the node has to
from connector.cli.main import main
from connector.exchange import deliver, negotiate, transfer
from connector.http.peer import HttpCourier
from connector.protocol.negotiation import Message as N
from connector.protocol.transfer import Message as T
from connector.storage import server
from connector.storage.postgres import PostgresStore
from connector.storage.sqlite import SqliteStore
from connector.storage.writers import Writer

from .plants import PLANTS

ORDER = "order"
SENDERS_MOMENTS = {
    "before-send": "the message is committed as in flight, nothing has left",
    "before-settle": "the peer has it and has answered, the answer is not committed",
    "after-settle": "what the answer means is committed, and what it leads to has not begun",
}
RECEIVERS_MOMENTS = {
    "before-apply": "the message has come, and nothing of it is committed",
    "before-answer": "the message is applied and committed here, no answer has left",
    "before-turn": "the answer has left, our own next turn has not been let go",
}
FAILURES = {
    "sqlite": ("full", "busy"),  # the disk is full; another program holds the file
    "postgres": ("full", "lost", "unheard"),  # the same; the session breaks before it is written; after it was written
}
MESSAGES = {str(kind): f"{protocol}.{kind.name}" for protocol, kinds in (("negotiation", N), ("transfer", T)) for kind in kinds}
POLL = 0.02  # seconds between two looks at stdin and at the node

_hearing: ContextVar[str] = ContextVar("_hearing", default="")
_committing: ContextVar[bool] = ContextVar("_committing", default=False)


class Orders:
    """What this node was told to suffer."""

    def __init__(self, home: Path) -> None:
        self._file = home / ORDER
        self._commits: Counter[str] = Counter()

    def reached(self, moment: str) -> None:
        """Die here when this is the moment."""
        what, at, _ = self._read()
        if what == "kill" and at == moment:
            self._die()

    def commit(self) -> str:
        """Another commit is about to be written: how it fails, `after` when the node has to die of it, '' when nothing is the matter."""
        what, at, token = self._read()
        if not at.startswith("commit."):
            return ""
        _, number, how = at.split(".")
        self._commits[token] += 1
        if self._commits[token] != int(number):
            return ""
        if what == "kill" and how == "before":
            self._die()
        if what == "fail":
            self._file.unlink()
        return how

    def committed(self, how: str) -> None:
        if how == "after":
            self._die()

    def _die(self) -> None:
        self._file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    def _read(self) -> tuple[str, str, str]:
        try:
            what, at, token = self._file.read_text().split(" ")
        except (FileNotFoundError, ValueError):
            return "", "", ""
        return what, at, token


def arm(orders: Orders) -> None:
    """Put the moments into the product, in this process only."""
    _arm_messages(orders)
    _arm_sqlite(orders)
    _arm_postgres(orders)


def _arm_messages(orders: Orders) -> None:
    post, send = HttpCourier.post, deliver.WORK["send"]
    courier: Any = HttpCourier

    async def killing_post(self: HttpCourier, address: str, path: str, body: bytes, audience: str, origins: Iterable[str]) -> Any:
        message = _sent(body)
        orders.reached(f"{message}.before-send")
        answer = await post(self, address, path, body, audience, origins)
        orders.reached(f"{message}.before-settle")
        return answer

    async def killing_send(world: Any, letter: Any) -> Any:
        following = await send(world, letter)
        orders.reached(f"{letter.process_kind}.{_kind(letter).name}.after-settle")
        return following

    def killing_receive(protocol: str, receive: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def received(world: Any, caller: Any, message: Any, pid: str = "") -> Any:
            _hearing.set(f"{protocol}.{message.kind.name}")
            orders.reached(f"{_hearing.get()}.before-apply")
            outcome = await receive(world, caller, message, pid)
            orders.reached(f"{_hearing.get()}.before-answer")
            return outcome

        return received

    courier.post = killing_post
    deliver.WORK["send"] = killing_send
    for module, protocol in ((negotiate, "negotiation"), (transfer, "transfer")):
        talk: Any = module
        talk.receive = killing_receive(protocol, talk.receive)
    for store in (SqliteStore, PostgresStore):
        _arm_release(orders, store)


def _arm_release(orders: Orders, store: Any) -> None:
    release = store.release

    async def killing_release(self: Any, letter_ids: Iterable[str]) -> None:
        orders.reached(f"{_hearing.get()}.before-turn")
        await release(self, letter_ids)

    store.release = killing_release


def _arm_sqlite(orders: Orders) -> None:
    """Every connection of this process is one that obeys at COMMIT."""

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql != "COMMIT":
                return super().execute(sql, parameters)
            match orders.commit():
                case "full":
                    raise sqlite3.OperationalError("database or disk is full")
                case "busy":
                    raise sqlite3.OperationalError("database is locked")
                case how:
                    done = super().execute(sql, parameters)
                    orders.committed(how)
                    return done

    module: Any = sqlite3
    module.connect = partial(sqlite3.connect, factory=Watched)


def _arm_postgres(orders: Orders) -> None:
    fetch, write = server.fetch, Writer._write

    async def watched_fetch(connection: Any, text: str, values: Any) -> Any:
        if not _committing.get():
            return await fetch(connection, text, values)
        how = orders.commit()
        match how:
            case "full":
                raise asyncpg.exceptions.DiskFullError("could not extend file: No space left on device")
            case "lost":
                connection.terminate()
                raise asyncpg.exceptions.ConnectionDoesNotExistError("connection was closed in the middle of operation")
            case "unheard":
                await fetch(connection, text, values)
                connection.terminate()
                raise asyncpg.exceptions.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        found = await fetch(connection, text, values)
        orders.committed(how)
        return found

    async def watched_write(self: Writer, connection: Any, batch: Any, under: Any, **more: Any) -> Any:
        mark = _committing.set(not batch.empty())
        try:
            return await write(self, connection, batch, under, **more)
        finally:
            _committing.reset(mark)

    server.fetch = watched_fetch
    writer: Any = Writer
    writer._write = watched_write


def _sent(body: bytes) -> str:
    message = json.loads(body)
    return MESSAGES.get(":".join(str(message[key]) for key in ("@type", "eventType") if key in message), "catalog")


def _kind(letter: Any) -> Any:
    return (N if letter.process_kind == "negotiation" else T)(letter.message)


# --- the forker ----------------------------------------------------------------------------------


def node(home: Path) -> None:
    """The forked process: its log is the home's, its stdin nobody's."""
    with (home / "node.log").open("ab") as log, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    status = 1
    try:
        status = main(["--home", str(home), "serve", "--log", "json"])
    finally:
        os._exit(status)


def serve(home: Path, plant: str = "") -> None:
    """Start a node for each line on stdin, and tell what becomes of it."""
    arm(Orders(home))
    if plant:
        PLANTS[plant]()
    running = 0
    while True:
        if select.select([0], [], [], POLL)[0]:
            if not os.read(0, 1024):
                break
            running = os.fork()
            if not running:
                node(home)
            print(f"started {running}", flush=True)
        if running and (ended := os.waitpid(running, os.WNOHANG))[0]:
            running = 0
            print(f"ended {os.waitstatus_to_exitcode(ended[1])}", flush=True)
    if running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running, signal.SIGTERM)
        os.waitpid(running, 0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), *sys.argv[2:])
