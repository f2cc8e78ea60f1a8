"""What anybody is told of a battery's life: its names, its versions, where its link leads, and how it ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from connector.exchange import release
from connector.http.app import dataspace_app
from connector.http.settings import Settings
from connector.identity.static import StaticIdentity
from connector.operate import endings, passports, publishing
from connector.ports import World
from submodels.folder import read_folder
from submodels.value import walk, write_json

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"
HOME = "https://maker.example"
FIRST, SECOND = "EV-72.000017", "EV-72.000018"
GS1 = "/01/09506000172040/21/000017"
Client = TestClient[web.Request, web.Application]


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
async def stocked(world: World) -> World:
    key = JWK.generate(kty="EC", crv="P-256")
    clock = Clock()
    signing = StaticIdentity(world.store, clock, key, world.me)
    made = replace(world, sign=signing.statement, clock=clock, extra={"key": key})
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    await passports.import_batch(made, read_folder(files))
    clock.at += timedelta(days=10)
    await publishing.publish(made, "EV-72")
    clock.at += timedelta(days=10)
    return made


@pytest.fixture
async def visitor(stocked: World, settings: Settings) -> AsyncIterator[Client]:
    async with TestClient(TestServer(dataspace_app(stocked, settings))) as client:
        yield client


async def ask(client: Client, path: str, **headers: str) -> tuple[int, bytes, Any]:
    async with client.get(path, allow_redirects=False, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def secrets(world: World, battery: str) -> set[bytes]:
    """Every text and number of a passport that is not public, and long enough to be looked for."""
    whole, shown = await release.operator(world, battery), await release.public(world, battery)

    def leaves(parts: Any) -> set[bytes]:
        return {write_json(value).strip(b'"') for part, tree in parts.items() for _, _, value in walk(part, tree)}

    return {each for each in leaves(whole.parts) - leaves(shown.parts) if len(each) > 4}


@pytest.mark.parametrize("link", [f"/i/{FIRST}", GS1, f"{GS1}?linkType=gs1:pip", f"{GS1}/", "/01/09506000172040/10/LOT/21/000017"])
async def test_an_identification_link_leads_to_the_public_passport(visitor: Client, link: str) -> None:
    status, _, headers = await ask(visitor, link)
    assert (status, headers["Location"]) == (303, f"{HOME}/passports/{FIRST}")


@pytest.mark.parametrize("link", [GS1, f"/i/{FIRST}"])
async def test_the_same_link_is_a_set_of_links_for_who_asks_so(visitor: Client, link: str) -> None:
    for path, headers in ((f"{link}?linkType=all", {}), (link, {"Accept": "application/linkset+json"})):
        status, body, told = await ask(visitor, path, **headers)
        assert (status, told["Content-Type"]) == (200, "application/linkset+json")
        [context] = json.loads(body)["linkset"]
        assert context["anchor"] == f"{HOME}{link}"
        assert context["https://ref.gs1.org/voc/defaultLink"][0]["href"] == f"{HOME}/passports/{FIRST}"


async def test_a_link_to_what_is_not_published_is_as_unknown_as_any(visitor: Client, stocked: World) -> None:
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    files = {
        name: text.replace(b"/21/0000", b"/21/9000").replace(b"EV-72", b"EV-74") for name, text in files.items() if "documents" not in name
    }
    await passports.import_batch(stocked, read_folder(files))
    for hidden, unknown in (("/i/EV-74.000017", "/i/EV-99.000017"), ("/01/09506000172040/21/900017", "/01/09506000172040/21/700017")):
        for suffix in ("", "?linkType=all"):
            assert (await ask(visitor, hidden + suffix))[:2] == (await ask(visitor, unknown + suffix))[:2]
            assert (await ask(visitor, hidden + suffix))[0] == 404
    assert (await ask(visitor, "/passports/EV-74.000017/did.json"))[:2] == (await ask(visitor, "/passports/EV-99.000017/did.json"))[:2]


async def test_a_wrong_digit_on_a_label_is_no_other_battery(visitor: Client) -> None:
    assert (await ask(visitor, "/01/09506000172041/21/000017"))[0] == 404


async def test_a_battery_has_a_did_document_with_its_public_names(visitor: Client) -> None:
    status, body, headers = await ask(visitor, f"/passports/{FIRST}/did.json")
    document = json.loads(body)
    assert (status, headers["Content-Type"]) == (200, "application/did+json")
    assert document["id"] == f"did:web:maker.example:passports:{FIRST}"
    assert document["controller"] == "did:web:maker.example"
    assert {each["serviceEndpoint"] for each in document["service"]} == {f"{HOME}/passports/{FIRST}", f"{HOME}/.well-known/dspace-version"}
    assert f"{HOME}{GS1}" in document["alsoKnownAs"]


@pytest.mark.parametrize(
    "name", [f"did:web:maker.example:passports:{FIRST}", f"{HOME}{GS1}", f"{HOME}/i/{FIRST}", "https://id.gs1.org" + GS1]
)
async def test_any_of_its_names_finds_the_battery(stocked: World, name: str) -> None:
    assert (await release.public(stocked, name)).battery == FIRST


async def test_nothing_that_is_not_public_leaves_by_these_doors(visitor: Client, stocked: World) -> None:
    hidden = await secrets(stocked, FIRST)
    assert len(hidden) > 40
    await endings.supersede(stocked, FIRST, SECOND, "the battery is repurposed")
    then = (stocked.clock.now() - timedelta(days=5)).date()
    doors = (f"/i/{FIRST}", f"{GS1}?linkType=all", f"/passports/{FIRST}", f"/passports/{FIRST}?at={then}", f"/passports/{FIRST}/did.json")
    for door in (*doors, "/.well-known/gs1resolver"):
        status, body, headers = await ask(visitor, door)
        said = body + str(headers).encode()
        assert status in (200, 303)
        assert [each for each in hidden if each in said] == [], door
        assert b"repurposed" not in said
        assert "Saltbridge-Revision" not in headers  # it would count changes of what is not public


async def test_a_superseded_passport_names_its_successor_and_the_successor_names_it(visitor: Client, stocked: World) -> None:
    await endings.supersede(stocked, FIRST, SECOND, "")
    _, body, headers = await ask(visitor, f"/passports/{FIRST}")
    assert (json.loads(body)["status"], json.loads(body)["successor"]) == ("superseded", f"{HOME}/passports/{SECOND}")
    assert headers["Link"] == f'<{HOME}/passports/{SECOND}>; rel="successor-version"'
    _, body, headers = await ask(visitor, f"/passports/{SECOND}")
    assert json.loads(body)["predecessors"] == [f"{HOME}/passports/{FIRST}"]
    assert 'rel="predecessor-version"' in headers["Link"]


async def test_a_version_is_read_by_its_date_once_it_was_public(visitor: Client, stocked: World) -> None:
    now = stocked.clock.now()
    _, today, _ = await ask(visitor, f"/passports/{FIRST}")
    await passports.update(stocked, "EV-72", "circularity", await _other_circularity(stocked))
    stocked.clock.at += timedelta(days=5)  # type: ignore[attr-defined]
    _, changed, _ = await ask(visitor, f"/passports/{FIRST}")
    assert changed != today
    assert (await ask(visitor, f"/passports/{FIRST}?at={(now - timedelta(days=2)).date()}"))[1] == today
    assert (await ask(visitor, f"/passports/{FIRST}?at={stocked.clock.now().date()}"))[1] == changed
    instant = (now - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await ask(visitor, f"/passports/{FIRST}?at={instant}"))[1] == today
    never = await ask(visitor, "/passports/EV-99.1")
    for before in ((now - timedelta(days=15)).date(), "2001-01-01"):
        assert (await ask(visitor, f"/passports/{FIRST}?at={before}"))[:2] == never[:2]
    for wrong in ("tomorrow", "2999-01-01", "2026-13-01", "2026-11-01T00:00:00", "2026-11-01&at=2026-11-02"):
        assert (await ask(visitor, f"/passports/{FIRST}?at={wrong}"))[0] == 400


async def test_what_has_ceased_is_a_signed_statement_and_no_404(visitor: Client, stocked: World) -> None:
    hidden = await secrets(stocked, FIRST)
    await endings.cease(stocked, FIRST, "recycled at Halden", "https://second.example/passports/R-1")
    for path in (
        f"/passports/{FIRST}",
        f"/passports/{FIRST}?at=2026-11-01",
        f"/passports/{FIRST}/documents/x",
        f"/passports/{FIRST}/did.json",
    ):
        status, body, _ = await ask(visitor, path)
        told = json.loads(body)
        assert (status, told["code"], told["why"]) == (410, "passport.ceased", "recycled at Halden")
        assert [each for each in hidden if each in body] == []
        signed = JWS()
        signed.deserialize(told["statement"], stocked.extra["key"])  # raises where the signature is not this key's
        claims = json.loads(signed.payload)
        assert {name: claims[name] for name in ("iss", "sub", "why", "successor", "ceased")} == {
            "iss": "did:web:maker.example", "sub": f"{HOME}/passports/{FIRST}", "why": "recycled at Halden",
            "successor": "https://second.example/passports/R-1", "ceased": told["ceased"],
        }  # fmt: skip
        assert json.loads(signed.objects["protected"])["typ"] == "saltbridge-passport-end+jwt"
    assert (await ask(visitor, GS1))[0] == 303
    assert (await ask(visitor, f"/passports/{SECOND}"))[0] == 200


async def _other_circularity(world: World) -> bytes:
    tree: Any = dict((await release.operator(world, FIRST)).parts["circularity"])  # type: ignore[arg-type]
    return write_json(tree | {"RenewableContent": 11})
