"""The operator API: ours below `/management/saltbridge`, a module per noun; EDC's shapes below `/management/v3`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from connector.ports import World

from . import (
    audit,
    contracts,
    exchanging,
    judging,
    lives,
    openapi,
    passports,
    peers,
    policies,
    received,
    registry,
    repository,
    status,
    v3,
    views,
)


def routes(world: World, card: Callable[[], Mapping[str, Any]]) -> list[web.RouteDef]:
    """Every route of the operator API over this world; `card` gives our own peer card as it is now."""
    nouns = (status, exchanging, judging, passports, lives, views, policies, contracts, received, registry, repository, audit)
    ours = [*peers.routes(world, card), *(route for noun in nouns for route in noun.routes(world))]
    return [*ours, *v3.routes(world), *openapi.routes()]
