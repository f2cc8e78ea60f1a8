"""A byte-copying proxy in front of a node: what crosses the wire is kept exactly as it crossed.

It reads nothing and changes nothing; `scripts.lib.leaks` looks through the recording afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

CHUNK = 64 * 1024


@dataclass(slots=True)
class Connection:
    """One TCP connection to a node: what the caller sent and what it was sent."""

    owner: str  # whose node was called
    sent: bytearray = field(default_factory=bytearray)  # caller -> owner
    answered: bytearray = field(default_factory=bytearray)  # owner -> caller


class Recorder:
    """Listens on `port` for one node and copies every byte to `target`, both ways."""

    def __init__(self, owner: str, port: int, target: int, host: str = "127.0.0.1") -> None:
        self.owner, self.port, self.target, self.host = owner, port, target, host
        self.connections: list[Connection] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the port; OSError when it is taken."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        connection = Connection(self.owner)
        self.connections.append(connection)
        try:
            back, forth = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.close()
            return
        try:
            with contextlib.suppress(asyncio.CancelledError):  # by `stop`; asyncio would log it as an error of its own
                await asyncio.gather(_copy(reader, forth, connection.sent), _copy(back, writer, connection.answered))
        finally:
            for end in (writer, forth):
                end.close()

    @property
    def bytes(self) -> int:
        return sum(len(connection.sent) + len(connection.answered) for connection in self.connections)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while chunk := await source.read(CHUNK):
            kept += chunk
            target.write(chunk)
            await target.drain()
    with contextlib.suppress(OSError, RuntimeError):
        target.write_eof()
