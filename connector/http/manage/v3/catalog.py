"""Catalogs and datasets of other nodes, as they wrote them."""

from __future__ import annotations

from aiohttp import web

from connector.operate import asking, catalogs
from connector.ports import World
from connector.protocol.vocabulary import EDC_NS
from connector.records import Json

from . import party, query, shapes
from .jsonld import Node, read

BASE = "/management/v3/catalog"


def routes(world: World) -> list[web.RouteDef]:
    """`/catalog`."""

    async def browse(request: web.Request) -> web.Response:
        node = await read(request, world)
        other = await party.peer(world, node)
        spec = node.node("querySpec")
        asked = query.read(spec)
        enough = asked.offset + asked.limit if asked.sort is None and not asked.descending else asking.ENOUGH
        found = await asking.catalog(world, other, _filter(spec), enough)
        return shapes.dsp(found | {"dataset": _page(found["dataset"], asked)})

    async def one(request: web.Request) -> web.Response:
        node = await read(request, world)
        if not node.id:
            raise node.wrong("@id", "mandatory value is missing")
        return shapes.dsp(await catalogs.dataset(world, await party.peer(world, node), node.id))

    return [web.post(f"{BASE}/request", browse), web.post(f"{BASE}/dataset/request", one)]


def _filter(spec: Node | None) -> list[Json]:
    """The criteria as a DSP message carries them: under full names, which every JSON-LD reader keeps.

    Sorting and paging stay here: a peer's pages are its own.
    """
    criteria = [query.criterion_json(each) for each in spec.nodes("filterExpression")] if spec is not None else []
    if not criteria:
        return []
    full = [{"@type": f"{EDC_NS}Criterion", **{EDC_NS + name: value for name, value in each.items()}} for each in criteria]
    return [{"@type": f"{EDC_NS}QuerySpec", f"{EDC_NS}filterExpression": full}]


def _page(datasets: list[Json], asked: query.Query) -> list[Json]:
    if asked.sort is not None or asked.descending:
        datasets = sorted(datasets, key=lambda each: query.rank(asked.sort, each), reverse=asked.descending)
    return datasets[asked.offset : asked.offset + asked.limit]
