"""Addresses of other nodes as text: which we may use at all, and their origin.  Pure; never resolves a name.

Where an address may point to (public or private networks) is decided when it is connected to: connector.http.outbound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from .errors import Malformed

LONGEST = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?",
    re.IGNORECASE | re.ASCII,
)
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_NEXT = "Use an address like https://node.example/dsp/2025-1, without user, fragment or dots."


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) address that two parsers cannot read differently: ASCII, no user-info, fragment, backslash or dot segments."""

    scheme: str  # http | https
    host: str  # lower case; an IPv6 address without brackets
    port: int
    path: str  # as written, query included; begins with /

    @property
    def origin(self) -> str:
        """`scheme://host[:port]` in lower case; the scheme's own port is left out (RFC 6454, 6.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.scheme}://{host}:{self.port}"


def read_address(text: str, where: str = "") -> Address:
    """Take an address apart; Malformed for anything we would not call."""

    def bad(why: str) -> Malformed:
        return Malformed("The address cannot be used.", why, _NEXT, code="address.malformed", where=where)

    if len(text) > LONGEST:
        raise bad(f"it is longer than {LONGEST} characters")
    if not _PRINTABLE.fullmatch(text) or "\\" in text:
        raise bad("it has a character that may not stand in an address")
    parts = _ADDRESS.fullmatch(text)
    if parts is None:
        raise bad(_what_is_odd(text))
    scheme, path = parts["scheme"].lower(), parts["path"] or "/"
    port = int(parts["port"]) if parts["port"] else _DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise bad(f"there is no port {port}")
    if ("%" in path or "/." in path) and any(_dots(segment) for segment in path.split("/")):
        raise bad("its path has a dot segment")
    return Address(scheme, parts["host"].strip("[]").lower(), port, path + (parts["query"] or ""))


@lru_cache(maxsize=1024)
def origin(text: str) -> str:
    """The origin of an address, in the one form that origins are compared in; Malformed for an address we would not call."""
    return read_address(text).origin


def _dots(segment: str) -> bool:
    """True for `.` and `..`, also percent-encoded once or twice, alone or between encoded separators; and for an encoded NUL.

    An encoded slash alone is fine: ids of other nodes may hold one.
    """
    plain = unquote(unquote(segment))
    return "\0" in plain or any(part in (".", "..") for part in re.split(r"[/\\]", plain))


def _what_is_odd(text: str) -> str:
    before_path = text.split("://", 1)[-1].split("/", 1)[0]
    if not text.lower().startswith(("http://", "https://")):
        return "only http and https are called"
    if "@" in before_path:
        return "it carries a user or password"
    if "#" in text:
        return "it carries a fragment"
    return "its host or port cannot be read"
