"""JSON of every kind at every address of both listeners: never a fault, always the error of what was called, and no row of it stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import node as wiring
from connector.cli.init import make
from connector.config import load
from connector.http import app, dsp
from connector.http.manage import openapi

from . import messages
from .node import BASE, JSON, Node
from .shapes import Still, anything, examples, is_in_operators_shape, is_in_shape, spoilt, text, written

ROUTES = {f"{route.method} {'/'.join(route.steps)}": route for route in dsp.ROUTES}
WRITES = [name for name, route in ROUTES.items() if route.expects]
# Below each other door, addresses that are there; * is an id.
ELSEWHERE = {
    "data": ("", "/*", "/*/*", "/*/*/$value", "/*/documents/*", "?battery=*", "?at=*"),
    "grants": ("/*",),
    "passports": ("/*", "/*/documents/*", "/*?at=*"),
    "aas": (
        "/api/v3.1/shells",
        "/api/v3.1/shells/*",
        "/api/v3.1/shells/*/asset-information",
        "/api/v3.1/submodels",
        "/api/v3.1/submodels/*/$value",
        "/api/v3.1/submodels/*/submodel-elements/*",
        "/api/v3.1/shells/*/submodels/*",
        "/api/v3.1/serialization?aasIds=*",
        "/api/v3.0/description",
        "/api/v3.1/shells?assetIds=*&limit=*&cursor=*",
    ),
    "shell-descriptors": ("", "/*", "/*/submodel-descriptors", "/*/submodel-descriptors/*", "?limit=*&cursor=*"),
    "submodel-descriptors": ("/*",),
    "lookup": ("/shells?assetIds=*", "/shells/*", "/shellsByAssetLink", "/shellsByAssetLink?limit=*&cursor=*"),
    ".well-known": ("", "/*", "/did.json", "/dspace-version"),
    **dict.fromkeys(sorted(app.public.LINKS), ("", "/*", "/*/21/*", "/*?linkType=*")),
}
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")


def test_every_door_of_the_dataspace_listener_is_knocked_at() -> None:
    assert set(app.DOORS) == {"dsp", *ELSEWHERE}


def part(word: str) -> str:
    return quote(word, safe="", errors="surrogatepass")


@pytest.mark.parametrize("name", WRITES)
def test_a_message_with_something_wrong_is_refused_whole(node: Node, name: str) -> None:
    route, peer = ROUTES[name], node.peers["recycler"]
    type = route.expects.type  # type: ignore[union-attr]
    running = messages.agreed(node, peer) if route.steps[0] == "transfers" else messages.opened(node, peer)
    if route.steps[0] == "transfers" and "*" in route.steps:
        running = messages.transferring(node, peer, running.agreement)
    good = [messages.good(type, node, peer, running), *messages.official_examples(type)]
    path = "/".join(running.ours if step == "*" else step for step in route.steps)
    still = Still(node)

    @examples(15)
    @given(body=st.sampled_from(good).flatmap(spoilt))
    def spoil(body: Any) -> None:
        answer = node.says(peer, "POST", f"{BASE}/{path}", written(body))
        is_in_shape(f"{BASE}/{path}", answer)
        still.after(answer)

    spoil()
    node.sound()


@pytest.mark.parametrize("name", list(ROUTES))
def test_any_json_under_any_id_is_no_message(node: Node, name: str) -> None:
    route, peer, still = ROUTES[name], node.peers["recycler"], Still(node)

    @examples(6)
    @given(body=anything, id=text.filter(lambda word: bool(word.strip("/"))))
    def send(body: Any, id: str) -> None:
        path = f"{BASE}/" + "/".join(part(id) if step == "*" else step for step in route.steps)
        for method in {route.method, "PUT"}:
            answer = node.says(peer, method, path, written(body))
            is_in_shape(path, answer)
            assert answer.status in {400, 404, 405, 413}, answer.body
            still.after(answer)

    send()


@pytest.mark.parametrize("door", list(ELSEWHERE))
def test_every_other_door_takes_anything_calmly(node: Node, door: str) -> None:
    peer, still = node.peers["recycler"], Still(node)
    addresses = st.sampled_from(ELSEWHERE[door])
    methods = st.sampled_from(METHODS)
    known = st.sampled_from(["EV-72", "EV-72.000017", "dismantling", "bmFtZQ", "10"])

    @examples(25)
    @given(address=addresses, words=st.lists(text | known, min_size=3, max_size=3), method=methods, body=anything, who=st.booleans())
    def knock(address: str, words: list[str], method: str, body: Any, who: bool) -> None:
        for word in words:
            address = address.replace("*", part(word), 1)
        path = f"/{door}{address}"
        data = None if method == "GET" else written(body)
        headers = {"Content-Type": JSON} if data is not None else {}
        answer = node.says(peer, method, path, data) if who else node.call(method, path, data, headers)
        is_in_shape(path, answer)
        still.after(answer)

    knock()
    assert node.bugs() == []


# --- the operator listener -----------------------------------------------------------------------

DOCUMENT = openapi.document()
OPERATIONS = {
    f"{method.upper()} {path}": (operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema"))
    for path, held in DOCUMENT["paths"].items()
    for method, operation in held.items()
}
# What is slow, makes keys, backups or whole imports, or asks the network: not for random words in number.
_FEW = ("/check", "/keys/", "/backup", "/import", "/pull", "/peers/{name}/")
_AAS = {"* /management/aas/api/{path}"}  # one route, as at the other listener


@pytest.mark.parametrize("door", ["/management/aas"])
def test_the_operators_aas_api_takes_anything_calmly(managed: Node, door: str) -> None:
    still, addresses = Still(managed), st.sampled_from(ELSEWHERE["aas"])

    @examples(40)
    @given(address=addresses, words=st.lists(text, min_size=3, max_size=3), method=st.sampled_from(METHODS), body=anything)
    def ask(address: str, words: list[str], method: str, body: Any) -> None:
        for word in words:
            address = address.replace("*", part(word), 1)
        path = f"{door}{address}"
        answer = managed.operate(method, path.removeprefix("/management"), None if method == "GET" else written(body))
        is_in_operators_shape(path, answer)
        still.after(answer)

    ask()
    assert managed.bugs() == []


async def _served(folder: Path) -> set[str]:
    made = await asyncio.to_thread(make, folder, name="node", profile="development")
    built = wiring.build(load(made.home, {}))
    routes = {f"{route.method} {route.resource.canonical}" for route in built.operator.router.routes() if route.resource}
    await built.world.store.close()
    return {route for route in routes if not route.startswith("HEAD")}


async def test_every_route_of_the_operator_listener_is_called(tmp_path: Path) -> None:
    """The description has them all but those that describe and count."""
    served = await _served(tmp_path / "node")
    assert served - set(OPERATIONS) <= {"GET /health", "GET /health/ready", "GET /metrics", "GET /management/openapi.json", *_AAS}


def valued(schema: Any) -> st.SearchStrategy[Any]:
    """Values of roughly this schema."""
    schema = schema or {}
    if "$ref" in schema:
        return st.deferred(lambda: valued(DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]))
    if "anyOf" in schema or "oneOf" in schema:
        return st.one_of([valued(each) for each in schema.get("anyOf", schema.get("oneOf"))])
    match schema.get("type"):
        case "object":
            properties = {name: valued(each) for name, each in schema.get("properties", {}).items()}
            required = {name: properties[name] for name in schema.get("required", ()) if name in properties}
            return st.fixed_dictionaries(required, optional={name: each for name, each in properties.items() if name not in required})
        case "array":
            return st.lists(valued(schema.get("items")), max_size=3)
        case "string":
            return st.sampled_from(["EV-72", "dismantling", "recycler", "oem", "nobody"]) | text
        case "number" | "integer":
            return st.sampled_from([0, 1, 0.0]) | st.floats() | st.integers()
        case "boolean":
            return st.booleans()
    return anything


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_takes_anything_calmly(managed: Node, name: str) -> None:
    method, template = name.split(" ")
    schema, still = OPERATIONS[name], Still(managed)
    words = text.filter(lambda word: bool(word) and "/" not in word and word not in (".", "..")) | st.just("EV-72")

    @examples(2 if any(each in template for each in _FEW) else 4)
    @given(body=valued(schema).flatmap(lambda value: st.just(value) | spoilt(value)) | anything, word=words)
    def ask(body: Any, word: str) -> None:
        path = template
        while "{" in path:
            path = path[: path.index("{")] + part(word) + path[path.index("}") + 1 :]
        if isinstance(body, dict) and "wait" in body:
            body["wait"] = 0
        answer = managed.operate(method, path.removeprefix("/management"), written(body) if method in ("POST", "PUT") else None)
        is_in_operators_shape(path, answer)
        still.after(answer)

    ask()
    assert managed.bugs() == []
