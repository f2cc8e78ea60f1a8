"""Operator API: templates and exports of passports as files, catalogs as RDF, and questions in SPARQL."""

from __future__ import annotations

from aiohttp import web

from connector.http.doorway import TEXT
from connector.operate import exporting, graphs
from connector.ports import World

from .bodies import BASE, Body, answer, read


class QueryBody(Body):
    """`of` is a battery or a model, `peer` a peer whose catalog is asked instead."""

    query: str
    peer: str = ""
    of: str = ""
    rows: int = 1000


def routes(world: World) -> list[web.RouteDef]:
    """`/passports/templates/{part}`, `/passports/{name}/export`, `/peers/{name}/catalog` and `/query`."""

    async def blank(request: web.Request) -> web.Response:
        return _file(await exporting.blank(world, request.match_info["part"], request.query.get("model", "")))

    async def export(request: web.Request) -> web.Response:
        query = request.query
        asked = {name: query.get(name, "") for name in ("view", "part")}
        return _file(await exporting.export(world, request.match_info["name"], query.get("as", "value"), **asked))

    async def catalog(request: web.Request) -> web.Response:
        form = request.query.get("as", "turtle")
        content = await graphs.catalog(world, request.match_info["name"], form)
        return web.Response(body=content, headers={**TEXT, "Content-Type": graphs.MEDIA_TYPES[form]})

    async def ask(request: web.Request) -> web.Response:
        body = await read(request, world, QueryBody)
        return answer(await graphs.query(world, body.query, peer=body.peer, name=body.of, rows=body.rows))

    return [
        web.get(f"{BASE}/peers/{{name}}/catalog", catalog),
        web.post(f"{BASE}/query", ask),
        web.get(f"{BASE}/passports/templates/{{part}}", blank),
        web.get(f"{BASE}/passports/{{name}}/export", export),
    ]


def _file(found: exporting.File) -> web.Response:
    headers = {**TEXT, "Content-Type": found.media_type, "Content-Disposition": f'attachment; filename="{found.name}"'}
    return web.Response(body=found.content, headers=headers)
