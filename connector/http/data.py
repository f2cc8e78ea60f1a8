"""The data endpoint: what a transfer's token opens.  Authorisation, redaction and audit are `connector.exchange`'s.

GET /data                                  all granted parts of the one battery, or a manifest of a wider scope
GET /data/{battery}[/{part}[/$value | /path]]   one battery, one part, one place in it
GET /data/{battery}/documents/{id}         a granted document
`?battery=` takes any identifier of a battery, with every path.
"""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from connector.errors import Malformed
from connector.exchange import parcel as exits
from connector.ports import World

from .doorway import TEXT

# A document is somebody else's file: it is saved, never shown, and may run nothing.
HARMLESS = {"Content-Security-Policy": "sandbox; default-src 'none'", **TEXT}


async def answer(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """Answer a request below /data; `steps` are the whole path's."""
    only_get(request)
    batteries = request.query.getall("battery", [])
    if len(batteries) > 1:
        raise Malformed("`battery` is given more than once.", next="Ask for one battery at a time.")
    found = await exits.pull(world, request.headers.get("Authorization", ""), steps[1:], batteries[0] if batteries else "")
    return deliver(found)


def deliver(found: exits.Parcel) -> web.Response:
    """A parcel as an answer."""
    headers = {**HARMLESS, **found.headers}
    if found.etag:
        headers["ETag"] = found.etag if found.etag.startswith(('"', "W/")) else f'"{found.etag}"'
    if found.filename:
        headers["Content-Disposition"] = attachment(found.filename)
    headers["Content-Type"] = found.media_type
    return web.Response(body=found.body, headers=headers)


def attachment(filename: str) -> str:
    """`Content-Disposition` for a file name, plain for old clients and whole for the others (RFC 6266)."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in filename)
    whole = quote(filename, safe="", errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def only_get(request: web.Request) -> None:
    if request.method != "GET":
        raise web.HTTPMethodNotAllowed(request.method, {"GET"})
