"""What the dataspace listener tells without a contract: versions, our card, public passports; and grants to who may see them."""

from __future__ import annotations

import json

from aiohttp import web

from connector.errors import Hidden
from connector.exchange import browse, parcel
from connector.ports import World

from .data import asked_at, deliver, only_get
from .doorway import JSON, TEXT, VISIT
from .settings import Settings

VERSIONS = {"protocolVersions": [{"version": "2025-1", "path": "/dsp/2025-1", "binding": "HTTPS"}]}


async def well_known(settings: Settings, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """`/.well-known/dspace-version` (DSP 2025-1, 1.1) and `/.well-known/did.json`; nobody has to say who they are."""
    only_get(request)
    if steps[1:] == ("dspace-version",):
        return _json(VERSIONS)
    if steps[1:] == ("did.json",):
        return _json(settings.card())
    raise Hidden


async def passports(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """`/passports/{battery}[/documents/{id}]`: what the law makes public, without a contract."""
    only_get(request)
    if len(steps) < 2:
        raise Hidden
    return deliver(await parcel.public(world, steps[1], steps[2:], asked_at(world, request)))


async def grants(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """`/grants/{digest}`: a grant's canonical bytes, to a peer that may see a dataset of it."""
    only_get(request)
    if len(steps) != 2:
        raise Hidden
    caller = await world.identity.authenticate(request.headers.get("Authorization", ""), safe=True)
    request[VISIT].peer = caller.participant
    return web.Response(body=await browse.grant(world, caller, steps[1]), content_type=JSON, headers=TEXT)


def _json(value: object) -> web.Response:
    return web.Response(text=json.dumps(value, ensure_ascii=False), content_type=JSON, headers=TEXT)
