"""What the dataspace listener tells without a contract: versions, our card, public passports; and grants to who may see them."""

from __future__ import annotations

import json
import re

from aiohttp import web

from connector.errors import Hidden
from connector.exchange import browse, naming, page, parcel
from connector.ports import World

from .data import asked_at, deliver, only_get
from .doorway import JSON, TEXT, VISIT
from .settings import Settings
from .turns import in_turn

LINKS = frozenset({"i", "01", "8003", "8004", "8006"})  # what an identification link of ours begins with
VERSIONS = {"protocolVersions": [{"version": "2025-1", "path": "/dsp/2025-1", "binding": "HTTPS"}]}


async def well_known(world: World, settings: Settings, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """`/.well-known/dspace-version` (DSP 2025-1, 1.1), `did.json` and `gs1resolver`; nobody has to say who they are."""
    only_get(request)
    if steps[1:] == ("dspace-version",):
        return _json(VERSIONS)
    if steps[1:] == ("did.json",):
        return _json(settings.card())
    if steps[1:] == ("gs1resolver",):
        return _json(naming.resolver(world))
    raise Hidden


async def passports(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """`/passports/{battery}[/documents/{id} | /did.json]`: what the law makes public, without a contract; the battery's DID document.

    A browser gets the public view as a page.
    """
    only_get(request)
    if len(steps) < 2:
        raise Hidden
    if steps[2:] == ("did.json",):
        return deliver(await naming.did_document(world, steps[1]))
    async with in_turn(request, ""):
        if len(steps) == 2 and _reads_pages(request):
            languages = page.languages_of(request.headers.get("Accept-Language", ""))
            return deliver(await page.answer(world, steps[1], languages, asked_at(world, request)))
        return deliver(await parcel.public(world, steps[1], steps[2:], asked_at(world, request)))


def _reads_pages(request: web.Request) -> bool:
    """Whether a person's browser asks: it names HTML, which programs that want JSON do not."""
    accepted = [each.partition(";")[0].strip().lower() for each in request.headers.get("Accept", "").split(",")]
    return "text/html" in accepted and JSON not in accepted


async def links(world: World, request: web.Request) -> web.StreamResponse:
    """An identification link (`/i/{battery}`, `/01/{GTIN}/21/{serial}` ...): 303 to the public passport, or what it leads to as a list."""
    only_get(request)
    path = re.sub(r"//+", "/", request.rel_url.raw_path).rstrip("/")
    wanted = request.query.get("linkType", "")
    async with in_turn(request, ""):
        if wanted in ("all", "linkset") or naming.LINKSET in request.headers.get("Accept", ""):
            return deliver(await naming.linkset(world, path))
        return web.Response(status=303, headers={"Location": await naming.leads_to(world, path), **TEXT})


async def grants(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """`/grants/{digest}`: a grant's canonical bytes, to a peer that may see a dataset of it."""
    only_get(request)
    if len(steps) != 2:
        raise Hidden
    caller = await world.identity.authenticate(request.headers.get("Authorization", ""), safe=True)
    request[VISIT].peer = caller.participant
    async with in_turn(request, caller.participant):
        return web.Response(body=await browse.grant(world, caller, steps[1]), content_type=JSON, headers=TEXT)


def _json(value: object) -> web.Response:
    return web.Response(text=json.dumps(value, ensure_ascii=False), content_type=JSON, headers=TEXT)
