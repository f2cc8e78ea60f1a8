"""What crossed a wire, in every form it may be read in.

Knows HTTP/1.1 framing and the encodings that text travels in: chunks, gzip and deflate, base64 (both alphabets, so JWTs
too), percent and JSON escapes, one inside another.  Knows nothing of passports; `scripts.lib.leaks` asks it for values.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_to_bytes

from .recorder import Connection

DEEPEST = 4  # encodings inside one another
SHORTEST_RUN = 16  # characters that may be base64
_BATTERY = re.compile(rb"saltbridge-battery: *([^\r\n]+)", re.IGNORECASE)  # the header that says whose passport an answer is of

# A number stands alone: no part of a word, of a UUID or of an instant.
_NUMBER = re.compile(rb"(?<![0-9A-Za-z_.])(?<![0-9A-Za-z]-)(?<!\d:)-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?(?![0-9A-Za-z_]|-[0-9A-Za-z]|:\d)")
_LENGTH = re.compile(rb"content-length: *\d+", re.IGNORECASE)
_RUN = re.compile(rb"[A-Za-z0-9_\-+/]{%d,}" % SHORTEST_RUN)
_ESCAPES = re.compile(rb'(?:\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt]))+')


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON value that was a message's body, and the battery it is of ('' when it does not say)."""

    battery: str
    value: Any


@dataclass(frozen=True, slots=True)
class Wire:
    """Everything that some connections carried."""

    haystack: bytes  # every form, one after the other
    numbers: frozenset[Decimal]  # every number that stands alone in one of them
    bodies: Sequence[Body]

    def says(self, text: str) -> bool:
        return text.encode() in self.haystack

    def counts(self, number: str) -> bool:
        """Whether this number was written, however it was spelt (`12.5`, `12.50`, `1.25e1`)."""
        return Decimal(number) in self.numbers

    def holds(self, data: bytes) -> bool:
        return data in self.haystack


def read(connections: Iterable[Connection]) -> Wire:
    """Take the recordings of some connections apart."""
    haystacks: list[bytes] = []
    bodies: list[Body] = []
    for connection in connections:
        for raw in (bytes(connection.sent), bytes(connection.answered)):
            found = list(messages(raw))
            haystacks += forms([raw, *(body for _, body in found)])
            bodies += [read for head, body in found if (read := _json_body(head, body)) is not None]
    haystack = b"\0".join(haystacks)
    return Wire(haystack, numbers(haystack), bodies)


# --- HTTP ----------------------------------------------------------------------------------------


def http_bodies(raw: bytes) -> list[bytes]:
    """The bodies of the HTTP messages in one direction of a connection, un-chunked and inflated."""
    return [body for _, body in messages(raw)]


def messages(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(head, body) of each message that has a body."""
    while (end := raw.find(b"\r\n\r\n")) >= 0:
        head, raw = raw[:end], raw[end + 4 :]
        body, raw = _framed(head.lower(), raw)
        if b"content-encoding:" in head.lower() or body[:2] == b"\x1f\x8b":
            body = _inflate(body)
        if body:
            yield head, body


def _framed(head: bytes, raw: bytes) -> tuple[bytes, bytes]:
    """The body that a head announces, and what follows it."""
    if b"transfer-encoding: chunked" in head:
        return _unchunk(raw)
    if length := re.search(rb"content-length: *(\d+)", head):
        return raw[: int(length[1])], raw[int(length[1]) :]
    if head.startswith(b"http/") and not re.match(rb"http/\S+ (1\d\d|204|304)", head):
        return raw, b""  # no length at all: until the connection ended
    return b"", raw


def _unchunk(raw: bytes) -> tuple[bytes, bytes]:
    body = b""
    while (end := raw.find(b"\r\n")) >= 0:
        try:
            size = int(raw[:end].split(b";")[0], 16)
        except ValueError:
            break
        body, raw = body + raw[end + 2 : end + 2 + size], raw[end + 2 + size + 2 :]
        if size == 0:
            break
    return body, raw


def _inflate(body: bytes) -> bytes:
    """gzip, zlib or bare deflate; what comes out before it breaks, and the body itself when nothing does."""
    for bits in (47, -15):
        inflating = zlib.decompressobj(bits)
        try:
            return inflating.decompress(body) or body
        except zlib.error:
            continue
    return body


def _json_body(head: bytes, body: bytes) -> Body | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    named = _BATTERY.search(head)
    battery = value.get("battery") if isinstance(value, dict) else None
    return Body(battery if isinstance(battery, str) else named[1].decode(errors="replace") if named else "", value)


# --- forms ---------------------------------------------------------------------------------------


def forms(blobs: Iterable[bytes]) -> list[bytes]:
    """The blobs and whatever they decode to, each once, encodings inside one another too."""
    found: dict[bytes, None] = {}
    layer = list(blobs)
    for _ in range(DEEPEST + 1):
        layer = [blob for blob in dict.fromkeys(layer) if blob not in found]
        found |= dict.fromkeys(layer)
        layer = [decoded for blob in layer for decoded in _decoded(blob)]
    return list(found)


def _decoded(blob: bytes) -> Iterator[bytes]:
    for run in _RUN.findall(blob):
        # a slash or a dash may separate words as well as belong to the alphabet: read the run whole and piece by piece
        pieces = {run, *re.split(rb"[+/]", run), *re.split(rb"[-_]", run)}
        yield from (decoded for piece in pieces if len(piece) >= SHORTEST_RUN and (decoded := _base64(piece)))
    if b"%" in blob and (plain := unquote_to_bytes(blob)) != blob:
        yield plain
    if b"\\" in blob and (unescaped := _ESCAPES.sub(_unescape, blob)) != blob:
        yield unescaped


def _base64(run: bytes) -> bytes:
    """Whatever the run decodes to, cut to whole groups; only what could hold text or a compressed stream is kept."""
    plain = run.replace(b"-", b"+").replace(b"_", b"/")
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except ValueError:
        return b""


def _unescape(run: re.Match[bytes]) -> bytes:
    return str(json.loads(b'"' + run[0] + b'"')).encode(errors="replace")


def numbers(haystack: bytes) -> frozenset[Decimal]:
    """The numbers in it that stand alone; a Content-Length is none of the content."""
    return frozenset(Decimal(token.decode()) for token in set(_NUMBER.findall(_LENGTH.sub(b"", haystack))))
