"""The EDC-shaped API over a real store, and a client that writes as EDC's clients do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connector.dataplane.sources import HttpSources
from connector.http.app import operator_app
from connector.http.manage import routes
from connector.http.outbound import Outbound
from connector.http.settings import Settings
from connector.ports import Limits, World

TOKEN = "an-operator-token-of-good-length"
EDC = "https://w3id.org/edc/v0.0.1/ns/"
CONTEXT = {"@vocab": EDC}
ADDRESS = {"type": "HttpData", "baseUrl": "http://127.0.0.1:9/passports/1", "proxyPath": "true"}


@dataclass
class Edc:
    """Calls below /management/v3."""

    client: TestClient[web.Request, web.Application]
    world: World

    async def call(self, method: str, path: str, body: Any = None, *, context: Any = CONTEXT) -> tuple[int, Any]:
        sent = {"@context": context, **body} if isinstance(body, dict) and context is not None else body
        async with self.client.request(method, f"/management{path}", json=sent, headers={"X-Api-Key": TOKEN}) as answer:
            text = await answer.text()
            return answer.status, await answer.json() if text else None

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        status, said = await self.call("POST", f"/v3{path}", body, **more)
        assert status == 200, said
        return said

    async def get(self, path: str) -> Any:
        status, said = await self.call("GET", f"/v3{path}")
        assert status == 200, said
        return said

    async def asset(self, id: str, **properties: Any) -> None:
        await self.post("/assets", {"@id": id, "properties": {"name": id, **properties}, "dataAddress": ADDRESS})

    async def policy(self, id: str, *constraints: Any) -> None:
        permission: dict[str, Any] = {"action": "use"} | ({"constraint": list(constraints)} if constraints else {})
        policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [permission]}
        await self.post("/policydefinitions", {"@id": id, "policy": policy})

    async def definition(self, id: str, *criteria: Any, access: str = "p", contract: str = "p") -> None:
        body = {"@id": id, "accessPolicyId": access, "contractPolicyId": contract, "assetsSelector": list(criteria)}
        await self.post("/contractdefinitions", body)


def by(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"operandLeft": left, "operator": operator, "operandRight": right}


@pytest.fixture
async def edc(world: World, settings: Settings) -> AsyncIterator[Edc]:
    async with Outbound(allow_private=["127.0.0.0/8"], timeout=5.0) as outbound:
        open_world = replace(world, sources=HttpSources(outbound), limits=Limits())
        app = operator_app(open_world, replace(settings, json_bytes=1_000_000), routes(open_world, settings.card))
        async with TestClient(TestServer(app)) as client:
            yield Edc(client, open_world)
