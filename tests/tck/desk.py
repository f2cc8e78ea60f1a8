"""Where a node's messages reach the kit: a real HTTP server as unforgiving as the official kit's, one for each scenario.

It takes a message only where one is expected, once, and answers everything else with 404.  A body that breaks its schema gets
no answer at all.  A message that comes before the kit has moved itself finds the connection dropped, or, for three of the
transfer messages, 409, and is then no longer expected.  It serves no GET.  Source: Dataspace TCK 1.0.1 and its harness 1.0.0.

Stricter in three points: the scenario is lost as soon as a body is invalid, both pids must be right, the type must fit the path.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from . import judge, wording
from .judge import Json, text, word
from .scenarios import Row
from .wording import NEGOTIATION, TRANSFER, Kind, Overtaken, Process

SILENT = frozenset({"accepted", "agreement", "verification", "finalized"})  # answered with an empty body
FALLIBLE = frozenset({"start", "suspension", "completion"})  # of a transfer: 409 when overtaken


class _Unknown(Exception):
    """A message names no process of the kit's."""


@dataclass
class Tally:
    """What the kit did to the node, and heard when it expected nothing."""

    heard: int = 0  # messages that were answered, dropped or refused
    unheard: list[str] = field(default_factory=list)  # `POST path @type`, answered with 404
    dropped: int = 0
    conflicts: int = 0
    unanswered: int = 0


@dataclass(frozen=True)
class Expected:
    """A message that is taken once."""

    name: str
    kind: Kind
    silently: bool
    came: asyncio.Event = field(default_factory=asyncio.Event)


class Desk:
    """The server of one scenario, and the kit's end of its process."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.address = ""
        self.tally = Tally()
        self.process: Process | None = None
        self.broken: list[str] = []  # what no node may do, whatever the scenario
        self.breaks = asyncio.Event()
        self.forgiving = False  # after the scenario, where both ends are to meet: a peer that serves all that is legal
        self.kinds = TRANSFER if row.is_transfer else NEGOTIATION
        self._expected: dict[str, Expected] = {}
        self._taken: set[str] = set()  # ids of messages that were taken
        self._closing = asyncio.Event()

    async def start(self) -> str:
        """Listen; the address is the kit's callback address."""
        app = web.Application(client_max_size=1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._hear)
        app.on_response_prepare.append(_without_type)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
        return self.address

    def close(self) -> None:
        """Let go of whoever was left without an answer."""
        self._closing.set()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def expect(self, name: str, *, silently: bool) -> asyncio.Event:
        """Take this message from now on, once; the event tells that it came."""
        expected = Expected(name, self.kinds[name], silently or name in SILENT)
        self._expected[name] = expected
        return expected.came

    def judged(self, body: bytes, what: str) -> Json | None:
        """The body in expanded form; None, and the scenario is lost, when it is not what DSP allows."""
        try:
            document = json.loads(body)
            judge.check(document)
            return judge.expand(document)
        except ValueError:
            self.lose(f"{what} is no JSON: {body[:80]!r}")
        except judge.Invalid as error:
            self.lose(f"{what} is invalid: {error}")
        return None

    def lose(self, why: str) -> None:
        self.broken.append(why)
        self.breaks.set()

    def out_of_turn(self) -> list[str]:
        """What the node said although the scenario never expects it."""
        wanted = [self.kinds[step.what] for step in self.row.steps if step.verb == "expect"]
        return [said for said in self.tally.unheard if not any(_goes_to(kind, said.split()[1]) for kind in wanted)]

    # --- as the official kit

    async def _hear(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        path = request.path.removesuffix("/")
        try:
            if self.forgiving:
                return self._forgive(request, path, body)
            for expected in self._expected.values():
                if _goes_to(expected.kind, path):
                    return await self._take(request, expected, body)
            self.tally.unheard.append(f"{request.method} {path} {_type(body)}")
            return web.Response(status=404, body=b"No handler registered on this endpoint")
        finally:
            self.tally.heard += 1

    async def _take(self, request: web.Request, expected: Expected, body: bytes) -> web.StreamResponse:
        """One hit on what is expected, in the kit's order: read, judge, expand, move, and only then expect it no more."""
        expanded = self.judged(body, f"the node's {expected.name}")
        if expanded is None:
            self.tally.unanswered += 1
            await self._closing.wait()  # the official kit's thread dies here, and the connection stays open
            return _drop(request)
        event = word(expanded, "eventType").removeprefix(judge.DSPACE) if expected.kind.event else ""
        if (_type(body), event) != (expected.kind.type, expected.kind.event):
            self.lose(f"{_type(body)} {event} came where {expected.kind.type} {expected.kind.event} belongs")
        fallible = self.row.is_transfer and expected.name in FALLIBLE
        try:
            self._move(expected, expanded)
        except _Unknown as error:
            self.lose(f"the node's {expected.name} names no process of ours: {error}")
            return web.Response(status=500, body=str(error).encode()) if fallible else _drop(request)
        except Overtaken as error:
            if not fallible:
                self.tally.dropped += 1
                return _drop(request)
            self.tally.conflicts += 1
            self._done(expected)
            return _json(409, self._error("409", str(error)))
        self._done(expected)
        self._taken.add(_id(body))
        assert self.process is not None
        return web.Response(status=200) if expected.silently else _json(200, self.process.ack(expected.kind.state))

    def _done(self, expected: Expected) -> None:
        self._expected.pop(expected.name, None)
        expected.came.set()

    def _move(self, expected: Expected, expanded: Json) -> None:
        if expected.name == "request":
            self._open(expanded)
        else:
            self._known(expanded).move(expected.kind.state)

    def _known(self, expanded: Json) -> Process:
        """Our process, by its pid; the other pid must be right as soon as we know it."""
        process = self.process
        if process is None:
            raise _Unknown("there is none")
        ours, theirs = ("consumerPid", "providerPid") if process.consumer else ("providerPid", "consumerPid")
        try:
            said = {name: word(expanded, name) for name in (ours, theirs)}
        except judge.Invalid as error:
            raise _Unknown(str(error)) from error
        if said != {ours: process.pid, theirs: process.peer_pid or said[theirs]}:
            raise _Unknown(f"{said}")
        return process

    def _open(self, expanded: Json) -> None:
        """The node asks us, the provider; the same request again is answered as before."""
        peer_pid = word(expanded, "consumerPid")
        if self.process is not None and self.process.peer_pid == peer_pid:
            return
        offer_id = "" if self.row.is_transfer else str(expanded[judge.DSPACE + "offer"][0]["@id"])
        if offer_id and offer_id != f"offer{self.row.subject}":
            self.lose(f"the request names offer {offer_id}, the signal named offer{self.row.subject}")
        address = text(expanded, "callbackAddress")
        self.process = Process(
            self.row.subject, self.row.is_transfer, consumer=False, offer_id=offer_id, peer_pid=peer_pid,
            address=address if self.row.is_transfer else address.removesuffix("/"),  # as the official kit does
            state="REQUESTED",
        )  # fmt: skip

    def _error(self, code: str, why: str) -> Json:
        assert self.process is not None
        type = "TransferError" if self.row.is_transfer else "ContractNegotiationError"
        return wording.message(type, **self.process.pids, code=code, reason=[{"message": why}])

    # --- as a forgiving peer, once the scenario is over

    def _forgive(self, request: web.Request, path: str, body: bytes) -> web.StreamResponse:
        """Take what the table allows, answer a repetition as before, refuse the rest with 400, say where we are."""
        process = self.process
        if request.method == "GET":
            mine = process is not None and path.rpartition("/")[2] == process.pid
            return _json(200, process.ack()) if process and mine else web.Response(status=404)
        expanded, name = self.judged(body, f"the node's {_type(body)}"), self._name_of(path, body)
        if expanded is None or not name:
            return web.Response(status=404)
        if _id(body) not in self._taken:
            try:
                self._move(Expected(name, self.kinds[name], silently=False), expanded)
            except (_Unknown, Overtaken) as error:
                return _json(400, self._error("400", str(error))) if self.process else web.Response(status=404)
            self._taken.add(_id(body))
        assert self.process is not None
        return _json(200, self.process.ack())

    def _name_of(self, path: str, body: bytes) -> str:
        event = json.loads(body).get("eventType", "")
        return next((name for name, kind in self.kinds.items() if _goes_to(kind, path) and kind.event in ("", event)), "")


def _goes_to(kind: Kind, path: str) -> bool:
    return re.fullmatch(kind.path.format("[^/]+"), path) is not None


def _json(status: int, document: Json) -> web.Response:
    judge.check(document)  # the kit validates what it says itself
    return web.Response(status=status, body=json.dumps(document).encode())


def _drop(request: web.Request) -> web.Response:
    """Close the connection instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _type(body: bytes) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(body).get("@type", ""))
    return ""


def _id(body: bytes) -> str:
    return str(json.loads(body).get("@id", ""))


async def _without_type(request: web.Request, response: web.StreamResponse) -> Any:
    """The official kit's server names no content type."""
    response.headers.popall("Content-Type", None)
