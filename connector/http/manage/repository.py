"""Operator API: the AAS and submodel repositories, whole, at the addresses of IDTA 01002 below `/management/aas/api/v3.1`.

Described by IDTA's own OpenAPI, so it has no rows in ours.
"""

from __future__ import annotations

from aiohttp import web

from connector.exchange import registry
from connector.http import aas
from connector.http.doorway import steps
from connector.ports import World

BASE = "/management/aas/api"


def routes(world: World) -> list[web.RouteDef]:
    """One route for all: ids hold what they hold."""

    async def take(request: web.Request) -> web.StreamResponse:
        return await aas.shown(world, registry.OPERATOR, request, aas.based(steps(request)[1:]))

    return [web.route("*", f"{BASE}/{{path:.*}}", take)]
