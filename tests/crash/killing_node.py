"""`saltbridge serve`, killed by SIGKILL at a chosen moment of a chosen message.

Run as `killing_node.py HOME`: it imports the product once and then, for each line on stdin, forks a fresh node process (so a
restart costs milliseconds, and no two lives share anything but the files).  It says `started PID` and `ended STATUS`, and ends
its node when stdin does.  The file `kill-at` in the home arms it, e.g. `negotiation.AGREEMENT.before-send`; a kill removes it.

    before-send     the message is committed as in flight, nothing has left
    before-settle   the peer has it and has answered, the answer is not committed
    before-answer   the message is applied and committed here, no answer has left
    before-turn     the answer has left, our own next turn has not been let go
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import connector.cli.serve
import connector.node  # noqa: F401 - both here, so that no life of the node has to
from connector.cli.main import main
from connector.exchange import negotiate, transfer
from connector.http.peer import HttpCourier
from connector.protocol.negotiation import Message as N
from connector.protocol.transfer import Message as T
from connector.storage.sqlite import SqliteStore

KILL_AT = "kill-at"
MESSAGES = {str(kind): f"{protocol}.{kind.name}" for protocol, kinds in (("negotiation", N), ("transfer", T)) for kind in kinds}
POLL = 0.02  # seconds between two looks at stdin and at the node

_hearing: ContextVar[str] = ContextVar("_hearing", default="")


def arm(home: Path) -> None:
    """Put the moments into the product, in this process only."""
    order = home / KILL_AT

    def reached(moment: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            if order.read_text() == moment:
                order.unlink()
                os.kill(os.getpid(), signal.SIGKILL)

    post, release = HttpCourier.post, SqliteStore.release

    async def killing_post(self: HttpCourier, address: str, path: str, body: bytes, audience: str, origins: Iterable[str]) -> Any:
        message = _sent(body)
        reached(f"{message}.before-send")
        answer = await post(self, address, path, body, audience, origins)
        reached(f"{message}.before-settle")
        return answer

    async def killing_release(self: SqliteStore, letter_ids: Iterable[str]) -> None:
        reached(f"{_hearing.get()}.before-turn")
        await release(self, letter_ids)

    def killing_receive(protocol: str, receive: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def received(world: Any, caller: Any, message: Any, pid: str = "") -> Any:
            outcome = await receive(world, caller, message, pid)
            _hearing.set(f"{protocol}.{message.kind.name}")
            reached(f"{_hearing.get()}.before-answer")
            return outcome

        return received

    HttpCourier.post = killing_post  # type: ignore[method-assign]
    SqliteStore.release = killing_release  # type: ignore[method-assign]
    negotiate.receive = killing_receive("negotiation", negotiate.receive)  # type: ignore[assignment]
    transfer.receive = killing_receive("transfer", transfer.receive)  # type: ignore[assignment]


def _sent(body: bytes) -> str:
    message = json.loads(body)
    return MESSAGES.get(":".join(str(message[key]) for key in ("@type", "eventType") if key in message), "catalog")


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


def serve(home: Path) -> None:
    """Start a node for each line on stdin, and tell what becomes of it."""
    arm(home)
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
        os.kill(running, signal.SIGTERM)
        os.waitpid(running, 0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
