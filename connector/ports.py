"""What the conversations and the operator's functions need from the world.

Adapters live on floor 3 (`storage`, `identity`, `dataplane`) and in `connector.http`; `connector.node` chooses them.
`World` is all of it in one frozen value, handed to every function of floor 2 as its first argument.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol, TypeVar

from policies.facts import Facts

from .kept import Kept
from .records import AuditEntry, Decision, Json, Keys, Letter, Negotiation, Note, Transfer

VIEWS = 256  # passports through a grant, some hundred kilobytes each
PAGES = 2048  # pages of the catalog, packed: some six kilobytes each


class Record(Protocol):
    """A frozen dataclass of `connector.records` with a kind, an id, a version and keys."""

    kind: ClassVar[str]

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    def keys(self) -> Keys: ...


R = TypeVar("R", bound=Record)


class Conflict(Exception):
    """Somebody else wrote the record since we read it: nothing was written, read again and decide again."""


class Replayed(Exception):
    """The nonce was used before: nothing was written."""


class Transaction(Protocol):
    """One unit of work.  Reads see committed state and own writes; writes are buffered and swapped in together at exit.

    Inside it nothing is awaited but its own methods.  Leaving by an exception writes nothing.
    """

    async def get(self, kind: type[R], id: str) -> R | None: ...
    async def find(self, kind: type[R], *, after: str = "", limit: int = 1000, prefix: str = "", **keys: str) -> list[R]:
        """Records of a kind whose keys have these values, by id ascending, after an id (keyset), id beginning with `prefix`."""

    async def find_any(self, kind: type[R], key: str, values: Iterable[str], *, after: str = "", limit: int = 100) -> list[R]:
        """Records whose key has any of these values, each once, by id ascending (the catalog's page)."""

    async def count(self, kind: type[R], **keys: str) -> int: ...
    def put(self, record: R) -> R:
        """Write; `record.version` must be the stored one (0: must not exist), else Conflict at exit.  Returns it with version + 1."""

    def delete(self, kind: type[R], id: str) -> None: ...
    def keep(self, data: bytes) -> str:
        """Keep bytes as a blob; returns the SHA-256 in hex that names it."""

    async def blob(self, sha256: str) -> bytes | None: ...
    def post(self, letter: Letter) -> None:
        """Write a letter, leased to this process until released or until the lease ends."""

    def replace(self, letter: Letter) -> None:
        """Write a letter again with its new `due`, attempts and error, and let go of its lease."""

    def drop(self, letter_id: str) -> None: ...
    async def letters(self, process: str) -> list[Letter]: ...
    def note(self, note: Note) -> None:
        """Append to the audit chain in this transaction."""

    def once(self, issuer: str, nonce: str, until: datetime) -> None:
        """Insert a nonce; Replayed at exit when it is there already."""


class Store(Protocol):
    told: Callable[[Note], None]  # is called with each note once it is committed; raises nothing

    @property
    def writer(self) -> str:
        """The audit chain this process writes; '' where that shows when it is open."""

    async def open(self) -> None:
        """Be ready to serve; Misconfigured when the database cannot.  A store may have been opened when it was made."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...
    async def claim(self, now: datetime, limit: int = 64) -> list[Letter]:
        """Letters that are due and free, now leased to this process."""

    async def release(self, letter_ids: Iterable[str]) -> None:
        """End the lease of letters of ours: they are due as they say.  Wakes `wait`."""

    async def wait(self, now: datetime) -> None:
        """Sleep until a letter may be due: woken by a release, or by the earliest due time or lease end."""

    def generation(self, *kinds: type[Record]) -> int | None:
        """A number that grows whenever a record of these kinds is written or removed; None where others write the data too.

        Ask before reading: what is read afterwards is at least as new as the number says.
        """

    async def audit(self, *, after: int = 0, limit: int = 1000, writer: str = "") -> list[AuditEntry]: ...
    async def chains(self) -> list[AuditEntry]:
        """Every entry of every writer's chain, chain by chain, as of one moment: what there is to verify."""

    async def outbox(self) -> tuple[int, datetime | None]:
        """How many letters wait, and since when the oldest; those posted for a later day not yet."""

    async def forget_unnamed(self) -> int:
        """Remove bytes that no document and nothing received names (any more); how many."""

    async def close(self) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as the identity adapter established it."""

    participant: str
    origins: tuple[str, ...]  # scheme://host:port where this peer may be called
    facts: Facts  # operand IRI -> value, source, valid until
    name: str = ""
    nonce: tuple[str, str, datetime] | None = None  # (issuer, jti, until): a POST inserts it with its own transaction


class Identity(Protocol):
    async def authenticate(self, authorization: str, *, safe: bool) -> Caller:
        """Who sent this `Authorization`; raises Unauthenticated.  `safe` (a GET) checks the nonce in a bounded cache at once."""

    async def caller(self, participant: str) -> Caller | None:
        """The same for a participant without a message: for deciding and releasing later; None when no longer trusted."""

    async def token(self, audience: str) -> str:
        """A fresh `Authorization` value for one call to this participant."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of a peer; the body is at most the outbound limit."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names


class Courier(Protocol):
    """Calls a peer's DSP endpoints: fresh token, guarded address, size and time limits.  PeerUnreachable when no answer came."""

    async def post(self, address: str, path: str, body: bytes, audience: str, origins: Iterable[str]) -> Answer: ...
    async def get(self, address: str, path: str, audience: str, origins: Iterable[str]) -> Answer: ...


class DataClient(Protocol):
    """Fetches from a data endpoint a start message named (guarded), or any other guarded address."""

    async def fetch(self, url: str, *, authorization: str = "", origins: Iterable[str] = (), accept: str = "*/*") -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a consumer asks of a plain asset, as it asked it."""

    method: str
    path: str = ""  # what follows /data as it was written, "" or with a leading slash
    query: str = ""  # without the question mark
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A source's answer, its body still on the way and as the source encoded it."""

    status: int
    headers: Mapping[str, str]  # lower-case names, only those that may go on
    body: AsyncGenerator[bytes, None]


class Sources(Protocol):
    """The addresses behind plain assets, proxied; nothing of them is kept."""

    def check(self, address: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Malformed unless a data address can be served; `secrets` are the fields that are kept apart."""

    def open(self, address: Mapping[str, Any], secrets: Mapping[str, str], ask: Ask) -> AbstractAsyncContextManager[Flow]:
        """Ask the source; Malformed, Hidden or Refused for what its address does not pass through, PeerUnreachable."""


class DataTokens(Protocol):
    """The data plane's own tokens: a function of (transfer, generation), so that no token lies in the outbox."""

    def issue(self, transfer: str, generation: int, consumer: str, expires: datetime) -> str: ...
    def read(self, authorization: str, now: datetime) -> tuple[str, int, str]:
        """(transfer id, generation, consumer) of a bare or Bearer token; raises Unauthenticated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a decider wants: a message to send (protocol Message value), or to wait.

    `content` holds what the message needs: {"offer": ...}, {"agreement": ...}, {"code": ..., "reason": [...]}.
    """

    message: str = ""  # "" waits
    content: Json = field(default_factory=dict)
    due: datetime | None = None  # not before; a product decider leaves it None
    waits_for: str = ""  # "operator" when a person has to decide
    why: tuple[str, ...] = ()
    decision: Decision | None = None


class Decider(Protocol):
    """Asked after every change of state for our next move.  Reads in the given transaction, sends nothing itself."""

    async def negotiation(self, world: World, tx: Transaction, process: Negotiation) -> Move: ...
    async def transfer(self, world: World, tx: Transaction, process: Transfer) -> Move: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes and counts (house defaults; `[limits]` in the configuration)."""

    message_bytes: int = 1024 * 1024
    message_depth: int = 64
    message_nodes: int = 100_000
    text_bytes: int = 2048  # foreign text
    open_processes: int = 1000  # per peer and protocol
    page: int = 100  # datasets per catalog page


class Changes:
    """Tells waiters inside this process that a conversation moved; a hint only, the store is the truth."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def tell(self, process: str) -> None:
        for event in self._waiting.get(process, ()):
            event.set()

    async def wait(self, process: str, seconds: float) -> None:
        """Return when the process moved, or after `seconds`."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(process, set())
        waiting.add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            waiting.discard(event)
            if not waiting:
                self._waiting.pop(process, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """This node as others see it."""

    id: str  # participant id
    name: str
    public_url: str  # no trailing slash
    wishes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def dsp(self) -> str:
        return f"{self.public_url}/dsp/2025-1"

    @property
    def data(self) -> str:
        return f"{self.public_url}/data"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything floor 2 may touch."""

    me: Me
    store: Store
    clock: Clock
    identity: Identity
    courier: Courier
    data: DataClient
    tokens: DataTokens
    decider: Decider
    secret: bytes  # this node's own key for ETags and cursors; never leaves it
    sign: Callable[[Json, str], str] | None = None  # claims and a type -> compact JWS by this node's present key
    changes: Changes = field(default_factory=Changes)
    limits: Limits = Limits()
    accept: frozenset[str] = frozenset()  # operands (IRIs) a consumer accepts without asking its operator
    sources: Sources | None = None  # None where plain assets are not allowed ([dataplane] plain_assets)
    pages: Kept[Any, Any] = field(default_factory=lambda: Kept(PAGES))  # the same of pages; `exchange.browse` knows the keys
    views: Kept[Any, Any] = field(default_factory=lambda: Kept(VIEWS))  # redacted passports at hand; `exchange.release` knows the keys
    extra: Mapping[str, Any] = field(default_factory=dict)  # for deciders that tests bring


def new_pid() -> str:
    """A process id: random, never counted."""
    return f"urn:uuid:{uuid.uuid4()}"


def new_decision_id() -> str:
    return f"d-{secrets.token_hex(6)}"


def new_message_id() -> str:
    return f"urn:uuid:{uuid.uuid4()}"
