"""The description of the operator API is true: its operations are the routes, its references lead somewhere."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
from aiohttp.test_utils import TestClient, TestServer

from connector import node
from connector.cli.init import make
from connector.config import load
from connector.http.app import operator_app
from connector.http.manage import openapi, routes
from connector.http.settings import Settings
from connector.ports import World

from .conftest import TOKEN

DOCUMENT = openapi.document()


async def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    made = await asyncio.to_thread(make, tmp_path / "node", name="node", profile="development")
    built = node.build(load(made.home, {}))
    app = built.operator
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
        and route.resource.canonical.startswith("/management")
        and route.method != "HEAD"
        and not route.resource.canonical.startswith("/management/aas/")  # IDTA's own OpenAPI describes these
    }
    described = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert described == served
    await built.world.store.close()


async def test_it_is_served_to_the_operator_alone(world: World, settings: Settings) -> None:
    async with TestClient(TestServer(operator_app(world, settings, routes(world, settings.card)))) as client:
        async with client.get("/management/openapi.json") as answer:
            assert answer.status == 401
        async with client.get("/management/openapi.json", headers={"X-Api-Key": TOKEN}) as answer:
            assert await answer.json() == json.loads(json.dumps(DOCUMENT))


def test_operations_have_names_of_their_own_and_describe_their_path() -> None:
    operations = [(path, operation) for path, held in DOCUMENT["paths"].items() for operation in held.values()]
    names = [operation["operationId"] for _, operation in operations]
    assert len(names) == len(set(names))
    for path, operation in operations:
        named = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path)
        assert operation["summary"] and "default" in operation["responses"]


def test_every_reference_leads_to_a_schema_that_is_one() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)):
        assert name in schemas
    for name, schema in schemas.items():
        jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]})
        used = json.dumps(DOCUMENT["paths"]) + json.dumps([held for other, held in schemas.items() if other != name])
        assert f'"#/components/schemas/{name}"' in used, f"{name} is used nowhere"


@pytest.mark.parametrize("path", ["/management/v3/assets", "/management/saltbridge/offers"])
def test_each_api_describes_its_own_errors(path: str) -> None:
    schema = DOCUMENT["paths"][path]["post"]["responses"]["default"]["content"]["application/json"]["schema"]
    assert schema == (
        {"type": "array", "items": {"$ref": "#/components/schemas/ApiErrorDetail"}}
        if "/v3/" in path
        else {"$ref": "#/components/schemas/SaltbridgeError"}
    )
