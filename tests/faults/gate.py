"""A proxy in front of a node that does to chosen messages what networks, gateways and tired servers do.

Real sockets on both sides.  It reads HTTP/1.1 and the @type of DSP messages, passes everything unchanged, and asks the `Wire`
of its pair which fault a message meets.  What the faults are is `bad_days`' business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jwcrypto.jwk import JWK

from connector.identity import jws
from connector.protocol.negotiation import Message as N
from connector.protocol.transfer import Message as T

MESSAGES = {str(kind): f"{protocol}.{kind.name}" for protocol, kinds in (("negotiation", N), ("transfer", T)) for kind in kinds}
STATE_OF = re.compile(rb"GET \S*/(?:negotiations|transfers)/")
OTHER = {"consumer": "provider", "provider": "consumer"}


@dataclass(frozen=True)
class Answer:
    """An answer as it came: the whole of it, and what matters in it."""

    status: int
    raw: bytes

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Unanswered(Exception):
    """The node behind the gate gave no whole answer (it is down, or was killed)."""


@dataclass(frozen=True)
class Fault:
    """What happens to one arrival of a message."""

    name: str
    does: Callable[[Visit], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """One arrival of a message at a gate, and what the node said to it (0: it never reached it, or gave no answer)."""

    sender: str
    message: str
    id: str
    status: int
    fault: str


@dataclass
class Watch:
    """One conversation under observation, and what its target message shall meet, arrival by arrival."""

    name: str
    target: str = ""  # e.g. negotiation.AGREEMENT
    sender: str = ""
    occurrence: int = 1  # which of several of this kind, told apart by their @id
    faults: list[Fault] = field(default_factory=list)
    for_good: bool = False  # the last fault happens again and again
    last_words: list[Fault] = field(default_factory=list)  # what its sender's termination meets afterwards
    storm: Callable[[Watch], Fault | None] | None = None  # instead: anything may happen to anything
    armed: bool = False
    pids: set[str] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)
    done: list[str] = field(default_factory=list)  # faults that happened
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    owed: dict[str, str] = field(default_factory=dict)  # sender -> @id of its message that was taken and not yet acknowledged to it
    ids: list[str] = field(default_factory=list)  # @ids of the target since it was armed
    meeting: asyncio.Barrier | None = None  # crossing: messages named in `crosses` go on together
    crosses: frozenset[tuple[str, str]] = frozenset()

    def met(self, sender: str, message: str, id: str) -> Fault | None:
        """The fault for this arrival, if it is one's turn."""
        if not self.armed:
            return None
        if self.storm is not None:
            return self.storm(self)
        if message.endswith(".TERMINATE") and sender == self.sender and self.last_words and self.done:
            return self.last_words.pop(0)
        if (message, sender) != (self.target, self.sender):
            return None
        if id not in self.ids:
            self.ids.append(id)
        if len(self.ids) < self.occurrence or id != self.ids[self.occurrence - 1] or not self.faults:
            return None
        return self.faults[0] if self.for_good and len(self.faults) == 1 else self.faults.pop(0)

    def tell(self) -> None:
        self.moved.set()

    async def wait(self, seconds: float) -> None:
        """Until something is seen of it, or for so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.moved.wait(), seconds)
        self.moved.clear()

    async def idle(self) -> None:
        """Until nothing late is on its way any more."""
        while self.tasks:
            await asyncio.wait(self.tasks)


@dataclass
class Wire:
    """What crosses between the two nodes of a pair."""

    watches: dict[str, Watch] = field(default_factory=dict)  # pid -> whose conversation
    expected: list[Watch] = field(default_factory=list)  # for the next opening
    counts: Counter[str] = field(default_factory=Counter)  # rare things that happened
    answers: dict[str, list[int]] = field(default_factory=dict)  # @id -> what its sender was told, in order

    def find(self, body: dict[str, Any]) -> Watch | None:
        """The conversation of a message; an opening belongs to whoever expects one."""
        pids = [body[key] for key in ("consumerPid", "providerPid") if isinstance(body.get(key), str)]
        watch = next((self.watches[pid] for pid in pids if pid in self.watches), None)
        if watch is None and len(pids) == 1 and self.expected:
            watch = self.expected.pop(0)
        if watch is not None:
            self.bind(watch, *pids)
        return watch

    def bind(self, watch: Watch, *pids: str) -> None:
        for pid in pids:
            self.watches[pid] = watch
            watch.pids.add(pid)

    def told(self, id: str, status: int) -> None:
        """What the sender of a message was told: counts the ways in which trouble passed."""
        before = self.answers.setdefault(id, [])
        if 200 <= status < 300 and before:
            for code in {code for code in before if not 200 <= code < 300}:
                self.counts[f"answered {code or 'nothing'}, then delivered"] += 1
        before.append(status)


@dataclass
class Visit:
    """One request at a gate, and the ways to go on with it."""

    gate: Gate
    head: bytes
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    message: str = ""  # "" when it is no message of a conversation
    id: str = ""
    watch: Watch | None = None
    status: int = 0  # what the node said
    given: int = 0  # what the caller was told

    @property
    def wire(self) -> Wire:
        return self.gate.wire

    @property
    def sender(self) -> str:
        return OTHER[self.gate.role]

    async def forward(self, *, fresh: bool = False, pieces: int = 1, stop_at: float = 1.0) -> Answer:
        """Ask the node.  `fresh`: as its sender would say it again, under a new token; `stop_at`: hang up after so much of the body."""
        head = self._with_new_token() if fresh else self.head
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.gate.target)
        except OSError as error:
            raise Unanswered from error
        try:
            writer.write(head)
            await _dribble(writer, self.body[: int(len(self.body) * stop_at)], pieces)
            if stop_at < 1.0:
                return Answer(0, b"")
            raw = await reader.read(-1)
        except OSError as error:
            raise Unanswered from error
        finally:
            writer.close()
        if not raw.startswith(b"HTTP/1.1 "):
            raise Unanswered
        answer = Answer(int(raw[9:12]), raw)
        self.status = answer.status
        self._learn(answer)
        return answer

    def _learn(self, answer: Answer) -> None:
        if self.watch is None:
            return
        said = _json(answer.body)
        if answer.ok:
            self.wire.bind(self.watch, *(said[key] for key in ("consumerPid", "providerPid") if said.get(key)))
            if self.watch.owed.get(self.gate.role):
                self.wire.counts["a message came before the answer to the one it replies to"] += 1
            self.watch.owed[self.sender] = self.id
        elif answer.status == 400 and said.get("code") == "state.crossed":
            self.wire.counts["a message was overruled by one that crossed it"] += 1
        self.watch.tell()

    async def give(self, raw: bytes, *, pieces: int = 1, stop_at: float = 1.0) -> None:
        """Answer the caller, whole or not."""
        with contextlib.suppress(OSError):
            head, _, body = raw.partition(b"\r\n\r\n")
            self.writer.write(head + b"\r\n\r\n")
            await _dribble(self.writer, body[: int(len(body) * stop_at)], pieces)
            await self.writer.drain()
        if stop_at == 1.0:
            self.given = int(raw[9:12])
            if self.watch is not None and self.watch.owed.get(self.sender) == self.id:
                del self.watch.owed[self.sender]

    async def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        """An answer of the gate's own, as of a gateway."""
        lines = [f"HTTP/1.1 {status} Said-By-The-Gate", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.give("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def caller_gone(self) -> None:
        """Say nothing until the caller gives up."""
        with contextlib.suppress(OSError):
            while await self.reader.read(1024):
                pass

    def reset(self) -> None:
        """End the connection without a word (RST)."""
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def later(self, work: Awaitable[None]) -> None:
        """Have something happen behind the caller's back."""
        assert self.watch is not None

        async def run() -> None:
            with contextlib.suppress(Unanswered):
                await work

        task = asyncio.ensure_future(run())
        self.watch.tasks.add(task)
        task.add_done_callback(self.watch.tasks.discard)

    def _with_new_token(self) -> bytes:
        assert self.gate.sender_key is not None
        token = jws.sign(self.gate.sender_key, self.gate.sender_id, self.gate.receiver_id, datetime.now(UTC))
        return re.sub(rb"(?im)^authorization:[^\r]*", b"Authorization: Bearer " + token.encode(), self.head)


@dataclass
class Gate:
    """The proxy of one node.  `role` is the part that node plays in every conversation of the pair."""

    wire: Wire
    role: str
    port: int
    target: int
    receiver_id: str = ""
    sender_id: str = ""
    sender_key: JWK | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    server: asyncio.Server | None = None

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def close(self) -> None:
        if self.server is not None:
            self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        visit = Visit(self, _closing(head), body, reader, writer)
        said = _json(body) if head.startswith(b"POST") else {}
        visit.message = MESSAGES.get(":".join(str(said[key]) for key in ("@type", "eventType") if key in said), "")
        if not visit.message:
            await self._pass(visit, reads_state=bool(STATE_OF.match(head)))
            return
        visit.id, visit.watch = str(said.get("@id", "")), self.wire.find(said)
        fault = visit.watch.met(visit.sender, visit.message, visit.id) if visit.watch else None
        try:
            await self._meet(visit)
            if fault is None:
                await self._pass(visit)
            else:
                assert visit.watch is not None
                visit.watch.done.append(fault.name)
                await fault.does(visit)
        except Unanswered:
            visit.reset()
        finally:
            self.wire.told(visit.id, visit.given)
            if visit.watch is not None:
                visit.watch.seen.append(Seen(visit.sender, visit.message, visit.id, visit.status, fault.name if fault else ""))
                visit.watch.tell()

    async def _meet(self, visit: Visit) -> None:
        """A message that shall cross another one waits for it."""
        watch = visit.watch
        if watch is None or watch.meeting is None or not watch.armed or (visit.message, visit.sender) not in watch.crosses:
            return
        watch.crosses -= {(visit.message, visit.sender)}
        with contextlib.suppress(TimeoutError, asyncio.BrokenBarrierError):
            await asyncio.wait_for(watch.meeting.wait(), 1.0)

    async def _pass(self, visit: Visit, *, reads_state: bool = False) -> None:
        try:
            answer = await visit.forward()
        except Unanswered:
            visit.reset()
            return
        if reads_state and answer.ok:
            self.wire.counts["a peer's state was read"] += 1
        await visit.give(answer.raw)


def _closing(head: bytes) -> bytes:
    """One request a connection, so that an answer ends with it."""
    head = re.sub(rb"(?im)^connection:[^\r]*\r\n", b"", head)
    return head[:-2] + b"Connection: close\r\n\r\n"


async def _dribble(writer: asyncio.StreamWriter, body: bytes, pieces: int) -> None:
    """Write in so many pieces, a moment apart."""
    size = max(1, -(-len(body) // pieces))
    for start in range(0, len(body), size):
        writer.write(body[start : start + size])
        await writer.drain()
        if pieces > 1:
            await asyncio.sleep(0.02)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def counted(wires: Sequence[Wire]) -> Counter[str]:
    total: Counter[str] = Counter()
    for wire in wires:
        total += wire.counts
    return total
