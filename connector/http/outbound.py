"""The one outgoing HTTP client.  Every call of this node leaves through it, and it decides where a call may go.

Two kinds of addresses, three ways out (table `_REACH`):

    listed     its origin is one the caller was told to expect (a peer's card, what the operator typed):
               https to public addresses and the networks in `allow_private`, http to those networks only
    unlisted   any other (a data address that a start message names): https to public addresses only

Public is decided on the resolved address at the moment of connecting: the address that is checked is the one that is used,
so a name that changes between two look-ups gains nothing.  No redirects, proxies, cookies or user-info; the answer's size
is counted after inflating, and the whole call has one deadline.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from connector.addresses import Address, origin, read_address
from connector.errors import Denied, PeerUnreachable
from connector.ports import Answer

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_UNICAST6 = IPv6Network("2000::/3")  # the only part of IPv6 that is handed out to the world
_INFLATED_STEP = 64 * 1024
_REACH = {  # (scheme, listed) -> (public addresses, networks in allow_private); what is absent is never called
    ("https", True): (True, True),
    ("http", True): (False, True),
    ("https", False): (True, False),
}


_TROUBLES = (aiohttp.ClientError, TimeoutError, OSError, ValueError, zlib.error)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still on the way, as the other side encoded it."""

    status: int
    headers: Mapping[str, str]  # lower-case names
    body: AsyncGenerator[bytes, None]


class Outbound:
    """`ports.DataClient`, and what `http.peer` sends through.  Used inside `async with`."""

    def __init__(
        self,
        *,
        allow_private: Iterable[str | Network] = (),
        timeout: float = 15.0,
        max_bytes: int = 64 * 1024 * 1024,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._private = tuple(ip_network(network) for network in allow_private)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._tls = tls
        self._resolver = resolver
        self._sessions: dict[tuple[str, bool, str], aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Outbound:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """End every connection."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def fetch(self, url: str, *, authorization: str = "", origins: Iterable[str] = (), accept: str = "*/*") -> Answer:
        """GET an address; raises Malformed or Denied for one we do not call, PeerUnreachable when no whole answer came."""
        headers = {"Accept": accept} | ({"Authorization": authorization} if authorization else {})
        address = read_address(url)
        return await self.call("GET", address, headers, listed=address.origin in {origin(one) for one in origins})

    async def call(self, method: str, address: Address, headers: Mapping[str, str], body: bytes | None = None, *, listed: bool) -> Answer:
        """One call to an address that was read before; `listed` says that its origin is expected."""
        session = self._session(address, listed)
        url = URL(f"{address.origin}{address.path}", encoded=True)
        try:
            async with asyncio.timeout(self._timeout):
                async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
                    content = await self._content(response)
                    return Answer(response.status, content, _told(response))
        except _TROUBLES as error:
            raise self._explained(address, error) from error

    @asynccontextmanager
    async def stream(
        self, method: str, address: Address, headers: Mapping[str, str], body: bytes | None = None, *, listed: bool
    ) -> AsyncIterator[Stream]:
        """One call whose answer goes on as it comes: not inflated, not counted; each piece has its own deadline.

        Raises as `call` does; PeerUnreachable also while the body is read.
        """
        # Streams have connections of their own: however many wait for slow readers, messages to peers still go out.
        session = self._session(address, listed, "stream")
        url = URL(f"{address.origin}{address.path}", encoded=True)
        try:
            async with asyncio.timeout(self._timeout):
                response = await session.request(method, url, headers=headers, data=body, allow_redirects=False)
        except _TROUBLES as error:
            raise self._explained(address, error) from error
        try:
            yield Stream(response.status, _told(response), self._pieces(address, response))
        finally:
            response.close()

    async def _pieces(self, address: Address, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                async with asyncio.timeout(self._timeout):
                    piece = await response.content.readany()
                if not piece:
                    return
                yield piece
        except _TROUBLES as error:
            raise self._explained(address, error) from error

    def _explained(self, address: Address, error: Exception) -> Denied | PeerUnreachable:
        refused = _refused_in(error)
        if refused is not None:
            return Denied(f"{address.origin} is not called.", str(refused), refused.next, code="address.refused")
        return _unreachable(address, error, self._timeout)

    def _session(self, address: Address, listed: bool, lane: str = "call") -> aiohttp.ClientSession:
        """The session of a way out.  Ways never share connections: one that was allowed for a listed origin is no one else's."""
        way = (address.scheme, listed)
        if way not in _REACH:
            next = "Ask the peer for an https address, or list its origin (peer add --data-origin)."
            raise Denied(
                f"{address.origin} is not called.", "only https leads to an address that nobody listed", next, code="address.refused"
            )
        guard = _Guard(*_REACH[way], self._private)
        number = _as_number(address.host)  # a name is checked when it is resolved
        try:
            if number is not None:
                guard.check(number)
        except _Forbidden as refused:
            raise Denied(f"{address.origin} is not called.", str(refused), refused.next, code="address.refused") from refused
        if (*way, lane) not in self._sessions:
            self._sessions[*way, lane] = self._opened(guard)
        return self._sessions[*way, lane]

    def _opened(self, guard: _Guard) -> aiohttp.ClientSession:
        resolver = _GuardedResolver(guard, self._resolver or aiohttp.ThreadedResolver())
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=self._tls or True, limit=256, limit_per_host=64, ttl_dns_cache=10)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(5.0, self._timeout)),
            headers={"User-Agent": "Saltbridge", "Accept-Encoding": "gzip, deflate"},
            auto_decompress=False,  # inflated here, where the size is counted
            trust_env=False,
        )

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        if "Content-Encoding" not in response.headers and 0 <= (response.content_length or -1) <= self._max_bytes:
            return await response.read()  # it says how short it is, and HTTP holds it to that
        content = bytearray()
        async for piece in _inflated(response):
            content += piece
            if len(content) > self._max_bytes:
                response.close()
                raise _Oversized(f"the answer is larger than {self._max_bytes} bytes")
        return bytes(content)


# --- where a call may go -------------------------------------------------------------------------


class _Forbidden(OSError):
    """An address that this way out does not lead to."""

    next = "If this network is meant, list it in [outbound] allow_private."


class _Oversized(ValueError):
    """More than we take."""


class _Unreadable(ValueError):
    """An encoding that we do not read."""


@dataclass(frozen=True, slots=True)
class _Guard:
    """Which resolved addresses one way out leads to."""

    public: bool
    private: bool
    networks: tuple[Network, ...]

    def check(self, address: IP) -> None:
        """Raise _Forbidden unless the address may be connected to."""
        address = _plain(address)
        if self.private and any(address in network for network in self.networks):
            return
        if not self.public:
            raise _Forbidden(f"plain http leads to the networks in allow_private only, and {address} is in none of them")
        if not is_public(address):
            raise _Forbidden(f"{address} is no public address")


class _GuardedResolver(AbstractResolver):
    """Resolves names to the addresses that a guard lets through; they are the ones aiohttp then connects to."""

    def __init__(self, guard: _Guard, names: AbstractResolver) -> None:
        self._guard = guard
        self._names = names

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        allowed: list[ResolveResult] = []
        refused: _Forbidden | None = None
        for found in await self._names.resolve(host, port, family):  # type: ignore[arg-type]
            try:
                self._guard.check(ip_address(found["host"]))
            except _Forbidden as error:
                refused = error
            else:
                allowed.append(found)
        if not allowed and refused is not None:
            raise refused
        return allowed

    async def close(self) -> None:
        await self._names.close()


def is_public(address: IP) -> bool:
    """Whether an address belongs to the open internet.

    One that tunnels to an IPv4 address (6to4, Teredo) is none: the libraries of two Pythons judge it differently.
    """
    address = _plain(address)
    if isinstance(address, IPv6Address):
        return address in _UNICAST6 and address.is_global and address.sixtofour is None and address.teredo is None
    return address.is_global and not (address.is_multicast or address.is_reserved)


@lru_cache(maxsize=1024)
def _as_number(host: str) -> IP | None:
    """The address that a host is written as, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _plain(address: IP) -> IP:
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


# --- what came back ------------------------------------------------------------------------------


def _told(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers by lower-case name, several of one name in one line."""
    told: dict[str, str] = {}
    for name, value in response.headers.items():
        known = name.lower()
        told[known] = f"{told[known]}, {value}" if known in told else value
    return told


async def _inflated(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body in pieces of bounded size, whatever a few compressed bytes unfold to."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate"):
        raise _Unreadable(f"the answer's encoding {encoding[:40]!r} is not read")
    if encoding == "identity":
        async for piece in response.content.iter_any():
            yield piece
        return
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # by its header gzip or zlib
    began = False
    async for piece in response.content.iter_any():
        if inflate.eof:
            raise _Unreadable("more follows the compressed answer")
        began, rest = True, piece
        while rest and not inflate.eof:  # past its end zlib consumes nothing more
            yield inflate.decompress(rest, _INFLATED_STEP)
            rest = inflate.unconsumed_tail
    yield inflate.flush()
    if began and (not inflate.eof or inflate.unused_data):
        raise _Unreadable("the compressed answer is not whole")


def _refused_in(error: BaseException) -> _Forbidden | None:
    """Our own refusal, wherever aiohttp has wrapped it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _Forbidden):
            return seen
        seen = getattr(seen, "os_error", None) if isinstance(getattr(seen, "os_error", None), _Forbidden) else seen.__cause__
    return None


# The layer that failed, by the first class that fits -> what happened, what to do.  `where` of the error names the layer.
_LAYERS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str, str], ...] = (
    (aiohttp.ClientConnectorDNSError, "dns", "its name cannot be resolved", "Check the name, and this machine's DNS."),
    (
        (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError),
        "tls",
        "no trusted TLS connection came about",
        "Ask the peer to renew its certificate, or add its authority to this machine's (SSL_CERT_FILE).",
    ),
    (aiohttp.ConnectionTimeoutError, "tcp", "nothing answers at its address", "Check that the peer runs, and the firewalls between."),
    (aiohttp.ClientConnectorError, "tcp", "it refuses connections", "Check that the peer runs, and at which port."),
    (TimeoutError, "timeout", "it did not answer in time", "Try again later, or raise [outbound] timeout."),
    (_Oversized, "size", "it answers with too much", "Ask for less, or raise [outbound] max_bytes."),
    (_Unreadable, "http", "its answer cannot be read", "Ask the peer's operator what answers at this address."),
    ((aiohttp.ServerDisconnectedError, OSError), "tcp", "it closed the connection", "Try again; the peer may be restarting."),
)
_NO_HTTP = ("http", "its answer is no proper HTTP", "Ask the peer's operator what answers at this address.")


def _unreachable(address: Address, error: BaseException, seconds: float) -> PeerUnreachable:
    layer, what, next = _NO_HTTP
    for classes, *named in _LAYERS:
        if isinstance(error, classes):
            layer, what, next = named
            break
    detail = f"no whole answer within {seconds:g} s" if layer == "timeout" else str(error) or type(error).__name__
    return PeerUnreachable(f"{address.origin} could not be reached: {what}.", f"{layer}: {detail[:300]}", next, where=layer)
