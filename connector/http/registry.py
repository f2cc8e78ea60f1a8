"""Registry and discovery of digital twins on either listener: addresses in, `connector.exchange.registry` asked, pages out.

    GET  /shell-descriptors[?limit=&cursor=]                      AAS registry (SSP-005)
    GET  /shell-descriptors/{b64}[/submodel-descriptors[/{b64}]]
    GET  /submodel-descriptors/{b64}
    POST /lookup/shellsByAssetLink[?limit=&cursor=]               discovery (SSP-002)
    GET  /lookup/shells?assetIds={b64}[,...]                      the older way of asking the same
    GET  /lookup/shells/{b64}                                     the asset links of one shell

Ids and asset ids are base64url without padding (IDTA 01002, v3.1).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from connector.errors import Hidden, Malformed
from connector.exchange import registry, sight
from connector.exchange.registry import Page
from connector.exchange.sight import OPERATOR, Sight
from connector.ports import World
from connector.protocol.plain import read_json
from submodels.twin import AssetId

from .doorway import JSON, TEXT, VISIT, read_body
from .turns import in_turn

NOUNS = ("shell-descriptors", "submodel-descriptors", "lookup")
PAGE, MOST = 100, 1000  # items of a page, when nothing is asked for and at most


async def answer(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """Answer a caller of the dataspace listener; `steps` begin with one of `NOUNS`."""
    who = await sight.sight(world, request.headers.get("Authorization", ""))
    request[VISIT].peer = who.caller.participant if who.caller else ""
    async with in_turn(request, request[VISIT].peer):
        return await shown(world, who, request, steps)


async def shown(world: World, who: Sight, request: web.Request, steps: tuple[str, ...]) -> web.Response:
    """Answer somebody who is known."""
    match steps:
        case ("lookup", "shellsByAssetLink"):
            _only(request, "POST")
            links = _links(read_json(await read_body(request), world.limits), "")
            return await _lookup(world, who, request, links)
        case ("lookup", "shells"):
            _only(request, "GET")
            asked = [each for text in request.query.getall("assetIds", []) for each in text.split(",") if each]
            return await _lookup(world, who, request, [_link(_json(each, world), "assetIds") for each in asked])
        case ("lookup", "shells", id):
            _only(request, "GET")
            return _one(_field(await registry.links_of(world, who, decoded(id)), "links"))
        case ("shell-descriptors",):
            _only(request, "GET")
            return _many(await registry.shells(world, who, **paging(request)))
        case ("shell-descriptors", id):
            _only(request, "GET")
            return _one(await registry.shell(world, who, decoded(id)))
        case ("shell-descriptors", id, "submodel-descriptors"):
            _only(request, "GET")
            found = _field(await registry.shell(world, who, decoded(id)), "submodelDescriptors")
            return _many(Page(tuple(found or ())) if found is not None else None)
        case ("shell-descriptors", _, "submodel-descriptors", id) | ("submodel-descriptors", id):
            _only(request, "GET")
            return _one(await registry.submodel(world, who, decoded(id)))
    raise Hidden


def routes(world: World, base: str) -> list[web.RouteDef]:
    """The same for the operator, whole, below `base` of the operator listener."""

    def under(steps: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def take(request: web.Request) -> web.StreamResponse:
            words = tuple(request.match_info.get(step[1:-1], step) for step in steps.split("/"))
            return await shown(world, OPERATOR, request, words)

        return take

    gets = ("shell-descriptors", "shell-descriptors/{id}", "submodel-descriptors/{id}", "lookup/shells", "lookup/shells/{id}")
    found = [web.get(f"{base}/{each}", under(each)) for each in gets]
    return [*found, web.post(f"{base}/lookup/shellsByAssetLink", under("lookup/shellsByAssetLink"))]


# --- what is asked -------------------------------------------------------------------------------


def decoded(text: str) -> str:
    """An id from base64url without padding; Malformed for anything else."""
    try:
        if "=" in text or not text.isascii():
            raise ValueError(text)
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        raise Malformed("The id is not base64url.", next="Encode it as UTF-8, then base64url without padding.", where="path") from error


def paging(request: web.Request) -> dict[str, Any]:
    """`limit` and `cursor`; an empty cursor and a limit below one are Malformed."""
    text = request.query.get("limit", str(PAGE))
    if not text.isascii() or not text.isdecimal() or int(text[:9]) < 1 or len(text) > 9:
        raise Malformed("The limit is not a number of items.", next=f"Send 1 to {MOST}.", where="limit")
    cursor = request.query.get("cursor")
    if cursor == "":
        raise Malformed("The cursor is empty.", next="Leave it out to begin.", where="cursor")
    return {"limit": min(int(text), MOST), "cursor": cursor or ""}


def _only(request: web.Request, method: str) -> None:
    if request.method != method:
        raise web.HTTPMethodNotAllowed(request.method, {method})


def _json(text: str, world: World) -> Any:
    return read_json(decoded(text).encode(), world.limits)


def _links(found: Any, where: str) -> list[AssetId]:
    if not isinstance(found, list):
        raise Malformed("Asset links are a list.", next='Send [{"name": "...", "value": "..."}].', where=where or "/")
    return [_link(each, f"{where}/{number}") for number, each in enumerate(found)]


def _link(found: Any, where: str) -> AssetId:
    name, value = (found.get("name"), found.get("value")) if isinstance(found, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(value, str) or not name or not value or max(len(name), len(value)) > 2048:
        raise Malformed("An asset link has a name and a value.", next='Send {"name": "...", "value": "..."}.', where=where)
    return AssetId(name, value)


# --- what is answered ----------------------------------------------------------------------------


async def _lookup(world: World, who: Sight, request: web.Request, links: Sequence[AssetId]) -> web.Response:
    return _many(await registry.lookup(world, who, links, **paging(request)))


def _many(page: Page | None) -> web.Response:
    if page is None:
        raise Hidden
    more = {"cursor": page.cursor} if page.cursor else {}
    return _one({"paging_metadata": more, "result": list(page.items)})


def _field(found: dict[str, Any] | None, name: str) -> Any:
    return None if found is None else found[name]


def _one(found: Any) -> web.Response:
    if found is None:
        raise Hidden
    return web.Response(text=json.dumps(found, ensure_ascii=False), content_type=JSON, headers=TEXT)
