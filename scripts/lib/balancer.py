"""One address in front of several processes: each request goes to the ready one that has the least to do.

Knows HTTP/1.1 framing and nothing of what is said.  Readiness is asked for at `/health/ready` of each process a few times a
second.  A request that could not be handed over goes to the next process; one that a process took and did not answer is 502,
because nobody knows what became of it.  Where none is ready those that live are asked: they know what to answer.  What was
answered to whom is kept (`seen`): a witness that is no part of the nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

LOOK_EVERY = 0.2  # seconds between two looks at a process
LOOK_SECONDS = 2.0
HEAD = 64 * 1024
CHUNK = 64 * 1024
KEPT_BODY = 4096  # bytes of an answer that are kept of a 201
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass(slots=True)
class Backend:
    """One process behind the address."""

    name: str
    port: int
    operator_port: int  # where it says whether it is ready
    state: str = "down"  # down | alive | ready
    busy: int = 0
    answered: int = 0
    turn: int = 0  # when it was given its last request, counted in requests
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request and what was answered to it; status 0: the caller got nothing."""

    at: float  # time.time() when the request was whole
    seconds: float
    method: str
    path: str
    status: int
    backend: str  # "" when none took it
    body: bytes = b""  # of a 201, its beginning


class Nobody(Exception):
    """No process took the request."""


class Lost(Exception):
    """A process took the request and ended before it had answered."""


class Balancer:
    """Listens on `port` for these backends."""

    def __init__(self, port: int, backends: Iterable[Backend], *, witness: bool = True) -> None:
        self.port = port
        self.backends = list(backends)
        self.seen: list[Seen] = []
        self._witness = witness
        self._turns = 0
        self._held: asyncio.Event | None = None  # set when what is held is lost
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the port; OSError when it is taken."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=HEAD, backlog=512)
        for backend in self.backends:
            self._keep(asyncio.create_task(self._look(backend)))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for backend in self.backends:
            _close_all(backend)

    async def until_ready(self, count: int, seconds: float = 30.0) -> None:
        """TimeoutError unless so many are ready in time."""
        async with asyncio.timeout(seconds):
            while sum(backend.state == "ready" for backend in self.backends) < count:
                await asyncio.sleep(LOOK_EVERY / 4)

    def hold(self) -> None:
        """From now on take requests and pass none on, as a network does that will lose them."""
        self._held = asyncio.Event()

    def lose(self) -> None:
        """Lose what is held, and pass on again what comes."""
        if self._held is not None:
            self._held.set()
        self._held = None

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- who is there

    async def _look(self, backend: Backend) -> None:
        while True:
            backend.state = await _state(backend)
            if backend.state == "down":
                _close_all(backend)
            await asyncio.sleep(LOOK_EVERY)

    def _in_order(self) -> list[Backend]:
        """Those to try: ready before alive before down, who has the least to do, whose turn it is."""
        rank = {"ready": 0, "alive": 1, "down": 2}
        return sorted(self.backends, key=lambda each: (rank[each.state], each.busy, each.turn))

    # --- requests

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._keep(task)
        try:
            with contextlib.suppress(*BROKEN, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass one request on and its answer back; whether the caller's connection can take another."""
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        if self._held is not None:
            await self._held.wait()
            return False
        at, method, path = time.time(), *head.split(b" ", 2)[:2]
        status, name, kept = 0, "", b""
        try:
            status, name, kept, again = await self._answered(head + body, writer, head_only=method == b"HEAD")
            return again and not _CLOSE.search(head)
        except Nobody:
            status, again = 503, True
            writer.write(_plain(b"503 Service Unavailable"))
            return again
        except Lost as lost:
            status, name, again = 502, str(lost), True
            writer.write(_plain(b"502 Bad Gateway"))
            return again
        finally:
            if self._witness:
                self.seen.append(Seen(at, time.time() - at, method.decode(), path.decode("latin-1"), status, name, kept))

    async def _answered(self, request: bytes, writer: asyncio.StreamWriter, *, head_only: bool) -> tuple[int, str, bytes, bool]:
        for backend in self._in_order():
            backend.busy += 1
            self._turns += 1
            backend.turn = self._turns
            try:
                with contextlib.suppress(OSError):
                    return await self._by(backend, request, writer, head_only=head_only)
            finally:
                backend.busy -= 1
        raise Nobody

    async def _by(self, backend: Backend, request: bytes, writer: asyncio.StreamWriter, *, head_only: bool) -> tuple[int, str, bytes, bool]:
        """The answer of this process; OSError when it did not take the request, Lost when it did and went away."""
        back, forth = await _connection(backend)
        try:
            forth.write(request)
            await forth.drain()
            head = await back.readuntil(b"\r\n\r\n")
        except BROKEN as error:
            forth.close()
            raise Lost(backend.name) from error
        status = int(head.split(b" ", 2)[1])
        writer.write(head)
        kept = bytearray()
        try:
            whole = await _pass_body(head, back, writer, kept if status == 201 else None, empty=head_only or status in (204, 304))
        except BROKEN:
            forth.close()
            return 0, backend.name, b"", False  # the caller has half of an answer: its connection is cut, as ours was
        backend.answered += 1
        if whole and not _CLOSE.search(head):
            backend.idle.append((back, forth))
        else:
            forth.close()
        return status, backend.name, bytes(kept), whole


async def _connection(backend: Backend) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while backend.idle:
        back, forth = backend.idle.pop()
        if not back.at_eof() and not forth.is_closing():
            return back, forth
        forth.close()
    return await asyncio.open_connection("127.0.0.1", backend.port, limit=HEAD)


async def _pass_body(
    head: bytes, back: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None, *, empty: bool
) -> bool:
    """Copy a body as it is framed; whether the connection is good for another request."""
    whole = True
    if empty:
        pass
    elif _CHUNKED.search(head):
        size = -1
        while size:
            line = await back.readuntil(b"\r\n")
            size = int(line.split(b";", 1)[0], 16)
            writer.write(line + await back.readexactly(size + 2))
            await writer.drain()
    elif _LENGTH.search(head):
        left = _length(head)
        while left:
            piece = await back.readexactly(min(left, CHUNK))
            left -= len(piece)
            writer.write(piece)
            if kept is not None and len(kept) < KEPT_BODY:
                kept += piece
            await writer.drain()
    else:
        whole = False
        while piece := await back.read(CHUNK):
            writer.write(piece)
            await writer.drain()
    await writer.drain()
    return whole


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def _plain(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


async def _state(backend: Backend) -> str:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", backend.operator_port)
            try:
                writer.write(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return "ready" if b" 200 " in await reader.readline() else "alive"
            finally:
                writer.close()
    except TimeoutError:
        return "alive"
    except OSError:
        return "down"


def _close_all(backend: Backend) -> None:
    while backend.idle:
        backend.idle.pop()[1].close()


async def serve(port: int, backends: list[Backend]) -> None:
    """Run until stdin ends; says `ready` when the port is open."""
    balancer = Balancer(port, backends, witness=False)
    await balancer.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await balancer.stop()


def named(text: str) -> Backend:
    """A backend by `PORT:OPERATOR_PORT`."""
    port, _, operator_port = text.partition(":")
    return Backend(text, int(port), int(operator_port))


if __name__ == "__main__":  # python -m scripts.lib.balancer PORT BACKEND:OPERATOR ...
    _, _port, *_rest = sys.argv
    asyncio.run(serve(int(_port), [named(text) for text in _rest]))
