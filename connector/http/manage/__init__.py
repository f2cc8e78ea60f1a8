"""The operator API below `/management/saltbridge`: one module per noun, concatenated here."""

from __future__ import annotations

from aiohttp import web

from connector.ports import World

from . import passports, policies, views


def routes(world: World) -> list[web.RouteDef]:
    """Every route of the operator API over this world."""
    return [route for noun in (passports, views, policies) for route in noun.routes(world)]
