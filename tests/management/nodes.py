"""Two running nodes that know each other, driven through their EDC-shaped APIs, and a source behind the provider's assets."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs
from aiohttp import web

from connector import config, node
from connector.cli.init import make
from connector.config import read_token
from connector.http.manage import openapi
from connector.identity import keys, static
from connector.operate import offers, passports, peers
from connector.records import Json
from submodels.folder import read_folder

EDC = "https://w3id.org/edc/v0.0.1/ns/"
CONTEXT = {"@vocab": EDC}
PROTOCOL = "dataspace-protocol-http:2025-1"
SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"
PATIENCE = 15.0  # seconds; a test that waits longer has failed


@dataclass
class End:
    """One running node and a client of its management API."""

    name: str
    node: node.Node
    http: aiohttp.ClientSession
    token: str

    @property
    def id(self) -> str:
        return self.node.world.me.id

    @property
    def dsp(self) -> str:
        return self.node.world.me.dsp

    @property
    def management(self) -> str:
        address = self.node.config.operator.address
        return f"http://{address.host}:{address.port}/management"

    @property
    def party(self) -> Json:
        """How another node's client names this one."""
        return {"counterPartyAddress": self.dsp, "counterPartyId": self.id, "protocol": PROTOCOL}

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Any]:
        context = {} if path.startswith("/saltbridge") else {"@context": CONTEXT}
        sent = context | body if body is not None else None
        async with self.http.request(method, f"{self.management}{path}", json=sent, headers={"X-Api-Key": self.token}) as answer:
            text = await answer.text()
            said = json.loads(text) if text else None
            assert described(method, f"/management{path}", answer.status, said) == [], path
            return answer.status, said

    async def post(self, path: str, body: Json | None = None) -> Any:
        status, said = await self.call("POST", path, body)
        assert status == 200, (path, status, said)
        return said

    async def get(self, path: str) -> Any:
        status, said = await self.call("GET", path)
        assert status == 200, (path, status, said)
        return said

    async def until(self, path: str, *states: str) -> Json:
        """The process at this path once it is in one of the states."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            found: Json = await self.get(path)
            if found["state"] in states:
                return found
            assert asyncio.get_running_loop().time() < deadline, found
            await asyncio.sleep(0.02)

    async def knows(self, other: End, **claims: str) -> None:
        card = dict(static.card(other.node.world.me, keys.load(other.node.config.keys).dsp))
        vouched = {name: (value,) for name, value in claims.items()}
        wish = peers.Wish(card=card, fingerprint=static.read_card(card).fingerprint, name=other.name, claims=vouched)
        await peers.add(self.node.world, static, wish)


@dataclass
class Source:
    """The operator's own HTTP service; it remembers what it was asked."""

    url: str
    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> Json:
        return {"type": "HttpData", "baseUrl": f"{self.url}/base"}


@dataclass
class Two:
    """A provider that allows plain assets, and a consumer."""

    provider: End
    consumer: End
    source: Source

    async def offers(self, id: str, *, constraints: Any = (), **address: Any) -> None:
        """A plain asset under one policy for everyone it knows."""
        permission = {"action": "use", **({"constraint": list(constraints)} if constraints else {})}
        policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [permission]}
        asset = {"@id": id, "properties": {"name": id}, "dataAddress": {**self.source.address, **address}}
        definition = {"@id": f"d-{id}", "accessPolicyId": f"p-{id}", "contractPolicyId": f"p-{id}",
                      "assetsSelector": [{"operandLeft": f"{EDC}id", "operator": "=", "operandRight": id}]}  # fmt: skip
        await self.provider.post("/v3/assets", asset)
        await self.provider.post("/v3/policydefinitions", {"@id": f"p-{id}", "policy": policy})
        await self.provider.post("/v3/contractdefinitions", definition)

    async def browses(self, **spec: Any) -> list[Json]:
        body = {**self.provider.party, **({"querySpec": spec} if spec else {})}
        catalog = await self.consumer.post("/v3/catalog/request", body)
        return list(catalog.get("dataset", []))

    async def negotiates(self, dataset: Json) -> Json:
        """The finalized (or terminated) negotiation over the first offer of a dataset."""
        offer = dataset["hasPolicy"][0]
        policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", **offer, "assigner": self.provider.id, "target": dataset["@id"]}
        made = await self.consumer.post("/v3/contractnegotiations", {**self.provider.party, "policy": policy})
        return await self.consumer.until(f"/v3/contractnegotiations/{made['@id']}", "FINALIZED", "TERMINATED")

    async def transfers(self, agreement: str) -> Json:
        body = {**self.provider.party, "contractId": agreement, "transferType": "HttpData-PULL"}
        made = await self.consumer.post("/v3/transferprocesses", body)
        return await self.consumer.until(f"/v3/transferprocesses/{made['@id']}", "STARTED", "TERMINATED")

    async def obtains(self, id: str) -> Json:
        """From the catalog to the endpoint data reference."""
        [dataset] = await self.browses(filterExpression=[{"operandLeft": f"{EDC}id", "operator": "=", "operandRight": id}])
        agreed = await self.negotiates(dataset)
        started = await self.transfers(agreed["contractAgreementId"])
        found: Json = await self.consumer.get(f"/v3/edrs/{started['@id']}/dataaddress")
        return found

    async def pulls(self, edr: Json, below: str = "", method: str = "GET", **more: Any) -> tuple[int, bytes, Any]:
        headers = {"Authorization": edr["authorization"], **more.pop("headers", {})}
        async with self.consumer.http.request(method, f"{edr['endpoint']}{below}", headers=headers, **more) as answer:
            return answer.status, await answer.read(), answer.headers


@cache
def _described() -> Json:
    return openapi.document()


@cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.validator_for({**json.loads(schema), "components": _described()["components"]})


def described(method: str, path: str, status: int, said: Any) -> list[str]:
    """Where an answer is other than the served description has it."""
    asked = path.partition("?")[0]
    templates = [each for each in _described()["paths"] if re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), asked)]
    operations = [held[method.lower()] for held in (_described()["paths"][each] for each in templates) if method.lower() in held]
    if not operations:
        return [f"{method} {asked} is not described"] if status < 400 else []
    answers = min(operations, key=lambda each: len(each.get("parameters", [])))["responses"]
    if status < 400 and str(status) not in answers:
        return [f"{method} {asked} is described without {status}"]
    content = answers.get(str(status), answers["default"]).get("content")
    if content is None:
        return [] if said is None else [f"{method} {asked} answers {status} with a body"]
    schema = json.dumps(content["application/json"]["schema"])
    return [f"{error.message} at {error.instance_path}" for error in _validator(schema).iter_errors(said)]


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listened on a moment ago."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


async def start(folder: Path, name: str, stack: AsyncExitStack, *, plain: bool) -> End:
    home = folder / name
    networks = ["127.0.0.0/8", "::1/128"]
    port, operator = free_ports()
    await asyncio.to_thread(
        make, home, name=name, port=port, operator_port=operator, allow_private=networks, profile="demo"
    )  # fmt: skip
    environ = {"STORE__SYNCHRONOUS": "NORMAL", "DATAPLANE__PLAIN_ASSETS": str(plain).lower()}
    built = node.build(config.load(home, {f"SALTBRIDGE_{key}": value for key, value in environ.items()}))
    await stack.enter_async_context(node.running(built))
    http = await stack.enter_async_context(aiohttp.ClientSession())
    return End(name, built, http, read_token(built.config))


async def serve(stack: AsyncExitStack) -> Source:
    """The source: it answers in JSON what it was asked, or as `?status=` says; below /slow it waits in the middle."""
    found = Source(f"http://127.0.0.1:{free_ports()[0]}")

    async def answer(request: web.Request) -> web.StreamResponse:
        found.asked.append((request.method, request.path_qs, await request.read(), dict(request.headers)))
        if request.path.endswith("/slow"):
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await response.prepare(request)
            await response.write(b"first,")
            await found.gate.wait()
            await response.write(b"second")
            await response.write_eof()
            return response
        if request.path.endswith("/broken"):
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"not all")
            assert request.transport is not None
            request.transport.close()
            return response
        status = int(request.query.get("status", "200"))
        headers = {"Set-Cookie": "a=b", "X-Internal": "10.0.0.5", "ETag": '"v1"', "Location": "http://10.0.0.5/elsewhere"}
        return web.json_response({"path": request.path, "query": request.query_string}, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", int(found.url.rsplit(":", 1)[1])).start()
    return found


async def stock(end: End, **more: str) -> str:
    """Import and publish the sample, and offer a view of it to recyclers; the dataset's id."""
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    await passports.import_batch(end.node.world, read_folder(files))
    await passports.publish(end.node.world, "EV-72")
    made = await offers.offer(end.node.world, offers.Wish(view="dismantling", model="EV-72", policy="recycler", **more))
    return str(made["dataset"])
