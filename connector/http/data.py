"""The data endpoint: what a transfer's token opens.  Authorisation, redaction and audit are `connector.exchange`'s.

GET /data                                  all granted parts of the one battery, or a manifest of a wider scope
GET /data/{battery}[/{part}[/$value | /path]]   one battery, one part, one place in it
GET /data/{battery}/documents/{id}         a granted document
`?battery=` takes any identifier of a battery, with every path; `?at=` the version that stood at a time.

Under an agreement over a plain asset everything below /data goes to its source instead, as its address allows.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import datetime
from urllib.parse import quote

from aiohttp import web

from connector import log
from connector.errors import Malformed, PeerUnreachable
from connector.exchange import parcel as exits
from connector.exchange import release, versions, whole
from connector.ports import Ask, World

from .doorway import TEXT, read_body
from .turns import in_turn

READER_SECONDS = 60.0  # that a consumer may take over one piece; a stuck one must not hold a source

# A document is somebody else's file: it is saved, never shown, and may run nothing.
HARMLESS = {"Content-Security-Policy": "sandbox; default-src 'none'", **TEXT}


async def answer(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """Answer a request below /data; `steps` are the whole path's."""
    if "Authorization" not in request.headers:
        only_get(request)
    permit = await release.authorise(world, request.headers.get("Authorization", ""))
    if isinstance(permit, release.Whole):
        return await _proxied(world, request, permit)
    only_get(request)
    batteries = request.query.getall("battery", [])
    if len(batteries) > 1:
        raise Malformed("`battery` is given more than once.", next="Ask for one battery at a time.")
    at = asked_at(world, request)
    async with in_turn(request, permit.agreement.peer):
        return deliver(await exits.pull(world, permit, steps[1:], batteries[0] if batteries else "", at))


async def _proxied(world: World, request: web.Request, permit: release.Whole) -> web.StreamResponse:
    """The source's status and bytes as they come; a source that breaks off breaks the connection too."""
    ask = Ask(
        method=request.method,
        path=_below(request.rel_url.raw_path),
        query=request.rel_url.raw_query_string,
        body=await read_body(request),
        headers={name.lower(): value for name, value in request.headers.items()},
    )
    async with whole.pull(world, permit, ask) as flow:
        response = web.StreamResponse(status=flow.status, headers={**HARMLESS, **flow.headers})
        async with aclosing(flow.body) as body:
            await response.prepare(request)
            try:
                async for piece in body:
                    async with asyncio.timeout(READER_SECONDS):
                        await response.write(piece)
            except (PeerUnreachable, ConnectionError, TimeoutError) as error:
                # The status is out: only a broken connection can still say that this is not all.
                log.event("source", asset=permit.asset.id, transfer=permit.transfer, error=str(error)[:500])
                if request.transport is not None:
                    request.transport.abort()
                return response
        await response.write_eof()
    return response


def _below(path: str) -> str:
    """What follows /data, as it was written."""
    rest = path.lstrip("/").removeprefix("data").lstrip("/")
    return f"/{rest}" if rest else ""


def asked_at(world: World, request: web.Request) -> datetime | None:
    """The time whose version is asked for; None for the present one."""
    times = request.query.getall("at", [])
    if len(times) > 1:
        raise Malformed("`at` is given more than once.", next="Ask for one version at a time.")
    return versions.read_at(times[0] if times else "", world.clock.now())


def deliver(found: exits.Parcel) -> web.Response:
    """A parcel as an answer."""
    headers = {**HARMLESS, **found.headers}
    if found.etag:
        headers["ETag"] = found.etag if found.etag.startswith(('"', "W/")) else f'"{found.etag}"'
    if found.filename:
        headers["Content-Disposition"] = attachment(found.filename)
    headers["Content-Type"] = found.media_type
    return web.Response(body=found.body, headers=headers, status=found.status)


def attachment(filename: str) -> str:
    """`Content-Disposition` for a file name, plain for old clients and whole for the others (RFC 6266)."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in filename)
    whole = quote(filename, safe="", errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def only_get(request: web.Request) -> None:
    if request.method != "GET":
        raise web.HTTPMethodNotAllowed(request.method, {"GET"})
