"""The cheapest HTTP/1.1 client that will do: one connection, one request at a time, no parsing beyond what a length needs.

A load generator must not be what is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class Refusal(Exception):
    """The node answered otherwise than 200."""


@dataclass(frozen=True, slots=True)
class Reply:
    head: bytes  # lower case is not assumed
    body: bytes

    def header(self, name: bytes) -> bytes:
        """The value of a header, b"" when it is not there."""
        at = self.head.lower().find(b"\r\n" + name.lower() + b":")
        return self.head[at + 3 + len(name) :].split(b"\r\n", 1)[0].strip() if at >= 0 else b""


class Line:
    """One kept-alive connection to a node."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.bytes = 0

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Send and wait for the whole answer; Refusal when it is not 200."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", *(f"{name}: {value}" for name, value in headers.items() if value)]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        reply = Reply(head, b"")
        content = await self._reader.readexactly(int(reply.header(b"content-length") or 0))
        self.bytes += len(content)
        if not head.startswith(b"HTTP/1.1 200"):
            status = head.split(b"\r\n", 1)[0].decode()
            raise Refusal(f"{status}: {content[:200]!r}")
        return Reply(head, content)

    def close(self) -> None:
        self._writer.close()


async def load(address: str, ask: Callable[[Line, str], Awaitable[str]], count: int, at_once: int) -> dict[str, Any]:
    """Ask `count` times over `at_once` connections; what one answer returns is handed to the next question of its connection."""
    parts = urlsplit(address)
    lines = [Line(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)) for _ in range(at_once)]
    left = iter(range(count))
    took: list[float] = []

    async def worker(line: Line) -> None:
        link = ""
        for _ in left:
            began = time.perf_counter()
            link = await ask(line, link)
            took.append((time.perf_counter() - began) * 1000)

    begun, spent = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(worker, lines))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
    total = sum(line.bytes for line in lines)
    for line in lines:
        line.close()
    return {"seconds": seconds, "cpu": cpu, "ms": took, "bytes": total / max(1, count)}
