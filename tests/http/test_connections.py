"""A listener has so many connections and no more; what is no HTTP hears nothing of itself and nothing of us."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from connector.http import connections
from connector.http.app import dataspace_app, listen
from connector.http.settings import Settings
from connector.ports import World

MOST = 3
CARD = b"GET /.well-known/did.json HTTP/1.1\r\nHost: x\r\n\r\n"


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def says(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.reader.readuntil(b"}")

    async def ends(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.read()


Dial = Callable[[], Awaitable[Line]]


@pytest.fixture
async def dial(world: World, settings: Settings) -> AsyncIterator[Dial]:
    """Opens connections to a listener that takes `MOST`."""
    runner = await listen(dataspace_app(world, settings), "127.0.0.1", 0, setting="dataspace.listen", connections=MOST)
    lines: list[Line] = []

    async def dialled() -> Line:
        lines.append(Line(*await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])))
        return lines[-1]

    yield dialled
    for each in lines:
        each.writer.close()
        with contextlib.suppress(ConnectionError):
            await each.writer.wait_closed()
    await runner.cleanup()


async def test_one_too_many_is_told_to_come_back(dial: Dial) -> None:
    held = [await dial() for _ in range(MOST)]
    for each in held:
        assert b" 200 " in await each.says(CARD)
    more = await dial()
    more.writer.write(CARD)
    said = await more.ends()
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"503" in head and b"Retry-After: 2" in head and b"aiohttp" not in head
    assert json.loads(body)["code"] == "quota.connections"
    for each in held:
        assert b" 200 " in await each.says(CARD)


async def test_one_that_asks_for_nothing_makes_room(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "RIPE", 0.0)
    half = [await dial() for _ in range(MOST)]
    for each in half:
        each.writer.write(b"GET / HTT")  # half a head counts for nothing
    await asyncio.sleep(0.05)
    fresh = await dial()
    assert b" 200 " in await fresh.says(CARD)
    assert b" 503 " in await half[0].ends()


async def test_one_that_hangs_up_leaves_its_place(dial: Dial) -> None:
    for _ in range(4 * MOST):
        passing = await dial()
        assert b" 200 " in await passing.says(CARD)
        passing.writer.close()
        await passing.writer.wait_closed()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9.9\r\n\r\n",
        b"SECRET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nSECRET",
        b"GET / HTTP/1.1\r\nX: " + b"SECRET" * 2000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_in_our_own_words(dial: Dial, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    strange = await dial()
    strange.writer.write(sent)
    head, _, body = (await strange.ends()).partition(b"\r\n\r\n")
    assert b" 400 " in head and b"aiohttp" not in head and b"SECRET" not in body
    assert json.loads(body)["code"] == "http.refused"
    assert "Traceback" not in caplog.text


async def test_who_reads_nothing_of_an_answer_loses_the_connection(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STUCK", 0.2)
    writer = (await dial()).writer
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    with pytest.raises((ConnectionError, TimeoutError)):
        async with asyncio.timeout(20):
            while True:
                writer.write(CARD * 2000)
                await writer.drain()
                await asyncio.sleep(0)
