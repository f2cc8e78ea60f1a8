"""The leak check reads what crossed a wire in every form it may travel in."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scripts.lib import wire
from scripts.lib.recorder import Connection

TEXT = "Prüfbericht Nordkai"
PLAIN = TEXT.encode()


def answer(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(body: bytes, *headers: bytes, size: int = 5) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x;name=value\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *headers]) + b"\r\n\r\n" + framed


def jwt(claims: object) -> bytes:
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"HS256"}', json.dumps(claims).encode(), b"\xff" * 33)]
    return b".".join(parts)


def bare(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


FORMS: dict[str, bytes] = {
    "as it is": answer(PLAIN),
    "in a header": answer(b"", b"X-Title: " + PLAIN),
    "in the request line": b"GET /x?title=" + quote(TEXT).encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "gzip": answer(gzip.compress(PLAIN), b"Content-Encoding: gzip"),
    "gzip that no header tells of": answer(gzip.compress(PLAIN)),
    "deflate with zlib's frame": answer(zlib.compress(PLAIN), b"Content-Encoding: deflate"),
    "bare deflate": answer(bare(PLAIN), b"Content-Encoding: deflate"),
    "chunked": chunked(PLAIN),
    "gzip in chunks": chunked(gzip.compress(PLAIN), b"Content-Encoding: gzip"),
    "no length, until the end": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(PLAIN),
    "base64": answer(base64.b64encode(b"\xfb\xff" + PLAIN)),
    "base64url": answer(base64.urlsafe_b64encode(b"\xfb\xff" + PLAIN).rstrip(b"=")),
    "a claim of a JWT": answer(b"", b"Authorization: Bearer " + jwt({"title": TEXT})),
    "a JWT in JSON in gzip": answer(gzip.compress(b'{"token": "' + jwt({"title": TEXT}) + b'"}'), b"Content-Encoding: gzip"),
    "a JWT in a claim of a JWT": answer(jwt({"inner": jwt({"title": TEXT}).decode()})),
    "percent": answer(quote(TEXT).encode()),
    "percent twice": answer(quote(quote(TEXT)).encode()),
    "JSON escapes": answer(json.dumps({"title": TEXT}).encode()),
    "JSON in a JSON string": answer(json.dumps({"inner": json.dumps({"title": TEXT})}).encode()),
    "JSON that breaks off": answer(json.dumps({"title": TEXT, "rest": 1}).encode()[:-12]),
    "the second of two answers": answer(b"first") + answer(gzip.compress(PLAIN), b"Content-Encoding: gzip"),
    "after an answer without a body": b"HTTP/1.1 204 No Content\r\n\r\n" + answer(gzip.compress(PLAIN), b"Content-Encoding: gzip"),
}


@pytest.mark.parametrize("raw", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("direction", ["sent", "answered"])
def test_a_text_is_read_in_every_form(raw: bytes, direction: str) -> None:
    connection = Connection("maker", **{direction: bytearray(raw)})
    assert wire.read([connection]).says(TEXT)
    assert not wire.read([connection]).says("Nordkap")


@pytest.mark.parametrize("form", [json.dumps, lambda text: quote(text, safe=""), lambda text: json.dumps(json.dumps(text))])
@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_is_read_again(form: Callable[[str], str], text: str) -> None:
    connection = Connection("maker", answered=bytearray(answer(form(text).encode())))
    assert wire.read([connection]).says(text)


@given(data=st.binary(max_size=200), size=st.integers(1, 50))
def test_chunks_are_put_together_whatever_they_hold(data: bytes, size: int) -> None:
    assume(not data.startswith(b"\x1f\x8b\x08"))  # that would be gzip, and is read as such
    assert wire.http_bodies(chunked(data, size=size) + answer(b"next")) == [*([data] if data else []), b"next"]


def test_a_body_that_only_begins_like_gzip_is_kept() -> None:
    assert wire.http_bodies(answer(b"\x1f\x8b") + answer(b"\x1f\x8bnot")) == [b"\x1f\x8b", b"\x1f\x8bnot"]


@given(st.binary())
def test_no_recording_breaks_the_reader(raw: bytes) -> None:
    wire.read([Connection("maker", sent=bytearray(raw), answered=bytearray(answer(raw)))])


def test_bodies_say_whose_passport_they_are() -> None:
    raw = answer(b'{"materials": 1}', b"Saltbridge-Battery: EV-72.000017") + answer(b'{"battery": "EV-72.000018"}') + answer(b"[2]")
    bodies = wire.read([Connection("maker", answered=bytearray(raw))]).bodies
    assert [(body.battery, body.value) for body in bodies] == [
        ("EV-72.000017", {"materials": 1}),
        ("EV-72.000018", {"battery": "EV-72.000018"}),
        ("", [2]),
    ]


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["1637", " 1637 ", '{"n":1637}', "[1637,2]", "is 1637.", "1637 kg", "n=1637&m", "<b>1637</b>", "1637.0", "1.637e3", "1637\r\n"]
)
def test_a_number_is_read_however_it_is_spelt(text: str) -> None:
    assert Decimal(1637) in wire.numbers(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "16370", "01637x", "x1637", "0.1637", "1637.5", "-1637", "1637e2", "A1637", "1637-4bcd", "urn:uuid:aaaa-1637-bbbb",
        "2026-1637-11", "Content-Length: 1637", "1637:30", "23:59:1637+00:00",
    ],
)  # fmt: skip
def test_a_number_inside_something_else_is_none(text: str) -> None:
    assert Decimal(1637) not in wire.numbers(text.encode())


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4))
def test_any_number_of_a_body_is_read(number: Decimal) -> None:
    body = json.dumps({"a": [1, "x"], "n": float(number)}).encode()
    assert Decimal(str(float(number))) in wire.numbers(body)
