"""The data endpoint, public passports, grants and well-known documents, on a real passport and a real agreement."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from connector.dataplane.tokens import HmacTokens
from connector.exchange.parcel import Parcel
from connector.http.app import dataspace_app
from connector.http.data import attachment, deliver
from connector.http.settings import Settings
from connector.ports import World
from connector.records import Agreement, Battery, Document, Grant, Layer, Model, Place, Transfer
from submodels.grant import make_grant

from .conftest import ME, OTHER, PEER, Client

NOW = datetime.now(UTC)
BATTERY = "EV-72.000017"
MANUAL = b"%PDF-1.7 how to take it apart"
SPARE = "/SparePartSources/*/NameOfSupplier"
GRANT = make_grant([f"circularity{SPARE}"], ["dismantling-manual"], "legitimate-interest")
DATASET = f"model.EV-72.{GRANT.digest}"
CIRCULARITY = '{"SparePartSources":[{"NameOfSupplier":[{"en":"Zinnwald Spares"}]}],"DismantlingAndRemovalInformation":["DOC-DIS-1"]}'
NAMEPLATE = '{"ManufacturerName":[{"en":"Erzgebirge Cells"}],"URIOfTheProduct":"https://id.example/EV-72/000017"}'


@pytest.fixture
async def stocked(world: World) -> World:
    """The world with one published battery, its manual, and an agreement of PEER over the model with a started transfer."""
    policy = {
        "@id": "agreement-1", "@type": "Agreement", "target": DATASET, "assigner": ME, "assignee": PEER, "timestamp": NOW.isoformat(),
        "permission": [{"action": "use", "constraint": [
            {"leftOperand": "https://w3id.org/saltbridge/v1/grant", "operator": "eq", "rightOperand": f"sha-256:{GRANT.digest}"}
        ]}],
    }  # fmt: skip
    async with world.store.transaction() as tx:
        tx.put(Model(id="EV-72", category="ev", status="published", changed=NOW))
        tx.put(Battery(id=BATTERY, model="EV-72", serial="000017", aliases=("https://id.example/EV-72/000017",), changed=NOW))
        tx.put(Layer(id="EV-72/circularity", owner="EV-72", part="circularity", content=CIRCULARITY))
        tx.put(Layer(id="EV-72/nameplate", owner="EV-72", part="nameplate", content=NAMEPLATE))
        tx.put(Document(
            id="EV-72.manual", owner="EV-72", identifier="DOC-DIS-1", document_kind="dismantling-manual", title="Take apart",
            filename="take apart ü.pdf", media_type="application/pdf", size=len(MANUAL), sha256=tx.keep(MANUAL),
        ))  # fmt: skip
        tx.put(Grant(id=GRANT.digest, content=GRANT.canonical()))
        tx.put(Agreement(
            id="agreement-1", side="provider", peer=PEER, negotiation="n", dataset=DATASET, assigner=ME, assignee=PEER, policy=policy,
            scope="model.EV-72", grant=GRANT.canonical(), view="dismantling", state="FINALIZED", signed=NOW,
        ))  # fmt: skip
        tx.put(Transfer(
            id="transfer-1", side="provider", peer=PEER, peer_pid="p", address="https://recycler.example", place=Place(state="STARTED"),
            agreement="agreement-1", format="HttpData-PULL", generation=1, opened=NOW, changed=NOW,
        ))  # fmt: skip
    return replace(world, tokens=HmacTokens(bytes(32)))


@pytest.fixture
async def node(stocked: World, settings: Settings) -> AsyncIterator[Client]:
    async with TestClient(TestServer(dataspace_app(stocked, settings))) as client:
        yield client


@pytest.fixture
def token(stocked: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {stocked.tokens.issue('transfer-1', 1, PEER, NOW + timedelta(hours=1))}"}


# --- under a contract ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/data", "/data/", f"/data/{BATTERY}", f"/data/{BATTERY}/circularity", f"/data/{BATTERY}/documents/EV-72.manual"]
)
@pytest.mark.parametrize("authorization", ["", "Bearer x", "Bearer ", "Basic abc", "x.y.z", PEER])
async def test_nothing_leaves_without_a_token_of_ours(node: Client, path: str, authorization: str) -> None:
    answer = await node.get(path, headers={"Authorization": authorization} if authorization else {})
    body = await answer.json()
    assert (answer.status, body["code"], set(body)) == (401, "identity.unknown", {"code", "reason", "decision"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_wider_scope_answers_with_a_manifest(node: Client, token: dict[str, str]) -> None:
    answer = await node.get("/data", headers=token)
    manifest = await answer.json()
    assert (answer.status, manifest["dataset"], manifest["grant"]) == (200, DATASET, GRANT.digest)
    assert manifest["parts"] == ["circularity"] and BATTERY not in str(manifest)
    assert (await (await node.get("/data/", headers=token)).json())["grant"] == GRANT.digest


@pytest.mark.parametrize(
    "path", [f"/data/{BATTERY}", "/data?battery=000017", "/data?battery=https%3A%2F%2Fid.example%2FEV-72%2F000017", f"//data//{BATTERY}/"]
)
async def test_a_battery_is_found_by_any_of_its_identifiers_and_gives_the_granted_parts(
    node: Client, token: dict[str, str], path: str
) -> None:
    answer = await node.session.get(URL(f"http://{node.host}:{node.port}{path}", encoded=True), headers=token)
    text = await answer.text()
    assert answer.status == 200 and set(await answer.json()) == {"circularity"}
    assert "Zinnwald Spares" in text and "Erzgebirge" not in text and "DOC-DIS-1" not in text


@pytest.mark.parametrize(
    "path", ["circularity", "circularity/$value", "circularity/SparePartSources", "circularity/SparePartSources/0/NameOfSupplier"]
)
async def test_parts_and_places_in_them_can_be_asked_for(node: Client, token: dict[str, str], path: str) -> None:
    answer = await node.get(f"/data/{BATTERY}/{path}", headers=token)
    assert answer.status == 200 and "Zinnwald Spares" in await answer.text()


@pytest.mark.parametrize("path", ["nameplate", "nameplate/ManufacturerName", "circularity/DismantlingAndRemovalInformation"])
async def test_a_path_outside_the_grant_is_refused_with_a_decision(node: Client, token: dict[str, str], path: str) -> None:
    answer = await node.get(f"/data/{BATTERY}/{path}", headers=token)
    body = await answer.json()
    assert (answer.status, body["code"], body["decision"][:2]) == (403, "grant.path", "d-")
    assert f"decision {body['decision']}" in body["reason"]


@pytest.mark.parametrize(
    "path", [f"/data/{BATTERY}/nothing", "/data/EV-72.999999", "/data?battery=unknown", f"/data/{BATTERY}/documents/other"]
)
async def test_what_is_not_there_is_unknown(node: Client, token: dict[str, str], path: str) -> None:
    answer = await node.get(path, headers=token)
    assert (answer.status, (await answer.json())["code"]) == (404, "not.found")


async def test_a_document_is_saved_never_shown(node: Client, token: dict[str, str]) -> None:
    answer = await node.get(f"/data/{BATTERY}/documents/EV-72.manual", headers=token)
    assert (answer.status, await answer.read(), answer.content_type) == (200, MANUAL, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_answer_names_its_receipt_and_revision_and_hides_the_bytes_digest(node: Client, token: dict[str, str]) -> None:
    first, second = [await node.get(f"/data/{BATTERY}/circularity", headers=token) for _ in range(2)]
    assert first.headers["Saltbridge-Receipt"] != second.headers["Saltbridge-Receipt"]
    assert first.headers["ETag"] == second.headers["ETag"] and first.headers["ETag"].startswith('"')
    assert hashlib.sha256(await first.read()).hexdigest()[:16] not in first.headers["ETag"]


async def test_one_battery_is_asked_for_at_a_time(node: Client, token: dict[str, str]) -> None:
    assert (await node.get("/data?battery=000017&battery=000018", headers=token)).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/data", f"/passports/{BATTERY}", f"/grants/{GRANT.digest}", "/.well-known/did.json"])
async def test_data_is_only_read(node: Client, method: str, path: str) -> None:
    answer = await node.request(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


# --- without one ---------------------------------------------------------------------------------


async def test_a_public_passport_needs_no_contract_and_holds_public_elements_only(node: Client) -> None:
    answer = await node.get(f"/passports/{BATTERY}")
    text = await answer.text()
    assert answer.status == 200 and answer.headers["ETag"]
    assert "Erzgebirge Cells" in text and "Zinnwald" not in text and "DOC-DIS-1" not in text and "EV-72.manual" not in text


@pytest.mark.parametrize("path", ["EV-72.999999", f"{BATTERY}/documents/EV-72.manual", f"{BATTERY}/circularity", ""])
async def test_a_passport_that_is_not_public_is_unknown(node: Client, path: str) -> None:
    assert (await node.get(f"/passports/{path}")).status == 404


async def test_a_draft_is_not_public(node: Client, stocked: World) -> None:
    async with stocked.store.transaction() as tx:
        model = await tx.get(Model, "EV-72")
        assert model is not None
        tx.put(replace(model, status="draft"))
    assert (await node.get(f"/passports/{BATTERY}")).status == 404


async def test_a_grant_is_told_to_known_peers_who_may_see_a_dataset_of_it(node: Client) -> None:
    assert (await node.get(f"/grants/{GRANT.digest}")).status == 401
    hidden = await node.get(f"/grants/{GRANT.digest}", headers={"Authorization": OTHER})
    unknown = await node.get(f"/grants/{'A' * 43}", headers={"Authorization": OTHER})
    assert hidden.status == unknown.status == 404 and await hidden.text() == await unknown.text()


async def test_versions_are_told_to_everyone_without_a_context(node: Client) -> None:
    answer = await node.get("/.well-known/dspace-version")
    assert answer.status == 200
    assert await answer.json() == {"protocolVersions": [{"version": "2025-1", "path": "/dsp/2025-1", "binding": "HTTPS"}]}


async def test_our_card_is_told_to_everyone(node: Client) -> None:
    assert await (await node.get("/.well-known/did.json")).json() == {"id": ME}


# --- headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "plain", "whole"),
    [
        ("manual.pdf", "manual.pdf", "manual.pdf"),
        ("take apart ü.pdf", "take_apart__.pdf", "take%20apart%20%C3%BC.pdf"),
        ('a"\r\nSet-Cookie: x.pdf', "a___Set-Cookie__x.pdf", "a%22%0D%0ASet-Cookie%3A%20x.pdf"),
        ("../../etc/passwd", ".._.._etc_passwd", "..%2F..%2Fetc%2Fpasswd"),
    ],
)
def test_a_file_name_breaks_out_of_no_header(filename: str, plain: str, whole: str) -> None:
    assert attachment(filename) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def test_only_documents_are_attachments() -> None:
    assert "Content-Disposition" not in deliver(Parcel(b"{}")).headers
    assert deliver(Parcel(b"{}", etag="abc")).headers["ETag"] == '"abc"'
