"""Assets: plain ones are made here, view assets are seen and withdrawn."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from connector.exchange.whole import EXTENT
from connector.operate import assets
from connector.ports import World
from connector.protocol.vocabulary import EDC_NS
from connector.records import Asset

from . import query, shapes
from .jsonld import Node, literal, plain, read, secret

BASE = "/management/v3/assets"


def routes(world: World) -> list[web.RouteDef]:
    """`/assets`."""

    async def create(request: web.Request) -> web.Response:
        made = await assets.create(world, _wish(await read(request, world)))
        return shapes.id_response(made.id, made.created or world.clock.now())

    async def update(request: web.Request) -> web.Response:
        await assets.update(world, _wish(await read(request, world), known=True))
        return shapes.nothing()

    async def listing(request: web.Request) -> web.Response:
        asked = query.read(await read(request, world))
        found = await query.find(world, Asset, asked, query.as_is(shapes.asset_facts))
        return shapes.many({name: each[name] for name in SHOWN if name in each} for each in found)

    async def show(request: web.Request) -> web.Response:
        return shapes.one(shapes.asset(await assets.get(world, request.match_info["id"])) or {})

    async def delete(request: web.Request) -> web.Response:
        await assets.delete(world, request.match_info["id"])
        return shapes.nothing()

    return [
        web.post(BASE, create),
        web.put(BASE, update),
        web.post(f"{BASE}/request", listing),
        web.get(f"{BASE}/{{id}}", show),
        web.delete(f"{BASE}/{{id}}", delete),
    ]


SHOWN = ("@id", "@type", "properties", "privateProperties", "dataAddress", "createdAt", EXTENT)


def _wish(node: Node, *, known: bool = False) -> assets.Wish:
    address = node.node("dataAddress")
    if address is None:
        raise node.wrong("dataAddress", "mandatory value is missing")
    fields = {name: _field(address, name, values) for name, values in address.fields.items() if not name.startswith("@")}
    bare = {name.removeprefix(EDC_NS): text for name, text in fields.items()}
    properties = _properties(node, "properties")
    id = node.id or str(properties.pop("id", ""))
    properties.pop("id", None)
    if known and not id:
        raise node.wrong("@id", "mandatory value is missing")
    return assets.Wish(
        id=id,
        properties=properties,
        private_properties=_properties(node, "privateProperties"),
        data_address={name: text for name, text in bare.items() if not secret(name)},
        secrets={name: text for name, text in bare.items() if secret(name)},
    )


def _field(address: Node, name: str, values: Any) -> str:
    texts = [literal(each) for each in values]
    if len(texts) != 1 or texts[0] is None:
        raise address.wrong(name.removeprefix(EDC_NS), "one text is expected")
    return texts[0]


def _properties(node: Node, name: str) -> dict[str, Any]:
    held = node.node(name)
    found = plain([dict(held.fields)]) if held is not None else {}
    return {key: value for key, value in found.items() if not key.startswith("@")}
