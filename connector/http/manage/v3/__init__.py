"""The EDC-shaped management API below `/management/v3`: one module per resource, concatenated here.

Shapes, codes and spellings are those of the EDC Management API v3 (`@context` is inline in every answer); the functions
behind are the ones that CLI and console call.
"""

from __future__ import annotations

from aiohttp import web

from connector.ports import World

from . import agreements, assets, catalog, definitions, edrs, negotiations, policies, secrets, transfers

RESOURCES = (assets, policies, definitions, catalog, negotiations, agreements, transfers, edrs, secrets)


def routes(world: World) -> list[web.RouteDef]:
    """Every route of the EDC-shaped API over this world."""
    return [route for resource in RESOURCES for route in resource.routes(world)]
