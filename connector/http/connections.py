"""The connections of a listener: how many there may be, how long one may be slow, and what is said to what is no HTTP.

    head       a request's head has to be complete, and an idle connection is closed, `IDLE` seconds after the last answer
    body       `doorway.read_body` gives it a minute; what is left of it after the answer is read for `LINGER` seconds
    answer     who takes nothing of it for `STUCK` seconds loses the connection
    number     beyond `[limits] connections` the one that has waited longest without a request makes room; is every one of them
               in the middle of a request, the newcomer is told to come back (503)

Whose requests are worked on when is the business of `turns`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from typing import Any, cast

from aiohttp import web

from connector import log

IDLE = 75.0  # seconds; proxies that keep connections let go of them after sixty, and have to be the first
STUCK = 60.0  # seconds
LINGER = 2.0  # seconds that the rest of a body is read after its answer, so that the answer is not lost
BACKLOG = 1024  # connections that the system keeps until they are accepted
AT_ONCE = 32  # of these accepted before anybody else's request moves on
RIPE = 5.0  # seconds without a request, after which a connection may have to make room
LEAVING = 2.0  # seconds that who is turned away has for reading why
LEAVERS = 4  # times as many may be on their way out
_SAFE = "Server: saltbridge\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"


class Connection(web.RequestHandler):
    """One connection."""

    def __init__(self, house: Connections, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        # Encoded bodies are refused (415): left to itself the parser inflates them all the same, a bomb for seconds.
        super().__init__(
            server, loop=loop, access_log=None, keepalive_timeout=IDLE, lingering_time=LINGER, auto_decompress=False  # type: ignore[arg-type]
        )  # fmt: skip
        self._house = house
        self._heard = loop.time()
        self._turned_away = False
        self.has_asked = False
        self._stuck: asyncio.TimerHandle | None = None

    def idle(self, now: float) -> bool:
        """Has it waited for a request for a while, or for the rest of its head?"""
        return self._waiter is not None and not self._messages and now - self._heard > RIPE

    def data_received(self, data: bytes) -> None:
        if self._turned_away:
            return  # it is read all the same: a close with bytes unread would take the answer back
        super().data_received(data)
        if self._messages or self._waiter is None:
            self._heard, self.has_asked = self._loop.time(), True  # half a head counts for nothing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._house.came(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._house.gone(self)
        self._let_be()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self._loop.call_later(STUCK, self._break)

    def resume_writing(self) -> None:
        self._let_be()
        super().resume_writing()

    def turn_away(self) -> None:
        """Say that there is no room, and close as soon as that can have been read."""
        transport = self.transport
        if transport is None:
            return
        self._turned_away = True
        transport.write(_FULL)
        if transport.can_write_eof():
            transport.write_eof()
            self._loop.call_later(LEAVING, transport.abort)
        else:
            transport.close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is no HTTP, or not of the kind that is read here; nothing of it is said back."""
        if status >= 500 and exc is not None:
            log.failure("bug", exc if isinstance(exc, Exception) else RuntimeError(str(exc)), listener=self._house.listener)
        else:
            log.event("request", listener=self._house.listener, status=status, note="http.unreadable")
        if request.writer.output_size > 0:
            raise ConnectionError("half of an answer is out already")
        answer = web.Response(status=status, body=self._house.unreadable(status), content_type="application/json")
        answer.headers.update({"Server": "saltbridge", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})
        answer.force_close()
        return answer

    def _let_be(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _break(self) -> None:
        if self.transport is not None:
            log.event("connection.stuck", listener=self._house.listener)
            self.transport.abort()


class Connections:
    """All connections of one listener, the one that came first at the front."""

    def __init__(self, listener: str, most: int) -> None:
        self.listener = listener
        self._most = most
        self._open: dict[Connection, None] = {}
        self._leaving: set[Connection] = set()

    def came(self, connection: Connection) -> None:
        """Count one in; where there is no room, somebody has to go: the newcomer, unless one of the others is idle."""
        if len(self._open) < self._most or self._make_room():
            self._open[connection] = None
        else:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        """Said to one that has asked for nothing yet, where there is time to say it."""
        if connection.has_asked or len(self._leaving) >= LEAVERS * self._most:
            connection.force_close()
        else:
            self._leaving.add(connection)
            connection.turn_away()

    def gone(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        self._leaving.discard(connection)

    def unreadable(self, status: int) -> bytes:
        """The error body of a listener whose request could not be read far enough to know whose it is."""
        what = "The request cannot be read as HTTP." if status < 500 else "Something went wrong here."
        next = "Send well-formed HTTP/1.1 with headers of at most 8 kB." if status < 500 else "Tell the operator of this node."
        return _body("http.refused" if status < 500 else "internal", what, next, operator=self.listener == "operator")

    def _make_room(self) -> bool:
        now = asyncio.get_running_loop().time()
        for each in self._open:
            if each.idle(now):
                del self._open[each]
                self._leave(each)
                return True
        return False


class Site(web.TCPSite):
    """An address that is listened on, with connections of our own kind."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, house: Connections, tls: ssl.SSLContext | None) -> None:
        super().__init__(runner, host, port, ssl_context=tls)
        self._address = (host, port)
        self._house = house

    async def start(self) -> None:
        """Listen; OSError when that cannot be."""
        await web.BaseSite.start(self)
        loop, server = asyncio.get_running_loop(), self._runner.server

        def connection() -> Connection:
            return Connection(self._house, cast(web.Server, server), loop)

        listening = await loop.create_server(connection, *self._address, ssl=self._ssl_context, backlog=AT_ONCE)
        self._server = listening
        for each in listening.sockets:
            # For the loop the backlog is how many it accepts at a time; that the system may keep more is said beside it.
            with socket.socket(fileno=os.dup(each.fileno())) as same:
                same.listen(BACKLOG)


def _body(code: str, what: str, next: str, *, operator: bool) -> bytes:
    said: dict[str, Any] = {"code": code, "reason": [what, next], "decision": ""}
    return json.dumps(said | ({"what": what, "why": "", "next": next, "where": "", "details": []} if operator else {})).encode()


def _full() -> bytes:
    next = "Come back later, and keep connections open for the next request."
    body = _body("quota.connections", "Too many connections.", next, operator=True)
    head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
    return f"{head}Content-Length: {len(body)}\r\nRetry-After: 2\r\nConnection: close\r\n{_SAFE}\r\n".encode() + body


_FULL = _full()
