"""What a provider's client does: assets, policies and contract definitions, and which definition selects which asset."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from connector.http.app import operator_app
from connector.http.manage import routes
from connector.http.settings import Settings
from connector.operate import offers, passports
from connector.ports import World
from connector.records import Asset, ContractDefinition
from submodels.folder import read_folder

from .conftest import ADDRESS, CONTEXT, EDC, TOKEN, Edc, by

SAMPLE = Path(__file__).resolve().parents[3] / "scripts" / "sample" / "EV-72"
ROLE = {"leftOperand": "role", "operator": "eq", "rightOperand": "recycler"}


async def stored(world: World, id: str) -> Asset:
    async with world.store.transaction() as tx:
        found = await tx.get(Asset, id)
    assert found is not None
    return found


async def offered(world: World) -> str:
    """A restricted view on offer to recyclers; its dataset id."""
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    await passports.import_batch(world, read_folder(files))
    await passports.publish(world, "EV-72")
    made = await offers.offer(world, offers.Wish(view="dismantling", model="EV-72", policy="recycler"))
    return str(made["dataset"])


# --- assets --------------------------------------------------------------------------------------


async def test_an_asset_is_created_read_updated_and_deleted(edc: Edc) -> None:
    created = await edc.post("/assets", {"@id": "bp-1", "properties": {"name": "Passport"}, "privateProperties": {"owner": "x"},
                                         "dataAddress": ADDRESS})  # fmt: skip
    assert created["@type"] == "IdResponse" and created["@id"] == "bp-1" and created["createdAt"] > 1_700_000_000_000
    assert created["@context"]["@vocab"] == EDC
    shown = await edc.get("/assets/bp-1")
    assert shown["@type"] == "Asset" and shown["properties"] == {"id": "bp-1", "name": "Passport"}
    assert shown["privateProperties"] == {"owner": "x"}
    assert shown["dataAddress"] == {"@type": "DataAddress", **ADDRESS}
    assert shown["https://w3id.org/saltbridge/v1/extent"] == "whole asset, no attribute grant"
    assert await edc.call("PUT", "/v3/assets", {"@id": "bp-1", "properties": {"name": "Other"}, "dataAddress": ADDRESS}) == (204, None)
    assert (await edc.get("/assets/bp-1"))["properties"]["name"] == "Other"
    assert await edc.call("DELETE", "/v3/assets/bp-1") == (204, None)
    status, said = await edc.call("GET", "/v3/assets/bp-1")
    assert status == 404 and said[0]["type"] == "ObjectNotFound" and set(said[0]) == {"message", "type", "path", "invalidValue"}


async def test_an_asset_without_an_id_is_given_one_and_a_taken_id_is_a_conflict(edc: Edc) -> None:
    made = await edc.post("/assets", {"properties": {"name": "n"}, "dataAddress": ADDRESS})
    again = {"@id": made["@id"], "properties": {}, "dataAddress": ADDRESS}
    status, said = await edc.call("POST", "/v3/assets", again)
    assert status == 409 and said[0]["type"] == "ObjectConflict"


async def test_secrets_of_an_address_are_kept_sealed_and_never_shown(edc: Edc) -> None:
    address = {**ADDRESS, "authKey": "X-Key", "authCode": "s3cr3t-code", "header:X-More": "s3cr3t-header"}
    await edc.post("/assets", {"@id": "bp-1", "properties": {}, "dataAddress": address})
    assert "s3cr3t" not in str(await edc.get("/assets/bp-1"))
    assert "s3cr3t" not in str(await edc.post("/assets/request"))
    kept = await stored(edc.world, "bp-1")
    assert kept.sealed and "s3cr3t" not in str(kept)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ({"type": "AmazonS3", "bucketName": "b"}, "dataAddress/type"),
        ({**ADDRESS, "oauth2:tokenUrl": "http://x"}, "dataAddress/oauth2:tokenUrl"),
        ({**ADDRESS, "baseUrl": ""}, "dataAddress/baseUrl"),
        ({**ADDRESS, "baseUrl": "ftp://x"}, "dataAddress/baseUrl"),
        ({**ADDRESS, "authKey": "X-Key"}, "dataAddress/authKey"),
        ({**ADDRESS, "authKey": "X Key", "authCode": "c"}, "dataAddress/X Key"),
        ({**ADDRESS, "header:X-Key": "two\r\nlines: x"}, "dataAddress/header:X-Key"),
        ({**ADDRESS, "proxyPath": "maybe"}, "dataAddress/proxyPath"),
        ({**ADDRESS, "method": "TRACE"}, "dataAddress/method"),
    ],
)
async def test_an_address_that_cannot_be_served_is_refused_by_the_field(edc: Edc, address: Any, path: str) -> None:
    status, said = await edc.call("POST", "/v3/assets", {"@id": "a", "properties": {}, "dataAddress": address})
    assert (status, said[0]["path"]) == (400, path)


async def test_plain_assets_need_the_operators_leave(edc: Edc, settings: Settings) -> None:
    closed = replace(edc.world, sources=None)
    async with TestClient(TestServer(operator_app(closed, settings, routes(closed, settings.card)))) as client:
        body = {"@context": CONTEXT, "@id": "a", "properties": {}, "dataAddress": ADDRESS}
        async with client.post("/management/v3/assets", json=body, headers={"X-Api-Key": TOKEN}) as answer:
            [said] = await answer.json()
    assert answer.status == 403 and "plain_assets = true" in said["message"] and "no attribute grant" in said["message"]


async def test_a_view_is_seen_as_an_asset_cannot_be_changed_and_is_withdrawn_by_delete(edc: Edc) -> None:
    dataset = await offered(edc.world)
    shown = await edc.get(f"/assets/{dataset}")
    assert shown["dataAddress"]["type"] == "SaltbridgeView" and shown["dataAddress"]["view"] == "dismantling"
    assert [each["@id"] for each in await edc.post("/assets/request")] == [dataset]
    status, said = await edc.call("PUT", "/v3/assets", {"@id": dataset, "properties": {}, "dataAddress": ADDRESS})
    assert status == 409 and "view" in said[0]["message"]
    assert await edc.call("DELETE", f"/v3/assets/{dataset}") == (204, None)
    assert (await edc.call("GET", f"/v3/assets/{dataset}"))[0] == 404
    assert (await stored(edc.world, dataset)).withdrawn and await offers.list_offers(edc.world)


async def test_the_form_of_a_views_id_is_not_for_plain_assets(edc: Edc) -> None:
    body = {"@id": f"model.EV-72.{'a' * 43}", "properties": {}, "dataAddress": ADDRESS}
    assert (await edc.call("POST", "/v3/assets", body))[0] == 400


# --- policies ------------------------------------------------------------------------------------


async def test_a_policy_comes_back_in_odrls_words(edc: Edc) -> None:
    await edc.policy("p", {"leftOperand": f"{EDC}inForceDate", "operator": "lteq", "rightOperand": "contractAgreement+30d"})
    shown = await edc.get("/policydefinitions/p")
    assert shown["@type"] == "PolicyDefinition" and shown["createdAt"] > 0
    assert shown["policy"]["odrl:permission"] == [
        {
            "odrl:action": {"@id": "odrl:use"},
            "odrl:constraint": [
                {
                    "odrl:leftOperand": {"@id": f"{EDC}inForceDate"},
                    "odrl:operator": {"@id": "odrl:lteq"},
                    "odrl:rightOperand": "contractAgreement+30d",
                }
            ],
        }
    ]
    assert (await edc.call("POST", "/v3/policydefinitions", {"@id": "p", "policy": shown["policy"]}))[0] == 409
    assert (await edc.call("PUT", "/v3/policydefinitions/q", {"policy": shown["policy"]}))[0] == 404
    assert (await edc.call("PUT", "/v3/policydefinitions/p", {"policy": shown["policy"]}))[0] == 204
    assert (await edc.call("DELETE", "/v3/policydefinitions/p"))[0] == 204
    assert (await edc.call("GET", "/v3/policydefinitions/p"))[0] == 404


async def test_a_policy_that_nobody_satisfies_validates_with_the_reason(edc: Edc) -> None:
    await edc.policy("p", ROLE)
    await edc.policy("q", {"leftOperand": "https://example.org/unheard-of", "operator": "eq", "rightOperand": "1"})
    assert (await edc.post("/policydefinitions/p/validate"))["isValid"] is True
    found = await edc.post("/policydefinitions/q/validate")
    assert found["isValid"] is False and "unheard-of" in found["errors"][0]


async def test_a_policy_in_use_is_not_deleted(edc: Edc) -> None:
    await edc.policy("p")
    await edc.definition("cd")
    status, said = await edc.call("DELETE", "/v3/policydefinitions/p")
    assert status == 409 and "cd" in said[0]["message"]


# --- contract definitions ------------------------------------------------------------------------


async def test_which_definition_selects_which_asset_is_known_whichever_is_written_last(edc: Edc) -> None:
    await edc.policy("p")
    await edc.asset("a", kind="passport")
    await edc.definition("all")
    await edc.definition("passports", by(f"{EDC}kind", "=", "passport"))
    await edc.asset("b", kind="other")
    await edc.asset("c", kind="passport")
    assert (await stored(edc.world, "a")).definitions == ("all", "passports")
    assert (await stored(edc.world, "b")).definitions == ("all",)
    assert (await stored(edc.world, "c")).definitions == ("all", "passports")
    narrowed = {"@id": "passports", "accessPolicyId": "p", "contractPolicyId": "p", "assetsSelector": [by("id", "=", "a")]}
    assert (await edc.call("PUT", "/v3/contractdefinitions", narrowed))[0] == 204
    assert (await stored(edc.world, "c")).definitions == ("all",)
    assert (await edc.call("PUT", "/v3/assets", {"@id": "a", "properties": {"kind": "x"}, "dataAddress": ADDRESS}))[0] == 204
    assert (await stored(edc.world, "a")).definitions == ("all", "passports")
    assert (await edc.call("DELETE", "/v3/contractdefinitions/all"))[0] == 204
    assert (await stored(edc.world, "b")).definitions == ()


async def test_assets_and_definitions_that_are_written_at_once_find_each_other(edc: Edc) -> None:
    await edc.policy("p")
    writes = [edc.asset(f"a-{number}") if number % 2 else edc.definition(f"d-{number}") for number in range(16)]
    await asyncio.gather(*writes)
    expected = tuple(sorted(f"d-{number}" for number in range(0, 16, 2)))
    for number in range(1, 16, 2):
        assert (await stored(edc.world, f"a-{number}")).definitions == expected


async def test_a_definition_comes_back_as_it_was_sent(edc: Edc) -> None:
    await edc.policy("p")
    await edc.definition("cd", by("'http://purl.org/dc/terms/type'.'@id'", "in", ["x", "y"]))
    shown = await edc.get("/contractdefinitions/cd")
    assert (shown["accessPolicyId"], shown["contractPolicyId"]) == ("p", "p")
    assert shown["assetsSelector"] == [{"@type": "Criterion", **by("'http://purl.org/dc/terms/type'.'@id'", "in", ["x", "y"])}]


async def test_a_definition_needs_policies_that_are_there(edc: Edc) -> None:
    body = {"@id": "cd", "accessPolicyId": "any-peer", "contractPolicyId": "nobody", "assetsSelector": []}
    status, said = await edc.call("POST", "/v3/contractdefinitions", body)
    assert (status, said[0]["path"]) == (400, "contractPolicyId")
    assert (await edc.call("POST", "/v3/contractdefinitions", {**body, "contractPolicyId": "recycler"}))[0] == 200


async def test_no_slip_opens_a_restricted_view_whichever_is_written_last(edc: Edc) -> None:
    dataset = await offered(edc.world)
    await edc.policy("p")
    await edc.policy("closed", ROLE)
    body = {"@id": "cd", "accessPolicyId": "p", "contractPolicyId": "p", "assetsSelector": [by("id", "=", dataset)]}
    status, said = await edc.call("POST", "/v3/contractdefinitions", body)
    assert status == 409 and "Access policy p with contract policy p" in said[0]["message"]
    assert (await edc.call("POST", "/v3/contractdefinitions", {**body, "contractPolicyId": "closed"}))[0] == 200
    assert "cd" in (await stored(edc.world, dataset)).definitions
    status, said = await edc.call(
        "PUT", "/v3/policydefinitions/closed", {"policy": {"@type": "odrl:Set", "odrl:permission": {"odrl:action": "use"}}}
    )
    assert status == 409 and "closed" in said[0]["message"]
    assert (await edc.call("DELETE", f"/v3/assets/{dataset}"))[0] == 204
    assert (await edc.call("GET", "/v3/contractdefinitions/cd"))[0] == 404  # it offered this view and nothing else


async def test_an_empty_selector_never_selects_a_view(edc: Edc) -> None:
    dataset = await offered(edc.world)
    await edc.policy("p")
    await edc.definition("all")
    assert "all" not in (await stored(edc.world, dataset)).definitions


async def test_withdrawing_a_view_leaves_a_definition_that_offers_more(edc: Edc) -> None:
    dataset = await offered(edc.world)
    await edc.policy("closed", ROLE)
    await edc.asset("a")
    await edc.definition("cd", by("id", "in", [dataset, "a"]), access="closed", contract="closed")
    assert (await edc.call("DELETE", f"/v3/assets/{dataset}"))[0] == 204
    assert (await stored(edc.world, "a")).definitions == ("cd",)
    async with edc.world.store.transaction() as tx:
        assert await tx.get(ContractDefinition, "cd") is not None
    await offers.offer(edc.world, offers.Wish(view="dismantling", model="EV-72", policy="recycler"))
    assert "cd" in (await stored(edc.world, dataset)).definitions


# --- bodies --------------------------------------------------------------------------------------


async def test_an_empty_body_without_a_type_asks_for_all(edc: Edc) -> None:
    await edc.asset("a")
    async with edc.client.post("/management/v3/assets/request", headers={"X-Api-Key": TOKEN}) as answer:
        assert answer.status == 200 and [each["@id"] for each in await answer.json()] == ["a"]
    async with edc.client.post(
        "/management/v3/assets/request", data=_nothing(), headers={"X-Api-Key": TOKEN}, skip_auto_headers=["Content-Type"]
    ) as answer:
        assert answer.status == 200


async def _nothing() -> Any:
    yield b""


async def test_errors_have_edcs_form_before_and_behind_the_door(edc: Edc) -> None:
    for path, headers, status, kind in (
        ("/management/v3/assets/x", {}, 401, "AuthenticationFailed"),
        ("/management/v3/nothing", {"X-Api-Key": TOKEN}, 404, "ObjectNotFound"),
        ("/management/v3/assets", {"X-Api-Key": TOKEN}, 405, "InvalidRequest"),
    ):
        async with edc.client.get(path, headers=headers) as answer:
            [said] = await answer.json()
            assert (answer.status, said["type"], set(said)) == (status, kind, {"message", "type", "path", "invalidValue"})
    async with edc.client.post(
        "/management/v3/assets", data=b"{", headers={"X-Api-Key": TOKEN, "Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 400 and (await answer.json())[0]["type"] == "ValidationFailure"
    status, said = await edc.call("POST", "/v3/contractdefinitions", {"@id": "cd", "contractPolicyId": "p", "assetsSelector": []})
    assert (status, said[0]["path"]) == (400, "accessPolicyId")
