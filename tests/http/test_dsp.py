"""Every endpoint of DSP 2025-1, both roles behind one table: who is let in, what is read, what is answered when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from connector.exchange.decide import ProductDecider
from connector.http import dsp
from connector.http.app import dataspace_app, listen
from connector.http.doorway import Family
from connector.http.settings import Settings
from connector.ports import Move, Transaction, World
from connector.protocol.negotiation import Message
from connector.records import Asset, ContractDefinition, Negotiation, PolicyDefinition

from .conftest import CONTEXT, NIL, OTHER, PEER, ByName, Client, message, offer

BASE = "/dsp/2025-1"
AUTH = {"Authorization": PEER, "Content-Type": "application/json"}
THEIRS = "urn:uuid:11111111-1111-1111-1111-111111111111"
OURS = "urn:uuid:22222222-2222-2222-2222-222222222222"

# The tables of the specification: method, path, the message's @type, whose pid the path holds.
ENDPOINTS = [
    ("POST", "catalog/request", "CatalogRequestMessage", ""),
    ("GET", "catalog/datasets/{id}", "", ""),
    ("GET", "negotiations/{id}", "", ""),
    ("POST", "negotiations/request", "ContractRequestMessage", ""),
    ("POST", "negotiations/offers", "ContractOfferMessage", ""),
    ("POST", "negotiations/{id}/request", "ContractRequestMessage", "provider"),
    ("POST", "negotiations/{id}/offers", "ContractOfferMessage", "consumer"),
    ("POST", "negotiations/{id}/agreement", "ContractAgreementMessage", "consumer"),
    ("POST", "negotiations/{id}/agreement/verification", "ContractAgreementVerificationMessage", "provider"),
    ("POST", "negotiations/{id}/events", "ContractNegotiationEventMessage", "either"),
    ("POST", "negotiations/{id}/termination", "ContractNegotiationTerminationMessage", "either"),
    ("GET", "transfers/{id}", "", ""),
    ("POST", "transfers/request", "TransferRequestMessage", ""),
    ("POST", "transfers/{id}/start", "TransferStartMessage", "either"),
    ("POST", "transfers/{id}/completion", "TransferCompletionMessage", "either"),
    ("POST", "transfers/{id}/termination", "TransferTerminationMessage", "either"),
    ("POST", "transfers/{id}/suspension", "TransferSuspensionMessage", "either"),
]
AGREEMENT = {"@id": "a", "@type": "Agreement", "target": "d", "assigner": "x", "assignee": "y", "permission": [{"action": "use"}]}
RUNNING = {
    "ContractRequestMessage": {"offer": offer()},
    "ContractOfferMessage": {"offer": offer()},
    "ContractAgreementMessage": {"agreement": AGREEMENT},
    "ContractNegotiationEventMessage": {"eventType": "FINALIZED"},
}


def running(type: str, consumer: str, provider: str) -> bytes:
    return message(type, consumerPid=consumer, providerPid=provider, **RUNNING.get(type, {}))


def test_the_table_is_the_specifications() -> None:
    table = {
        (route.method, "/".join("{id}" if step == "*" else step for step in route.steps), getattr(route.expects, "type", ""), route.own)
        for route in dsp.ROUTES
    }
    assert table == set(ENDPOINTS)


@pytest.mark.parametrize(("method", "path", "type", "own"), ENDPOINTS)
async def test_nobody_is_answered_before_we_know_who_asks(dataspace: Client, method: str, path: str, type: str, own: str) -> None:
    for headers in ({}, {"Authorization": "did:web:nobody.example"}):
        headers = {"Content-Type": "application/json", **headers}
        answer = await dataspace.request(method, f"{BASE}/{path.format(id=OURS)}", data=b"{}" if type else None, headers=headers)
        body = await answer.json()
        assert (answer.status, body["code"], body["reason"]) == (
            401,
            "identity.unknown",
            ["Not authenticated.", "Send a valid token for this node."],
        )
        assert (
            body["@type"]
            == {"catalog": "CatalogError", "negotiations": "ContractNegotiationError", "transfers": "TransferError"}[
                path.split("/", maxsplit=1)[0]
            ]
        )


@pytest.mark.parametrize(("method", "path", "type", "own"), [row for row in ENDPOINTS if row[2]])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"@type": "x"}', b'{"@context": "x"}', b'{"a":1,"a":2}', b"\xff"])
async def test_what_is_not_the_expected_message_is_refused_in_the_protocols_words(
    dataspace: Client, method: str, path: str, type: str, own: str, body: bytes
) -> None:
    answer = await dataspace.post(f"{BASE}/{path.format(id=OURS)}", data=body, headers=AUTH)
    said = await answer.json()
    assert answer.status == 400 and said["@context"] == CONTEXT and said["reason"]


@pytest.mark.parametrize(("method", "path", "type", "own"), [row for row in ENDPOINTS if row[2] and row[2] != "CatalogRequestMessage"])
async def test_a_route_reads_its_own_message_only(dataspace: Client, method: str, path: str, type: str, own: str) -> None:
    wrong = running("TransferCompletionMessage" if type != "TransferCompletionMessage" else "TransferStartMessage", THEIRS, OURS)
    assert (await dataspace.post(f"{BASE}/{path.format(id=OURS)}", data=wrong, headers=AUTH)).status == 400


@pytest.mark.parametrize(("method", "path", "type", "own"), [row for row in ENDPOINTS if row[3]])
async def test_the_path_and_the_message_name_one_process(dataspace: Client, method: str, path: str, type: str, own: str) -> None:
    consumer, provider = (OURS, THEIRS) if own == "consumer" else (THEIRS, OURS)
    pids: dict[str, Any] = {"consumer": consumer, "provider": provider}
    body = running(type, consumer, provider)
    unknown = await dataspace.post(f"{BASE}/{path.format(id=OURS)}", data=body, headers=AUTH)
    said = await unknown.json()
    assert (unknown.status, said["code"]) == (404, "not.found"), said
    assert (said["consumerPid"], said["providerPid"]) == (consumer, provider)
    elsewhere = await dataspace.post(f"{BASE}/{path.format(id='urn:uuid:other')}", data=body, headers=AUTH)
    assert elsewhere.status == 400, pids


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _, _ in ENDPOINTS])
async def test_another_method_is_refused_with_those_that_work(dataspace: Client, method: str, path: str) -> None:
    answer = await dataspace.request("PUT", f"{BASE}/{path.format(id=OURS)}", headers=AUTH)
    assert answer.status == 405 and method in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/dsp", "/dsp/2024-1/catalog/request", f"{BASE}/", f"{BASE}/negotiations", f"{BASE}/negotiations/a/b/c/d"]
)
async def test_other_paths_are_unknown(dataspace: Client, path: str) -> None:
    assert (await dataspace.post(path, data=b"{}", headers=AUTH)).status == 404


async def test_reading_calls_are_safe_and_writing_ones_are_not(dataspace: Client, world: World) -> None:
    await dataspace.post(f"{BASE}/catalog/request", data=message("CatalogRequestMessage"), headers=AUTH)
    await dataspace.get(f"{BASE}/negotiations/{OURS}", headers=AUTH)
    await dataspace.post(f"{BASE}/negotiations/offers", data=opening(), headers=AUTH)
    assert isinstance(world.identity, ByName)
    assert world.identity.safe == [True, True, False]


# --- a whole story: a provider offers, we are the consumer ---------------------------------------


def opening(pid: str = THEIRS, callback: str = "https://recycler.example/dsp") -> bytes:
    return message("ContractOfferMessage", providerPid=pid, offer=offer(), callbackAddress=callback)


async def test_an_opening_is_answered_201_and_a_repeat_of_it_changes_nothing(dataspace: Client) -> None:
    first = await dataspace.post(f"{BASE}/negotiations/offers", data=opening(), headers=AUTH)
    ack = await first.json()
    assert first.status == 201
    assert (ack["@type"], ack["state"], ack["providerPid"], ack["@context"]) == ("ContractNegotiation", "OFFERED", THEIRS, CONTEXT)
    again = await dataspace.post(f"{BASE}/negotiations/offers", data=opening(), headers=AUTH)
    assert again.status in (200, 201) and (await again.json())["consumerPid"] == ack["consumerPid"]


async def test_a_process_is_read_by_its_other_side_only(dataspace: Client) -> None:
    ack = await (await dataspace.post(f"{BASE}/negotiations/offers", data=opening(), headers=AUTH)).json()
    address = f"{BASE}/negotiations/{ack['consumerPid']}"
    read = await dataspace.get(address, headers=AUTH)
    assert read.status == 200 and (await read.json()) == ack
    foreign = await dataspace.get(address, headers={"Authorization": OTHER})
    unknown = await dataspace.get(f"{BASE}/negotiations/{OURS}", headers={"Authorization": OTHER})
    assert (foreign.status, await foreign.text()) == (unknown.status, await unknown.text()) == (404, await unknown.text())
    assert (await unknown.json())["consumerPid"] == NIL


async def test_a_later_message_is_answered_200_and_an_illegal_one_400(dataspace: Client) -> None:
    ack = await (await dataspace.post(f"{BASE}/negotiations/offers", data=opening(), headers=AUTH)).json()
    ours = ack["consumerPid"]
    agreed = await dataspace.post(
        f"{BASE}/negotiations/{ours}/agreement", data=running("ContractAgreementMessage", ours, THEIRS), headers=AUTH
    )
    body = await agreed.json()
    assert (agreed.status, body["@type"]) == (400, "ContractNegotiationError")
    assert (body["consumerPid"], body["providerPid"]) == (ours, THEIRS)
    ended = await dataspace.post(
        f"{BASE}/negotiations/{ours}/termination", data=running("ContractNegotiationTerminationMessage", ours, THEIRS), headers=AUTH
    )
    assert (ended.status, (await ended.json())["state"]) == (200, "TERMINATED")


@pytest.mark.parametrize(
    "slip", ["{base}//negotiations/offers", "/{base}/negotiations/offers", "{base}/negotiations/offers/", "{base}/negotiations//offers//"]
)
async def test_doubled_and_trailing_slashes_are_forgiven(dataspace: Client, slip: str) -> None:
    url = URL(f"http://{dataspace.host}:{dataspace.port}{slip.format(base=BASE)}", encoded=True)
    assert (await dataspace.session.post(url, data=opening(), headers=AUTH)).status == 201


class Accepting(ProductDecider):
    """Takes every offer, so that each one causes a message of ours."""

    async def negotiation(self, world: World, tx: Transaction, process: Negotiation) -> Move:
        return Move(message=Message.ACCEPT)


async def test_what_a_message_caused_is_let_go_once_it_is_answered(world: World, settings: Settings) -> None:
    async with TestClient(TestServer(dataspace_app(replace(world, decider=Accepting()), settings))) as client:
        await client.post(f"{BASE}/negotiations/offers", data=opening(), headers=AUTH)
    claimed = await world.store.claim(world.clock.now())
    assert [letter.message for letter in claimed] == [Message.ACCEPT]


async def test_a_replayed_token_writes_nothing(dataspace: Client, world: World) -> None:
    headers = {**AUTH, "Authorization": f"{PEER} nonce-1"}
    assert (await dataspace.post(f"{BASE}/negotiations/offers", data=opening(), headers=headers)).status == 201
    second = await dataspace.post(
        f"{BASE}/negotiations/offers", data=opening("urn:uuid:33333333-3333-3333-3333-333333333333"), headers=headers
    )
    assert (second.status, (await second.json())["@type"]) == (401, "ContractNegotiationError")
    async with world.store.transaction() as tx:
        assert len(await tx.find(Negotiation)) == 1


async def test_a_callback_elsewhere_is_refused(dataspace: Client) -> None:
    answer = await dataspace.post(f"{BASE}/negotiations/offers", data=opening(callback="https://evil.example"), headers=AUTH)
    assert answer.status == 400 and "callbackAddress" in str(await answer.json())


async def test_a_message_over_the_limit_is_refused_whole(dataspace: Client) -> None:
    big = message("ContractOfferMessage", providerPid=THEIRS, offer=offer(note="x" * 20_000), callbackAddress="https://recycler.example")
    answer = await dataspace.post(f"{BASE}/negotiations/offers", data=big, headers=AUTH)
    assert (answer.status, (await answer.json())["@type"]) == (413, "ContractNegotiationError")


async def test_ld_json_and_a_missing_type_are_taken(dataspace: Client) -> None:
    for headers in ({"Content-Type": "application/ld+json"}, {}):
        answer = await dataspace.post(
            f"{BASE}/catalog/request",
            data=message("CatalogRequestMessage"),
            headers={"Authorization": PEER, **headers},
            skip_auto_headers=["Content-Type"],
        )
        assert answer.status == 200


# --- catalog -------------------------------------------------------------------------------------


async def test_a_catalog_has_no_empty_arrays_and_is_json(dataspace: Client) -> None:
    answer = await dataspace.post(f"{BASE}/catalog/request", data=message("CatalogRequestMessage", filter=[]), headers=AUTH)
    body = await answer.json()
    assert answer.status == 200 and answer.content_type == "application/json" and "Link" not in answer.headers
    assert (body["@context"], body["@type"], body["participantId"]) == (CONTEXT, "Catalog", "did:web:maker.example")
    assert "dataset" not in body


async def test_a_dataset_that_is_not_for_the_caller_is_unknown(dataspace: Client) -> None:
    answer = await dataspace.get(f"{BASE}/catalog/datasets/model.EV-72.x", headers=AUTH)
    body = await answer.json()
    assert (answer.status, body["@type"], body["code"]) == (404, "CatalogError", "not.found")


@pytest.mark.parametrize("filter", [[{"x": 1}], ["SELECT 1"]])
async def test_a_filter_that_is_not_understood_is_400(dataspace: Client, filter: list[Any]) -> None:
    answer = await dataspace.post(f"{BASE}/catalog/request", data=message("CatalogRequestMessage", filter=filter), headers=AUTH)
    assert (answer.status, (await answer.json())["@type"]) == (400, "CatalogError")


async def test_a_cursor_that_is_not_ours_is_400(dataspace: Client) -> None:
    answer = await dataspace.post(f"{BASE}/catalog/request?continuationToken=x", data=message("CatalogRequestMessage"), headers=AUTH)
    assert (answer.status, (await answer.json())["@type"]) == (400, "CatalogError")


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False), ("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("gzip;q=0.0, *", False),
        ("*", True), ("*;q=0", False), ("deflate, br", False), ("GZIP", True),
    ],
)  # fmt: skip
def test_gzip_is_used_where_it_is_accepted(header: str, accepted: bool) -> None:
    assert dsp.accepts_gzip([header]) is accepted


@pytest.mark.parametrize(
    ("path", "family"), [("catalog", Family.CATALOG), ("negotiations", Family.NEGOTIATION), ("transfers", Family.TRANSFER)]
)
def test_each_conversation_has_its_own_errors(path: str, family: Family) -> None:
    assert dsp.family(("dsp", "2025-1", path)) is family


@pytest.fixture
async def five(world: World) -> World:
    """Five plain datasets that any peer may see; a page holds two."""
    async with world.store.transaction() as tx:
        tx.put(PolicyDefinition(id="any", policy={"permission": [{"action": "use"}]}))
        tx.put(ContractDefinition(id="all", access_policy="any", contract_policy="any"))
        for number in range(5):
            tx.put(Asset(id=f"dataset-{number}", form="plain", title="x" * 500, definitions=("all",), data_address={"type": "HttpData"}))
    return world


async def test_a_catalog_is_walked_by_its_links(dataspace: Client, five: World) -> None:
    found, pages, address = [], 0, f"{five.me.dsp}/catalog/request"
    while address:
        assert address.startswith("https://maker.example")
        url = URL(f"http://{dataspace.host}:{dataspace.port}{address.removeprefix('https://maker.example')}", encoded=True)
        answer = await dataspace.session.post(url, data=message("CatalogRequestMessage"), headers=AUTH)
        assert answer.status == 200
        found += [dataset["@id"] for dataset in (await answer.json())["dataset"]]
        address = str(answer.links["next"]["url"]) if "next" in answer.links else ""
        pages += 1
    assert (found, pages) == ([f"dataset-{number}" for number in range(5)], 3)


async def test_a_page_belongs_to_the_peer_it_was_made_for(dataspace: Client, five: World) -> None:
    answer = await dataspace.post(f"{BASE}/catalog/request", data=message("CatalogRequestMessage"), headers=AUTH)
    link = answer.links["next"]["url"]
    stolen = await dataspace.post(
        f"{BASE}/catalog/request?{link.query_string}", data=message("CatalogRequestMessage"), headers={**AUTH, "Authorization": OTHER}
    )
    assert stolen.status == 400


@pytest.mark.parametrize(("accept", "encoding"), [("gzip", "gzip"), ("identity", None), ("gzip;q=0", None)])
async def test_a_catalog_is_compressed_where_the_caller_takes_it(dataspace: Client, five: World, accept: str, encoding: str | None) -> None:
    answer = await dataspace.post(
        f"{BASE}/catalog/request", data=message("CatalogRequestMessage"), headers={**AUTH, "Accept-Encoding": accept}
    )
    assert (answer.headers.get("Content-Encoding"), answer.headers["Vary"]) == (encoding, "Accept-Encoding")
    assert len((await answer.json())["dataset"]) == 2


async def test_a_dataset_is_read_by_its_id_whatever_that_holds(dataspace: Client, five: World) -> None:
    async with five.store.transaction() as tx:
        tx.put(Asset(id="a/b c?d", form="plain", definitions=("all",), data_address={"type": "HttpData"}))
    url = URL(f"http://{dataspace.host}:{dataspace.port}{BASE}/catalog/datasets/a%2Fb%20c%3Fd", encoded=True)
    answer = await dataspace.session.get(url, headers=AUTH)
    body = await answer.json()
    assert (answer.status, body["@id"], body["@type"], body["@context"]) == (200, "a/b c?d", "Dataset", CONTEXT)


# --- a caller that hangs up ----------------------------------------------------------------------


class Cut:
    """A clock that cuts every connection of a listener when it is asked the time: in the middle of the work on a message."""

    runner: web.AppRunner | None = None

    def now(self) -> datetime:
        for connection in self.runner.server.connections if self.runner and self.runner.server else ():
            if connection.transport:
                connection.transport.abort()
        return datetime.now(UTC)


async def test_a_caller_that_hangs_up_still_gets_its_message_acted_on(
    world: World, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """The message is applied before the answer is written: its letters must not wait for a lease to end."""
    cut = Cut()
    app = dataspace_app(replace(world, clock=cut, decider=Accepting()), settings)
    runner = cut.runner = await listen(app, "127.0.0.1", 0, setting="dataspace.listen")
    host, port = runner.addresses[0][:2]
    async with ClientSession() as session:
        with pytest.raises(ClientConnectionError):
            await session.post(f"http://{host}:{port}{BASE}/negotiations/offers", data=opening(), headers=AUTH)
    async with asyncio.timeout(20):
        while not (letters := await world.store.claim(world.clock.now())):
            await world.store.wait(world.clock.now())
    assert [letter.message for letter in letters] == [Message.ACCEPT]
    await runner.cleanup()
    assert not [record for record in caplog.records if record.levelname == "ERROR"], "hanging up is no bug of ours"
