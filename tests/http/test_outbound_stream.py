"""The streaming call of the outgoing client: guarded as any other, but passed on as it comes."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from aiohttp import web

from connector.addresses import read_address
from connector.errors import Denied, PeerUnreachable
from connector.http.outbound import Outbound

from .test_outbound import LOOPBACK, Serve, hello
from .test_outbound import serve as serve


async def test_a_piece_arrives_before_the_next_is_sent(serve: Serve) -> None:
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await gate.wait()
        await response.write(b"second")
        return response

    address = read_address(await serve(slow))
    async with Outbound(allow_private=LOOPBACK) as outbound, outbound.stream("GET", address, {}, listed=True) as answer:
        assert await anext(answer.body) == b"first"
        gate.set()
        assert [piece async for piece in answer.body] == [b"second"]


async def test_each_piece_has_a_deadline_of_its_own(serve: Serve) -> None:
    async def stuck(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(4):
            await response.write(b"x")
            await asyncio.sleep(0.15)
        await asyncio.sleep(30)
        return response

    address = read_address(await serve(stuck))
    async with Outbound(allow_private=LOOPBACK, timeout=0.4) as outbound, outbound.stream("GET", address, {}, listed=True) as answer:
        seen = b""
        with pytest.raises(PeerUnreachable) as caught:
            async for piece in answer.body:
                seen += piece
    assert seen == b"xxxx" and caught.value.where == "timeout"  # longer than one deadline in all


async def test_encoded_bytes_redirects_and_errors_go_on_as_they_are(serve: Serve) -> None:
    packed = gzip.compress(b"hello")

    async def odd(request: web.Request) -> web.Response:
        if request.path == "/moved":
            raise web.HTTPFound("/elsewhere")
        return web.Response(status=418, body=packed, headers={"Content-Encoding": "gzip"})

    at = await serve(odd)
    async with Outbound(allow_private=LOOPBACK, max_bytes=4) as outbound:
        async with outbound.stream("POST", read_address(f"{at}/x"), {"accept-encoding": "gzip"}, b"body", listed=True) as answer:
            assert (answer.status, b"".join([piece async for piece in answer.body])) == (418, packed)
        async with outbound.stream("GET", read_address(f"{at}/moved"), {}, listed=True) as answer:
            assert answer.status == 302


async def test_the_guard_is_the_same(serve: Serve) -> None:
    at = await serve(hello)
    async with Outbound() as outbound:
        for listed in (True, False):
            with pytest.raises(Denied):
                async with outbound.stream("GET", read_address(at), {}, listed=listed):
                    pass
    async with Outbound(allow_private=LOOPBACK) as outbound:
        with pytest.raises(Denied):
            async with outbound.stream("GET", read_address(at), {}, listed=False):
                pass
        with pytest.raises(PeerUnreachable):
            async with outbound.stream("GET", read_address("http://127.0.0.1:9/"), {}, listed=True):
                pass
