"""The outgoing client against real listeners on loopback: where it goes, what it takes, how it says what failed."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connector.errors import Denied, Malformed, PeerUnreachable
from connector.http.outbound import Outbound, is_public

LOOPBACK = ("127.0.0.0/8", "::1/128")
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a listener for a handler; gives its origin."""
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], tls: ssl.SSLContext | None = None) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello", headers={"X-Seen": request.headers.get("Authorization", "-")})


class Names(AbstractResolver):
    """A name service of the test: each look-up of a name gives the next of its answers, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError(f"no such name: {host}")
        found = self.answers[host]
        addresses = found.pop(0) if len(found) > 1 else found[0]
        families = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses}
        return [ResolveResult(hostname=host, host=a, port=port, family=families[a], proto=0, flags=0) for a in addresses]

    async def close(self) -> None:
        return None


# --- where it goes -------------------------------------------------------------------------------

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:2800:220:1::1", "::ffff:1.1.1.1"]
# fmt: off
INSIDE4 = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.1.1", "169.254.169.254", "172.16.0.1", "192.168.1.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
]
INSIDE6 = [
    "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "4000::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::1", "2002:a00:1::", "64:ff9b::7f00:1",
    "2001:0:7f00:1::1", "2002:5db8:d822::1",
]
# fmt: on


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_open_internet_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", [*INSIDE4, *INSIDE6])
def test_addresses_inside_are_not_public_however_they_are_wrapped(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


async def test_a_listed_origin_in_an_allowed_network_is_called(serve: Serve) -> None:
    at = await serve(hello)
    async with Outbound(allow_private=LOOPBACK) as outbound:
        answer = await outbound.fetch(f"{at}/data", authorization="token-1", origins=[at])
    assert (answer.status, answer.body, answer.headers["x-seen"]) == (200, b"hello", "token-1")


REFUSED = {
    "a private address that is not allowed": ("{at}/", True, ()),
    "plain http that nobody listed": ("{at}/", False, LOOPBACK),
    "https to an allowed network that nobody listed": ("https://127.0.0.1:{port}/", False, LOOPBACK),
    "a name of a private address": ("https://inside.example:{port}/", True, ()),
    "a name of a private address that nobody listed": ("https://inside.example:{port}/", False, LOOPBACK),
    "plain http to a public address": ("http://public.example/", True, LOOPBACK),
    "the metadata service": ("http://169.254.169.254/latest", True, LOOPBACK),
    "loopback as one number": ("http://2130706433:{port}/", True, ()),
    "loopback in short": ("http://127.1:{port}/", True, ()),
    "loopback as IPv6": ("http://[::ffff:127.0.0.1]:{port}/", True, ()),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_an_address_outside_its_reach_is_refused_before_anything_is_sent(serve: Serve, case: str) -> None:
    url, listed, networks = REFUSED[case]
    met: list[str] = []

    async def remember(request: web.Request) -> web.Response:
        met.append(request.path)
        return web.Response()

    at = await serve(remember)
    url = url.format(at=at, port=at.rsplit(":", 1)[1])
    names = Names(inside_example=[["127.0.0.1"]], public_example=[["93.184.216.34"]])
    async with Outbound(allow_private=networks, resolver=names, timeout=2) as outbound:
        with pytest.raises((Denied, PeerUnreachable)) as refused:
            await outbound.fetch(url, origins=[url.split("/", 3)[0] + "//" + url.split("/", 3)[2]] if listed else [])
    if "number" not in case and "short" not in case:  # those are no addresses at all to the client
        assert isinstance(refused.value, Denied)
        assert refused.value.code == "address.refused"
        assert refused.value.next
    assert met == []


@pytest.mark.parametrize("url", ["http://user@127.0.0.1/", "http://127.0.0.1/a/../b", "http://127.0.0.1/#f", "gopher://127.0.0.1/"])
async def test_an_address_that_could_mean_something_else_is_not_called(url: str) -> None:
    async with Outbound(allow_private=LOOPBACK) as outbound:
        with pytest.raises(Malformed):
            await outbound.fetch(url, origins=["http://127.0.0.1"])


async def test_of_several_addresses_of_a_name_only_the_allowed_are_tried(serve: Serve) -> None:
    at = await serve(hello)
    port = at.rsplit(":", 1)[1]
    names = Names(node_example=[["10.255.255.1", "127.0.0.1"]])
    async with Outbound(allow_private=LOOPBACK, resolver=names, timeout=2) as outbound:
        answer = await outbound.fetch(f"http://node.example:{port}/", origins=[f"http://node.example:{port}"])
    assert answer.status == 200


async def test_a_name_that_moves_inside_after_it_was_looked_at_is_refused(serve: Serve) -> None:
    at = await serve(hello)
    port = at.rsplit(":", 1)[1]
    names = Names(node_example=[["192.0.2.1"], ["127.0.0.1"]])
    async with Outbound(allow_private=["192.0.2.0/24"], resolver=names, timeout=0.2) as outbound:
        for expected in (PeerUnreachable, Denied):  # first nothing answers, then the name leads inside
            with pytest.raises(expected):
                await outbound.fetch(f"http://node.example:{port}/", origins=[f"http://node.example:{port}"])
            for session in outbound._sessions.values():
                session.connector.clear_dns_cache()  # type: ignore[union-attr]


async def test_a_connection_of_a_listed_origin_is_not_lent_to_an_unlisted_call(serve: Serve, certificate: Path) -> None:
    at = (await serve(hello, server_tls(certificate))).replace("127.0.0.1", "localhost")
    async with Outbound(allow_private=LOOPBACK, tls=trusting(certificate)) as outbound:
        assert (await outbound.fetch(f"{at}/", origins=[at])).status == 200
        with pytest.raises(Denied):
            await outbound.fetch(f"{at}/")


async def test_a_redirect_is_an_answer_and_not_followed(serve: Serve) -> None:
    async def away(request: web.Request) -> web.Response:
        assert request.path == "/from"
        return web.Response(status=302, headers={"Location": "/to"})

    at = await serve(away)
    async with Outbound(allow_private=LOOPBACK) as outbound:
        answer = await outbound.fetch(f"{at}/from", origins=[at])
    assert (answer.status, answer.headers["location"]) == (302, "/to")


async def test_proxy_variables_and_cookies_mean_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cookie(request: web.Request) -> web.Response:
        assert "Cookie" not in request.headers
        return web.Response(headers={"Set-Cookie": "a=b"})

    at = await serve(cookie)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with Outbound(allow_private=LOOPBACK) as outbound:
        for _ in range(2):
            assert (await outbound.fetch(f"{at}/", origins=[at])).status == 200


# --- what it takes -------------------------------------------------------------------------------


async def test_the_size_is_counted_after_inflating(serve: Serve) -> None:
    bodies = {
        "plain": (b"x" * 1001, {}),
        "gzip": (gzip.compress(b"x" * 50_000_000), {"Content-Encoding": "gzip"}),
        "deflate": (zlib.compress(b"x" * 1001), {"Content-Encoding": "deflate"}),
    }

    async def large(request: web.Request) -> web.Response:
        body, headers = bodies[request.match_info["path"]]
        return web.Response(body=body, headers=headers)

    at = await serve(large)
    async with Outbound(allow_private=LOOPBACK, max_bytes=1000) as outbound:
        for name in bodies:
            with pytest.raises(PeerUnreachable) as failed:
                await outbound.fetch(f"{at}/{name}", origins=[at])
            assert failed.value.where == "size"
    async with Outbound(allow_private=LOOPBACK, max_bytes=1001) as outbound:
        for name in ("plain", "deflate"):
            assert (await outbound.fetch(f"{at}/{name}", origins=[at])).body == b"x" * 1001


async def test_compressed_answers_come_back_whole_or_not_at_all(serve: Serve) -> None:
    whole = b"".join(str(n).encode() for n in range(200_000))
    packed = gzip.compress(whole)
    bodies = {"whole": packed, "cut": packed[:-9], "two": packed + packed, "noise": b"no gzip", "empty": b""}

    async def compressed(request: web.Request) -> web.Response:
        return web.Response(body=bodies[request.match_info["path"]], headers={"Content-Encoding": "gzip"})

    at = await serve(compressed)
    async with Outbound(allow_private=LOOPBACK) as outbound:
        assert (await outbound.fetch(f"{at}/whole", origins=[at])).body == whole
        assert (await outbound.fetch(f"{at}/empty", origins=[at])).body == b""
        for name in ("cut", "two", "noise"):
            with pytest.raises(PeerUnreachable) as failed:
                await outbound.fetch(f"{at}/{name}", origins=[at])
            assert failed.value.where == "http"


async def test_an_encoding_we_do_not_read_is_named(serve: Serve) -> None:
    async def brotli(request: web.Request) -> web.Response:
        return web.Response(body=b"?", headers={"Content-Encoding": "br"})

    at = await serve(brotli)
    async with Outbound(allow_private=LOOPBACK) as outbound:
        with pytest.raises(PeerUnreachable, match="br"):
            await outbound.fetch(f"{at}/", origins=[at])


async def test_headers_that_stand_twice_are_joined(serve: Serve) -> None:
    async def links(request: web.Request) -> web.Response:
        response = web.Response()
        response.headers.add("Link", '<a>; rel="next"')
        response.headers.add("Link", '<b>; rel="previous"')
        return response

    at = await serve(links)
    async with Outbound(allow_private=LOOPBACK) as outbound:
        answer = await outbound.fetch(f"{at}/", origins=[at])
    assert answer.headers["link"] == '<a>; rel="next", <b>; rel="previous"'


async def test_a_token_with_a_line_break_is_not_sent(serve: Serve) -> None:
    at = await serve(hello)
    async with Outbound(allow_private=LOOPBACK) as outbound:
        with pytest.raises(PeerUnreachable):
            await outbound.fetch(f"{at}/", authorization="a\r\nX-Evil: 1", origins=[at])


# --- how it says what failed ---------------------------------------------------------------------


async def failing(url: str, outbound: Outbound) -> str:
    """The layer that a call to a listed address fails at."""
    async with outbound:
        with pytest.raises(PeerUnreachable) as failed:
            await outbound.fetch(url, origins=["/".join(url.split("/")[:3])])
    assert failed.value.what.startswith("/".join(url.split("/")[:3]))
    assert failed.value.next
    return failed.value.where


async def test_a_name_nobody_knows_is_a_failure_of_dns() -> None:
    assert await failing("http://nowhere.example/", Outbound(allow_private=LOOPBACK, resolver=Names())) == "dns"


async def test_a_closed_port_is_a_failure_of_tcp() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        assert await failing(f"http://127.0.0.1:{taken.getsockname()[1]}/", Outbound(allow_private=LOOPBACK)) == "tcp"


async def test_a_certificate_of_a_stranger_is_a_failure_of_tls(serve: Serve, certificate: Path) -> None:
    at = await serve(hello, server_tls(certificate))
    assert await failing(f"{at}/", Outbound(allow_private=LOOPBACK)) == "tls"


async def test_plain_http_behind_https_is_a_failure_of_tls(serve: Serve) -> None:
    at = await serve(hello)
    assert await failing(f"{at.replace('http:', 'https:')}/", Outbound(allow_private=LOOPBACK)) == "tls"


async def test_a_trusted_certificate_is_fine(serve: Serve, certificate: Path) -> None:
    at = await serve(hello, server_tls(certificate))
    async with Outbound(allow_private=LOOPBACK, tls=trusting(certificate)) as outbound:
        assert (await outbound.fetch(f"{at}/", origins=[at])).body == b"hello"


async def test_a_slow_answer_is_a_timeout_also_when_it_drips(serve: Serve) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b".")
            await asyncio.sleep(0.02)
        return response

    at = await serve(drip)
    assert await failing(f"{at}/", Outbound(allow_private=LOOPBACK, timeout=0.15)) == "timeout"


RAW = {
    "noise": (b"\x00\x01\x02 no http\r\n\r\n", "http"),
    "nothing": (b"", "tcp"),
    "half": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", "http"),
    "endless header": (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n", "http"),
}


@pytest.mark.parametrize("case", RAW)
async def test_a_peer_that_speaks_no_proper_http_is_named(case: str) -> None:
    answer, layer = RAW[case]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await failing(f"http://127.0.0.1:{port}/", Outbound(allow_private=LOOPBACK)) == layer


# --- certificates --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost and 127.0.0.1 with its key, one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "node.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificate.read_text().partition("-----END PRIVATE KEY-----\n")[2])
