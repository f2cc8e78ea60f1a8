"""Plain assets' sources: EDC's `HttpData` addresses, proxied with the pass-through flags they carry.

Status and bytes go on as the source sent them; of its headers only those in `ONWARD`.  What an address does not pass
through is refused and never silently left out.  The consumer's token stays here; redirects are not followed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from connector.addresses import Address, read_address
from connector.errors import Hidden, Malformed, Refused
from connector.ports import Ask, Flow

TYPE = "HttpData"
FLAGS = ("proxyPath", "proxyQueryParams", "proxyBody", "proxyMethod")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# Of the consumer's headers, what the source is told; of the source's, what the consumer is told.
INWARD = ("accept", "accept-encoding", "accept-language", "range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
ONWARD = (
    "content-type", "content-encoding", "content-length", "content-disposition", "content-language", "content-range", "accept-ranges",
    "etag", "last-modified", "allow", "retry-after",
)  # fmt: skip

_KNOWN = frozenset({"type", "name", "baseUrl", "path", "queryParams", "method", "contentType", "authKey", "authCode", "secretName", *FLAGS})
_HEADER = "header:"
_BODILESS = ("GET", "HEAD")


class Streams(Protocol):
    """What this needs of the outbound client."""

    def stream(
        self, method: str, address: Address, headers: Mapping[str, str], body: bytes | None = None, *, listed: bool
    ) -> AbstractAsyncContextManager[Any]: ...


class HttpSources:
    """`ports.Sources` over the one outbound client: the operator named the address, so it may lie in `allow_private`."""

    def __init__(self, outbound: Streams) -> None:
        self._outbound = outbound

    def check(self, address: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """Malformed unless every field of the address is understood and its base can be called."""
        kept = set(secrets)
        if address.get("type") != TYPE:
            raise _wrong("type", f"only {TYPE} is served", "Use HttpData, or offer a view.")
        strange = sorted(name for name in {*address, *kept} - _KNOWN if not name.startswith(_HEADER))
        if strange:
            # An option that is left out silently (a token endpoint, say) is asked for at every pull and never given.
            raise _wrong(strange[0][:80], "this field is not understood here", f"Known are {', '.join(sorted(_KNOWN))} and {_HEADER}*.")
        _base(address)
        for flag in FLAGS:
            if str(address.get(flag, "false")).lower() not in ("true", "false"):
                raise _wrong(flag, "true or false is expected")
        if str(address.get("method", "GET")).upper() not in METHODS:
            raise _wrong("method", f"one of {', '.join(METHODS)} is expected")
        code = {"authCode"} & kept or {"secretName"} & set(address)
        if bool(address.get("authKey")) != bool(code):
            raise _wrong("authKey", "a header's name (authKey) and its value (authCode or secretName) go together")
        for name, value in secrets.items():
            if not value or any(char in value for char in "\r\n\0"):
                raise _wrong(name[:80], "a value of one line is expected")
        for name in (*(each.removeprefix(_HEADER) for each in kept if each.startswith(_HEADER)), str(address.get("authKey") or "X")):
            if not _token(name) or name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
                raise _wrong(name[:80], "this cannot be the name of a header that is sent")

    @asynccontextmanager
    async def open(self, address: Mapping[str, Any], secrets: Mapping[str, str], ask: Ask) -> AsyncIterator[Flow]:
        """Ask the source as its flags allow; its answer as it comes."""
        method = _method(address, ask)
        url = read_address(_url(address, ask))
        body = _body(address, ask)
        headers = {name: ask.headers[name] for name in INWARD if name in ask.headers}
        headers.setdefault("accept-encoding", "identity")
        if body:
            headers["content-type"] = str(address.get("contentType") or ask.headers.get("content-type", "application/octet-stream"))
        own = {name.removeprefix(_HEADER): value for name, value in secrets.items() if name.startswith(_HEADER)}
        if address.get("authKey"):
            own[str(address["authKey"])] = secrets["authCode"]
        hidden = {name.lower() for name in own}
        headers = {name: value for name, value in headers.items() if name not in hidden} | own
        async with self._outbound.stream(method, url, headers, body or None, listed=True) as answer:
            told = {name: answer.headers[name] for name in ONWARD if name in answer.headers}
            yield Flow(status=answer.status, headers=told, body=answer.body)


# --- what an address passes through --------------------------------------------------------------


def _method(address: Mapping[str, Any], ask: Ask) -> str:
    own = str(address.get("method", "GET")).upper()
    allowed = METHODS if _passes(address, "proxyMethod") else ("GET", "HEAD", own) if own == "GET" else ("GET", own)
    if ask.method not in allowed:
        error = Refused(
            f"{ask.method} is not passed on by this asset.", next=f"Use {' or '.join(dict.fromkeys(allowed))}.", code="http.method"
        )
        error.status = 405
        raise error
    return ask.method if _passes(address, "proxyMethod") or ask.method == "HEAD" else own


def _url(address: Mapping[str, Any], ask: Ask) -> str:
    base = _base(address)
    path = ask.path if ask.path.strip("/") else ""
    if path and not _passes(address, "proxyPath"):
        raise Hidden("This asset takes no path.", "Ask for its endpoint alone.")
    if ask.query and not _passes(address, "proxyQueryParams"):
        raise Malformed("This asset takes no query.", next="Ask for its endpoint alone.", code="source.query")
    queries = "&".join(text for text in (str(address.get("queryParams", "")).lstrip("?"), ask.query) if text)
    return f"{base}{path}{'?' if queries else ''}{queries}"


def _body(address: Mapping[str, Any], ask: Ask) -> bytes:
    if ask.body and not _passes(address, "proxyBody"):
        raise Malformed("This asset takes no body.", next="Send none.", code="source.body")
    return b"" if ask.method in _BODILESS and not ask.body else ask.body


def _base(address: Mapping[str, Any]) -> str:
    """The base address with its own path, without a trailing slash."""
    text = str(address.get("baseUrl", ""))
    if not text or "?" in text:
        raise _wrong("baseUrl", "an address without a query is expected", "Put the query into queryParams.")
    own = str(address.get("path", "")).strip("/")
    base = text.rstrip("/") + (f"/{own}" if own else "")
    read_address(base, "dataAddress/baseUrl")
    return base


def _passes(address: Mapping[str, Any], flag: str) -> bool:
    return str(address.get(flag, "false")).lower() == "true"


def _token(name: str) -> bool:
    """A header's name (RFC 9110, 5.6.2)."""
    return bool(name) and name.isascii() and all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in name)


def _wrong(field: str, what: str, next: str = "") -> Malformed:
    return Malformed(f"dataAddress/{field}: {what}.", next=next, code="source.address", where=f"dataAddress/{field}")
