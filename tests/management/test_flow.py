"""The whole flow between two running nodes through EDC's shapes: provide, browse, negotiate, transfer, fetch, end."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from connector.exchange.whole import WHOLE
from connector.records import AuditEntry

from .nodes import EDC, PROTOCOL, Two, stock

PROXY = {"proxyPath": "true", "proxyQueryParams": "true", "proxyBody": "true", "proxyMethod": "true"}


async def notes(two: Two, event: str) -> list[AuditEntry]:
    return [entry for entry in await two.provider.node.world.store.audit() if entry.event == event]


async def test_a_plain_asset_goes_from_the_catalog_to_the_bytes(two: Two) -> None:
    await two.offers("bp-1", **PROXY)
    [dataset] = await two.browses()
    assert dataset["@id"] == "bp-1" and dataset["https://w3id.org/saltbridge/v1/extent"] == WHOLE
    agreed = await two.negotiates(dataset)
    assert agreed["state"] == "FINALIZED" and agreed["type"] == "CONSUMER" and agreed["correlationId"]
    started = await two.transfers(agreed["contractAgreementId"])
    assert started["state"] == "STARTED" and started["assetId"] == "bp-1"
    edr = await two.consumer.get(f"/v3/edrs/{started['@id']}/dataaddress?auto_refresh=True")
    assert edr["endpoint"] == f"{two.provider.node.world.me.data}" and edr["authType"] == "bearer"
    status, body, headers = await two.pulls(edr, "/shells/1?limit=2")
    assert status == 200 and json.loads(body) == {"path": "/base/shells/1", "query": "limit=2"}
    assert headers["ETag"] == '"v1"' and headers["Saltbridge-Receipt"]
    assert not {"Set-Cookie", "X-Internal", "Location"} & set(headers)
    [(_, _, _, told)] = two.source.asked
    assert "Authorization" not in told and "Cookie" not in told
    [pulled], [ended] = await notes(two, "pull.opened"), await notes(two, "pull")
    assert pulled.subject == ended.subject == "bp-1" and pulled.data["extent"] == "whole"
    assert ended.data["bytes"] == len(body) and ended.data["complete"] is True


async def test_method_body_and_status_are_passed_on_verbatim(two: Two) -> None:
    await two.offers("bp-1", **PROXY)
    edr = await two.obtains("bp-1")
    status, _, _ = await two.pulls(edr, "/query?status=409", "POST", data=b"<a/>", headers={"Content-Type": "application/xml"})
    assert status == 409
    method, path, sent, headers = two.source.asked[-1]
    assert (method, path, sent, headers["Content-Type"]) == ("POST", "/base/query?status=409", b"<a/>", "application/xml")
    assert (await two.pulls(edr, "?status=302", allow_redirects=False))[0] == 302
    assert (await two.pulls(edr, "?status=503"))[0] == 503
    status, body, _ = await two.pulls(edr, "/x", "HEAD")
    assert (status, body, two.source.asked[-1][0]) == (200, b"", "HEAD")


async def test_what_an_address_does_not_pass_on_is_refused_not_dropped(two: Two) -> None:
    await two.offers("bp-1")
    edr = await two.obtains("bp-1")
    assert json.loads((await two.pulls(edr))[1])["path"] == "/base"
    assert (await two.pulls(edr, "/"))[0] == 200
    assert (await two.pulls(edr, "/more"))[0] == 404
    assert (await two.pulls(edr, "?a=b"))[0] == 400
    assert (await two.pulls(edr, "", "POST"))[0] == 405
    assert len(two.source.asked) == 2


@pytest.mark.parametrize("path", ["/%2e%2e/secret", "/..%2fsecret", "/a/%2E%2E%2Fsecret", "/%252e%252e/secret"])
async def test_no_path_climbs_out_of_the_base(two: Two, path: str) -> None:
    await two.offers("bp-1", **PROXY)
    edr = await two.obtains("bp-1")
    port = two.provider.node.config.dataspace.address.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /data{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {edr['authorization']}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert b"HTTP/1.1 400" in answer.splitlines()[0] and two.source.asked == []


async def test_bytes_go_on_as_they_come(two: Two) -> None:
    await two.offers("bp-1", **PROXY)
    edr = await two.obtains("bp-1")
    async with two.consumer.http.get(f"{edr['endpoint']}/slow", headers={"Authorization": edr["authorization"]}) as answer:
        assert await answer.content.readany() == b"first,"
        two.source.gate.set()
        assert await answer.content.read() == b"second"


async def test_a_source_that_breaks_off_is_not_taken_for_all_there_is(two: Two) -> None:
    await two.offers("bp-1", **PROXY)
    edr = await two.obtains("bp-1")
    with pytest.raises(aiohttp.ClientError):
        await two.pulls(edr, "/broken")
    for _ in range(100):
        if ended := await notes(two, "pull"):
            break
        await asyncio.sleep(0.02)
    assert ended[0].data["complete"] is False and ended[0].data["bytes"] < 100


async def test_where_a_source_lies_is_not_told_when_it_does_not_answer(two: Two) -> None:
    await two.offers("bp-1", baseUrl="http://127.0.0.1:9/inner")
    await two.offers("bp-2", baseUrl="http://10.1.2.3/inner")
    for id in ("bp-1", "bp-2"):
        status, body, headers = await two.pulls(await two.obtains(id))
        assert status == 503 and headers["Retry-After"]
        assert b"127.0.0.1" not in body and b"10.1.2.3" not in body and b"inner" not in body


async def test_the_source_is_given_the_secret_and_nobody_else(two: Two) -> None:
    await two.provider.post("/v3/secrets", {"@id": "key-1", "value": "s3cr3t-1"})
    await two.offers("bp-1", authKey="X-Key", secretName="key-1", **{"header:X-Second": "s3cr3t-2"})
    edr = await two.obtains("bp-1")
    await two.pulls(edr, "", headers={"X-Key": "mine"})
    told = two.source.asked[-1][3]
    assert (told["X-Key"], told["X-Second"]) == ("s3cr3t-1", "s3cr3t-2")
    assert (await two.provider.call("PUT", "/v3/secrets", {"@id": "key-1", "value": "s3cr3t-3"}))[0] == 204
    await two.pulls(edr)
    assert two.source.asked[-1][3]["X-Key"] == "s3cr3t-3"
    shown = await two.provider.get("/v3/secrets/key-1")
    assert shown["@id"] == "key-1" and "value" not in shown and "s3cr3t" not in str(await two.provider.get("/v3/assets/bp-1"))
    assert (await two.provider.call("DELETE", "/v3/secrets/key-1"))[0] == 204
    status, body, _ = await two.pulls(edr)
    assert status == 503 and b"key-1" not in body


async def test_a_view_goes_the_same_way_and_only_its_grant_leaves(two: Two) -> None:
    dataset_id = await stock(two.provider)
    [dataset] = await two.browses()
    assert dataset["@id"] == dataset_id
    agreed = await two.negotiates(dataset)
    started = await two.transfers(agreed["contractAgreementId"])
    edr = await two.consumer.get(f"/v3/edrs/{started['@id']}/dataaddress")
    status, body, _ = await two.pulls(edr, "/EV-72.000017")
    assert status == 200 and set(json.loads(body)) >= {"circularity"}
    assert (await two.pulls(edr, "/EV-72.000017", "POST"))[0] == 405
    agreement = await two.consumer.get(f"/v3/contractagreements/{agreed['contractAgreementId']}")
    assert "https://w3id.org/saltbridge/v1/extent" not in agreement


async def test_an_offer_without_its_rules_is_taken_as_the_catalog_shows_it(two: Two) -> None:
    await two.offers(
        "bp-1", constraints=[{"leftOperand": f"{EDC}inForceDate", "operator": "lteq", "rightOperand": "contractAgreement+30d"}]
    )
    [dataset] = await two.browses()
    agreed = await two.negotiates({"@id": "bp-1", "hasPolicy": [{"@id": dataset["hasPolicy"][0]["@id"], "@type": "Offer"}]})
    agreement = await two.consumer.get(f"/v3/contractnegotiations/{agreed['@id']}/agreement")
    [permission] = agreement["policy"]["odrl:permission"]
    assert permission["odrl:constraint"][0]["odrl:rightOperand"] == "contractAgreement+30d"


async def test_agreements_are_found_at_both_ends_and_under_the_unversioned_path(two: Two) -> None:
    await two.offers("bp-1")
    [dataset] = await two.browses()
    agreed = await two.negotiates(dataset)
    for end in (two.consumer, two.provider):
        [one] = await end.post(
            "/v3/contractagreements/request", {"filterExpression": [{"operandLeft": "assetId", "operator": "=", "operandRight": "bp-1"}]}
        )
        assert one["@id"] == agreed["contractAgreementId"] and one["providerId"] == two.provider.id and one["consumerId"] == two.consumer.id
        assert one["https://w3id.org/saltbridge/v1/extent"] == "whole asset, no attribute grant"
        [same] = await end.post("/contractagreements/request")
        assert same == one == await end.get(f"/contractagreements/{one['@id']}")
        negotiation = await end.get(f"/v3/contractagreements/{one['@id']}/negotiation")
        assert negotiation == await end.get(f"/contractagreements/{one['@id']}/negotiation")
        assert negotiation["contractAgreementId"] == one["@id"]


async def test_a_transfer_is_suspended_resumed_and_terminated_and_its_reference_goes_with_it(two: Two) -> None:
    await two.offers("bp-1")
    [dataset] = await two.browses()
    agreed = await two.negotiates(dataset)
    started = await two.transfers(agreed["contractAgreementId"])
    path = f"/v3/transferprocesses/{started['@id']}"
    by_agreement = {"operandLeft": "contractAgreementId", "operator": "=", "operandRight": agreed["contractAgreementId"]}
    spec = {"filterExpression": [by_agreement], "sortField": "createdAt", "sortOrder": "DESC", "limit": 10}
    assert [each["@id"] for each in await two.consumer.post("/v3/transferprocesses/request", spec)] == [started["@id"]]
    [entry] = await two.consumer.post("/v3/edrs/request", {"filterExpression": [
        {"operandLeft": "contractNegotiationId", "operator": "=", "operandRight": agreed["@id"]}]})  # fmt: skip
    assert entry["transferProcessId"] == started["@id"] and entry["assetId"] == "bp-1" and entry["providerId"] == two.provider.id
    assert "authorization" not in entry
    edr = await two.consumer.get(f"/v3/edrs/{started['@id']}/dataaddress")
    assert (await two.consumer.call("POST", f"{path}/suspend", {"reason": "pause"}))[0] == 204
    await two.consumer.until(path, "SUSPENDED")
    await two.provider.until(f"/v3/transferprocesses/{started['correlationId']}", "SUSPENDED")
    assert (await two.consumer.call("GET", f"/v3/edrs/{started['@id']}/dataaddress"))[0] == 404
    assert (await two.pulls(edr))[0] == 403
    assert (await two.consumer.call("POST", f"{path}/resume"))[0] == 204
    await two.consumer.until(path, "STARTED")
    deadline = asyncio.get_running_loop().time() + 10
    while (fresh := await two.consumer.call("GET", f"/v3/edrs/{started['@id']}/dataaddress"))[1].get("authorization") == edr[
        "authorization"
    ]:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)
    assert (await two.pulls(fresh[1]))[0] == 200
    assert (await two.consumer.call("POST", f"{path}/terminate", {"reason": "done"}))[0] == 204
    ended = await two.consumer.until(f"{path}/state", "TERMINATED")
    assert ended["@type"] == "TransferState"
    assert (await two.consumer.call("POST", f"{path}/terminate", {"reason": "again"}))[0] == 409


async def test_a_reference_is_forgotten_on_demand(two: Two) -> None:
    await two.offers("bp-1")
    [dataset] = await two.browses()
    started = await two.transfers((await two.negotiates(dataset))["contractAgreementId"])
    assert (await two.consumer.call("DELETE", f"/v3/edrs/{started['@id']}"))[0] == 204
    assert (await two.consumer.call("GET", f"/v3/edrs/{started['@id']}/dataaddress"))[0] == 404
    assert await two.consumer.post("/v3/edrs/request") == []


async def test_a_refused_negotiation_says_why_and_a_finished_one_is_not_terminated(two: Two) -> None:
    await two.offers("bp-1", constraints=[{"leftOperand": "role", "operator": "eq", "rightOperand": "auditor"}])
    await two.provider.post("/v3/contractdefinitions", {"@id": "open", "accessPolicyId": "any-peer", "contractPolicyId": "p-bp-1",
                                                        "assetsSelector": []})  # fmt: skip
    [dataset] = await two.browses()
    refused = await two.negotiates(dataset)
    assert refused["state"] == "TERMINATED" and "role" in refused["errorDetail"]
    state = await two.consumer.get(f"/v3/contractnegotiations/{refused['@id']}/state")
    assert (state["@type"], state["state"]) == ("NegotiationState", "TERMINATED")
    assert (await two.consumer.call("GET", f"/v3/contractnegotiations/{refused['@id']}/agreement"))[0] == 404
    status, said = await two.consumer.call("POST", f"/v3/contractnegotiations/{refused['@id']}/terminate", {"reason": "late"})
    assert status == 409 and "TERMINATED" in said[0]["message"]


async def test_a_negotiation_that_waits_is_ended_by_the_consumer_at_both_ends(two: Two) -> None:
    await stock(two.provider, confirm="ask")
    [dataset] = await two.browses()
    offer = {"@context": "http://www.w3.org/ns/odrl.jsonld", **dataset["hasPolicy"][0], "target": dataset["@id"]}
    body = {"connectorId": two.provider.id, "counterPartyAddress": two.provider.dsp, "policy": offer}
    made = await two.consumer.post("/v3/contractnegotiations", body)
    path = f"/v3/contractnegotiations/{made['@id']}"
    waiting = await two.consumer.until(path, "REQUESTED")
    theirs = f"/v3/contractnegotiations/{waiting['correlationId']}"
    assert (await two.provider.get(theirs))["type"] == "PROVIDER"
    assert (await two.consumer.call("POST", f"{path}/terminate", {"reason": "changed my mind"}))[0] == 204
    await two.consumer.until(f"{path}/state", "TERMINATED")
    assert "changed my mind" in (await two.provider.until(theirs, "TERMINATED"))["errorDetail"]


async def test_a_policy_that_is_replaced_is_what_the_next_consumer_is_offered(two: Two) -> None:
    await two.offers("bp-1")
    [before] = await two.browses()
    unheard = {"leftOperand": "https://example.org/unheard-of", "operator": "eq", "rightOperand": "1"}
    policy = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [{"action": "use", "constraint": [unheard]}]}
    assert (await two.provider.post("/v3/policydefinitions/p-bp-1/validate"))["isValid"] is True
    body = {"@id": "d-bp-1", "accessPolicyId": "any-peer", "contractPolicyId": "p-bp-1", "assetsSelector": []}
    assert (await two.provider.call("PUT", "/v3/contractdefinitions", body))[0] == 204
    assert (await two.provider.call("PUT", "/v3/policydefinitions/p-bp-1", {"policy": policy}))[0] == 204
    found = await two.provider.post("/v3/policydefinitions/p-bp-1/validate")
    assert found["isValid"] is False and "unheard-of" in found["errors"][0]
    [after] = await two.browses()
    assert after["hasPolicy"][0]["@id"] != before["hasPolicy"][0]["@id"]
    assert (await two.negotiates(after))["state"] == "TERMINATED"
    stale = await two.negotiates(before)
    assert stale["state"] == "TERMINATED" and "offer" in stale["errorDetail"]


async def test_both_catalogs_mark_a_plain_asset_as_whole(two: Two) -> None:
    await two.offers("bp-1")
    status, shown = await two.consumer.call("POST", "/saltbridge/catalog", {"peer": "maker"})
    assert status == 200 and shown["datasets"][0]["content"] == WHOLE
    [offer] = [each for each in (await two.provider.call("GET", "/saltbridge/offers"))[1] if each["dataset"]]
    assert (offer["dataset"], offer["extent"]) == ("bp-1", WHOLE)
    await two.negotiates((await two.browses())[0])
    for end in (two.provider, two.consumer):
        [agreement] = (await end.call("GET", "/saltbridge/agreements"))[1]
        assert WHOLE in agreement["title"]


async def test_the_catalog_is_filtered_there_and_paged_and_sorted_here(two: Two) -> None:
    for name in ("c", "a", "b"):
        await two.offers(name)
    assert [each["@id"] for each in await two.browses(limit=2)] == ["a", "b"]
    assert [each["@id"] for each in await two.browses(offset=1, limit=1)] == ["b"]
    assert [each["@id"] for each in await two.browses(sortField=f"{EDC}name", sortOrder="DESC")] == ["c", "b", "a"]
    named = [{"operandLeft": f"{EDC}name", "operator": "in", "operandRight": ["b", "c"]}]
    assert [each["@id"] for each in await two.browses(filterExpression=named)] == ["b", "c"]
    one = await two.consumer.post("/v3/catalog/dataset/request", {"@id": "b", **two.provider.party})
    assert one["@id"] == "b" and one["hasPolicy"]
    assert (await two.consumer.call("POST", "/v3/catalog/dataset/request", {"@id": "z", **two.provider.party}))[0] == 404


async def test_only_peers_are_called_under_their_own_address(two: Two) -> None:
    for body, path in (
        ({"counterPartyAddress": "http://127.0.0.1:9/dsp/2025-1", "counterPartyId": "did:web:nobody.example"}, "counterPartyId"),
        ({"counterPartyAddress": "http://127.0.0.1:9/dsp/2025-1"}, "counterPartyAddress"),
        ({**two.provider.party, "counterPartyAddress": "http://127.0.0.1:9/dsp/2025-1"}, "counterPartyAddress"),
        ({**two.provider.party, "protocol": "dataspace-protocol-http"}, "protocol"),
    ):
        status, said = await two.consumer.call("POST", "/v3/catalog/request", body)
        assert (status, said[0]["path"]) == (400, path)
    assert "peer add" in (await two.consumer.call("POST", "/v3/catalog/request", {"counterPartyId": "did:web:x"}))[1][0]["message"]
    address_only = {"counterPartyAddress": two.provider.dsp, "protocol": PROTOCOL}
    assert (await two.consumer.call("POST", "/v3/catalog/request", address_only))[0] == 200


async def test_a_peer_that_refuses_or_is_down_is_a_bad_gateway(two: Two) -> None:
    await two.provider.call("DELETE", "/saltbridge/peers/recycler")
    status, said = await two.consumer.call("POST", "/v3/catalog/request", two.provider.party)
    assert (status, said[0]["type"]) == (502, "BadGateway")


async def test_a_plain_asset_under_contract_is_not_deleted_and_one_without_the_operators_leave_is_not_served(two: Two) -> None:
    await two.offers("bp-1")
    edr = await two.obtains("bp-1")
    status, said = await two.provider.call("DELETE", "/v3/assets/bp-1")
    assert status == 409 and "agreement" in said[0]["message"]
    [agreement] = await two.provider.post("/v3/contractagreements/request")
    assert (await two.provider.call("POST", f"/saltbridge/agreements/{agreement['@id']}/retire", None))[0] == 200
    assert (await two.provider.call("DELETE", "/v3/assets/bp-1"))[0] == 204
    status, body, _ = await two.pulls(edr)
    assert status == 403 and b"retired" in body and await two.browses() == []
