"""Requests that are wrong before their message is read: their form, their bytes, their pace.  Refused, without a fault, without a row."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connector.protocol.vocabulary import DSP_CONTEXT

from .messages import an_offer, new_id
from .node import BASE, JSON, Node, message
from .shapes import Still, is_in_operators_shape, is_in_shape

OPENING = f"{BASE}/negotiations/request"
OPERATORS = "/saltbridge/negotiations"


def opening(node: Node, **changes: Any) -> bytes:
    peer = node.peers["recycler"]
    fields = {"@id": new_id(), "consumerPid": new_id(), "callbackAddress": peer.callback, "offer": an_offer(node, peer)}
    return message("ContractRequestMessage", **(fields | changes))


# --- the bytes of a body --------------------------------------------------------------------------

CONTEXTS = json.dumps([DSP_CONTEXT])
BYTES = {
    "nothing": b"",
    "spaces": b"   \r\n",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": "{}".encode("utf-16"),
    "utf-32": "{}".encode("utf-32"),
    "invalid utf-8": b'{"@type": "\xff\xfe"}',
    "overlong utf-8": b'{"@type": "\xc0\xaf"}',
    "a lone surrogate": b'{"@type": "\\ud800"}',
    "an encoded surrogate": b'{"@type": "\xed\xa0\x80"}',
    "a NUL": b'{"@type": "a\x00b"}',
    "an escaped NUL": b'{"@type": "a\\u0000b"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "1e400": b'{"a": 1e400}',
    "10^5000": b'{"a": 1' + b"0" * 5000 + b"}",
    "-10^5000 as a fraction": b'{"a": -1' + b"0" * 5000 + b".5}",
    "five thousand decimals": b'{"a": 0.' + b"1" * 5000 + b"}",
    "a huge exponent": b'{"a": 1e' + b"9" * 5000 + b"}",
    "deep lists": b"[" * 5000 + b"]" * 5000,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "never closed": b"[" * 100_000,
    "many values": b"[" + b"1," * 200_000 + b"1]",
    "a key twice": b'{"@context": ' + CONTEXTS.encode() + b', "@type": "ContractRequestMessage", "@type": "ContractOfferMessage"}',
    "a key twice below": b'{"a": {"b": 1, "b": 2}}',
    "two documents": b"{}{}",
    "a comment": b"{} // done",
    "one quote": b"{'a': 1}",
    "a number": b"1",
    "a word": b'"ContractRequestMessage"',
    "null": b"null",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a form": b"a=1&b=2",
}


@pytest.mark.parametrize("name", list(BYTES))
def test_a_body_that_is_no_message_is_refused_at_both_listeners(node: Node, name: str) -> None:
    still = Still(node)
    for path in (OPENING, f"{BASE}/transfers/request", f"{BASE}/catalog/request", "/lookup/shellsByAssetLink"):
        answer = node.says(node.peers["recycler"], "POST", path, BYTES[name])
        assert answer.status in (400, 413), answer.body
        is_in_shape(path, answer)
        still.after(answer)
    for path in (OPERATORS, "/v3/assets", "/v3/contractnegotiations"):
        answer = node.operate("POST", path, BYTES[name])
        assert answer.status in (400, 413), (path, answer.body)
        is_in_operators_shape(f"/management{path}", answer)
        still.after(answer)
    assert node.bugs() == []


# --- what the headers say of it -------------------------------------------------------------------

HEADERS = {
    "text": ({"Content-Type": "text/plain"}, 415),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "parts": ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    "XML": ({"Content-Type": "application/xml"}, 415),
    "nearly JSON": ({"Content-Type": "application/jsonp"}, 415),
    "no type at all": ({"Content-Type": ""}, 415),
    "UTF-7": ({"Content-Type": "application/json; charset=utf-7"}, 415),
    "UTF-16": ({"Content-Type": "application/json; charset=UTF-16LE"}, 415),
    "EBCDIC": ({"Content-Type": "application/json; charset=cp037"}, 415),
    "no such character set": ({"Content-Type": "application/json; charset=x-none"}, 415),
    "gzip": ({"Content-Type": JSON, "Content-Encoding": "gzip"}, 415),
    "gzip in gzip": ({"Content-Type": JSON, "Content-Encoding": "gzip, gzip"}, 415),
    "deflate": ({"Content-Type": JSON, "Content-Encoding": "deflate"}, 415),
    "brotli": ({"Content-Type": JSON, "Content-Encoding": "br"}, 415),
    "identity and gzip": ({"Content-Type": JSON, "Content-Encoding": "identity, gzip"}, 415),
}


@pytest.mark.parametrize("name", list(HEADERS))
def test_a_type_or_encoding_that_is_not_read_is_415(node: Node, name: str) -> None:
    headers, status = HEADERS[name]
    still, body = Still(node), opening(node)
    answer = node.says(node.peers["recycler"], "POST", OPENING, body, headers)
    assert (answer.status, answer.json["@type"]) == (status, "ContractNegotiationError"), answer.body
    still.after(answer)
    answer = node.operate("POST", OPERATORS, b'{"peer": "nobody", "dataset": "x"}', headers)
    assert answer.status == status, answer.body
    is_in_operators_shape(f"/management{OPERATORS}", answer)
    still.after(answer)


def test_a_bomb_is_not_opened(node: Node) -> None:
    bomb, still = gzip.compress(b" " * 100_000_000, 9), Still(node)
    before = node.memory_mib()
    answer = node.says(node.peers["recycler"], "POST", OPENING, bomb, {"Content-Encoding": "gzip"})
    assert answer.status == 415
    still.after(answer)
    assert node.memory_mib() - before < 30


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_413_however_it_comes(node: Node, declared: bool) -> None:
    still, peer = Still(node), node.peers["recycler"]
    if declared:
        answer = node.says(peer, "POST", OPENING, b" " * (1024 * 1024 + 1))
        assert (answer.status, answer.json["@type"]) == (413, "ContractNegotiationError")
        still.after(answer)
        return
    endless = head(node, "Transfer-Encoding: chunked")
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as connection:
        connection.sendall(endless)
        got, sent = b"", 0
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in got:
                connection.sendall(piece)
                sent += 65536
                assert sent < 64 * 1024 * 1024, "it is read to the end of nothing"
                if select.select([connection], [], [], 0)[0]:
                    got += connection.recv(65536)
    assert b" 413 " in got
    assert node.memory_mib() < 250
    assert node.stored() == still._before


# --- contexts that are not known ------------------------------------------------------------------


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server with a context, and who has asked for it."""
    calls: list[str] = []

    class Serving(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            body = b'{"@context": {"@vocab": "https://example.org/"}}'
            self.send_response(200)
            self.send_header("Content-Type", "application/ld+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Serving)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/context.jsonld", calls
    server.shutdown()
    server.server_close()


def test_an_unknown_context_is_named_and_never_fetched(node: Node, asked: tuple[str, list[str]]) -> None:
    url, calls = asked
    still = Still(node)
    good = json.loads(opening(node))
    forms: list[Any] = [
        [DSP_CONTEXT, url],
        [url],
        url,
        [DSP_CONTEXT, {"@import": url}],
        {"@import": url},
        [DSP_CONTEXT, {"x": {"@id": "x:y", "@context": url}}],
        [[DSP_CONTEXT, url]],
        [DSP_CONTEXT, "file:///etc/passwd"],
        [DSP_CONTEXT.replace("https", "http")],
        [f"{DSP_CONTEXT}#"],
        [DSP_CONTEXT] * 9,
    ]
    for context in forms:
        answer = node.says(node.peers["recycler"], "POST", OPENING, json.dumps(good | {"@context": context}).encode())
        assert answer.status == 400, (context, answer.body)
        is_in_shape(OPENING, answer)
        still.after(answer)
    inside = good | {"offer": good["offer"] | {"@context": url}}
    assert node.says(node.peers["recycler"], "POST", OPENING, json.dumps(inside).encode()).status == 400
    # the management door takes inline objects; it fetches nothing either
    asset = {"@context": [url], "@id": "a", "properties": {}, "dataAddress": {"type": "HttpData", "baseUrl": "http://127.0.0.1:1"}}
    scoped = {"@vocab": "https://w3id.org/edc/v0.0.1/ns/", "x": {"@context": url, "@id": "x:y"}}
    for context in ([url], url, {"@import": url}, [scoped, url]):
        answer = node.operate("POST", "/v3/assets", asset | {"@context": context})
        assert answer.status == 400, (context, answer.body)
        is_in_operators_shape("/management/v3/assets", answer)
        still.after(answer)
    time.sleep(0.3)
    assert calls == []


# --- addresses ------------------------------------------------------------------------------------

IDS = [
    "a%2Fb",
    "..%2F..",
    "%2e%2e",
    "../..",
    "%252e%252e",
    "%00",
    "%0d%0aX:%201",
    "%1b%5b31m",
    "%FF",
    "%C0%AF",
    "%E6%97%A5",
    "ä".encode().hex(),
    "a" * 4000,
    "%F0%9F%94%8B",
    "urn:uuid:../x",
    "x;jsessionid=1",
    "x%20",
    "*",
    "%25",
    "%",
    "%zz",
    "$value",
    "@id",
    "did:web:x%3A1",
    "'%20OR%201=1",
    "{}",
    "%E2%80%AE",
]


@pytest.mark.parametrize("id", IDS)
def test_an_id_is_an_id_whatever_it_holds(node: Node, id: str) -> None:
    still, peer = Still(node), node.peers["recycler"]
    for path in (
        f"{BASE}/negotiations/{id}",
        f"{BASE}/transfers/{id}",
        f"{BASE}/catalog/datasets/{id}",
        f"/data/{id}/x",
        f"/grants/{id}",
        f"/passports/{id}",
        f"/passports/EV-72.000017/documents/{id}",
        f"/shell-descriptors/{id}",
        f"/aas/api/v3.1/shells/{id}",
    ):
        answer = node.says(peer, "GET", path)
        assert 400 <= answer.status < 500, (path, answer.body)
        is_in_shape(path, answer)
        still.after(answer)
    for noun in ("negotiations", "transfers", "peers", "passports", "agreements"):
        answer = node.operate("GET", f"/saltbridge/{noun}/{id}")
        assert 400 <= answer.status < 500, answer.body
        is_in_operators_shape(f"/management/saltbridge/{noun}/{id}", answer)
    assert node.bugs() == []


ADDRESSES = [f"//evil.example{OPENING}", "http://evil.example/data", "/..//../etc/passwd", "*", "/data?battery=%00", "/?" + "a=1&" * 1500]


@pytest.mark.parametrize("address", ADDRESSES)
def test_other_forms_of_addresses_lead_nowhere_else(node: Node, address: str) -> None:
    answer = node.call("GET", address, headers={"Authorization": node.peers["recycler"].token(node.id)})
    assert answer.status in (400, 401, 404, 405), answer.body


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW", "get"])
def test_another_method_is_405_or_404_everywhere(node: Node, method: str) -> None:
    still = Still(node)
    there = (OPENING, f"{BASE}/catalog/request", "/data", "/.well-known/did.json", "/passports/EV-72.000017")
    for path in (*there, f"{BASE}/nothing", "/nothing"):
        answer = node.says(node.peers["recycler"], method, path)
        assert answer.status in ((400,) if method in ("BREW", "get") else (401, 404, 405)), (path, answer.status, answer.body)
        if method not in ("HEAD", "BREW", "get"):
            is_in_shape(path, answer)
        if answer.status == 405:
            assert answer.headers["allow"]
        still.after(answer)


# --- the form of the request ----------------------------------------------------------------------


def head(node: Node, *lines: str, first: str = f"POST {OPENING} HTTP/1.1") -> bytes:
    token = node.peers["recycler"].token(node.id)
    return "\r\n".join([first, "Host: localhost", f"Authorization: {token}", f"Content-Type: {JSON}", *lines, "", ""]).encode()


SMUGGLED = b"GET /.well-known/did.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
FORMS: dict[str, tuple[tuple[str, ...], bytes]] = {
    "CL and TE": ((f"Content-Length: {len(SMUGGLED)}", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + SMUGGLED),
    "CL twice": (("Content-Length: 5", "Content-Length: 6"), b"{}   "),
    "CL twice the same": (("Content-Length: 2", "Content-Length: 2"), b"{}"),
    "CL as a list": (("Content-Length: 2, 2",), b"{}"),
    "CL with a sign": (("Content-Length: +2",), b"{}"),
    "CL below nothing": (("Content-Length: -1",), b"{}"),
    "CL in hex": (("Content-Length: 0x2",), b"{}"),
    "TE unknown": (("Transfer-Encoding: cow",), b"0\r\n\r\n"),
    "TE chunked twice": (("Transfer-Encoding: chunked, chunked",), b"0\r\n\r\n" + SMUGGLED),
    "TE identity": (("Transfer-Encoding: identity", "Content-Length: 2"), b"{}"),
    "TE with a tab": (("Transfer-Encoding:\tchunked", "Content-Length: 2"), b"0\r\n\r\n"),
    "a space before the colon": (("Transfer-Encoding : chunked",), b"0\r\n\r\n" + SMUGGLED),
    "a folded header": (("X: a", " Transfer-Encoding: chunked"), b"0\r\n\r\n"),
    "a chunk's size with a sign": (("Transfer-Encoding: chunked",), b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size in hex with x": (("Transfer-Encoding: chunked",), b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk that ends early": (("Transfer-Encoding: chunked",), b"5\r\n{}\r\n0\r\n\r\n"),
    "bare line feeds": ((), b""),
    "a header name with a NUL": (("X\x00: 1",), b""),
    "a header value with a NUL": (("X: \x00",), b""),
    "a header of 20 kB": ((f"X: {'a' * 20_000}",), b""),
    "two hundred headers": (tuple(f"X-{n}: 1" for n in range(200)), b""),
}


@pytest.mark.parametrize("name", list(FORMS))
@pytest.mark.parametrize("operator", [False, True])
def test_what_two_readers_could_understand_differently_is_one_request_or_none(node: Node, name: str, operator: bool) -> None:
    lines, body = FORMS[name]
    still, request = Still(node), head(node, *lines) + body
    if name == "bare line feeds":
        request = head(node, "Content-Length: 0").replace(b"\r\n", b"\n")
    got = node.raw(request, operator=operator, seconds=0.6)
    answers = re.findall(rb"HTTP/1\.[01] (\d{3}) ", got)
    assert len(answers) <= 1 and b" 200 " not in got and b" 500 " not in got and b"aiohttp" not in got, got
    assert set(answers) <= {b"400", b"401", b"408", b"413", b"415", b"421"}, got
    assert node.stored() == still._before
    assert node.bugs() == []


def test_a_second_request_behind_the_first_is_a_request_of_its_own(node: Node) -> None:
    got = node.raw(SMUGGLED + SMUGGLED.replace(b"did.json", b"none.json"), seconds=0.6)
    assert got.count(b"HTTP/1.1 200 ") == 1 and got.count(b"HTTP/1.1 404 ") == 1


# --- its pace -------------------------------------------------------------------------------------


def test_who_is_slow_waits_alone(node: Node) -> None:
    """Two hundred connections with half a head, half a body or none: everybody else is answered as always."""
    peer, still = node.peers["recycler"], Still(node)
    held = []
    for number in range(200):
        connection = socket.create_connection(("127.0.0.1", node.port))
        half_a_body = head(node, "Content-Length: 100") + b"{"
        half_a_chunk = head(node, "Transfer-Encoding: chunked") + b"5\r\n{"
        connection.sendall((b"", b"GET /data HTT", half_a_body, half_a_chunk)[number % 4])
        held.append(connection)
    slowest = 0.0
    for _ in range(20):
        started = time.monotonic()
        assert node.sends(peer, "/catalog/request", "CatalogRequestMessage").status == 200
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 2
    for connection in held:
        connection.close()
    node.at_rest()
    assert node.stored() == still._before
    assert node.bugs() == []
