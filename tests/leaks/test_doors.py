"""Hidden equals unknown at every door: catalog, dataset, grant, negotiation, agreement, transfer; and no operator's door in public."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import Any
from urllib.parse import quote, unquote

import pytest
import requests

from catalog.publish import read_offer_id
from connector.cli.client import BASE, part
from connector.errors import SaltbridgeError
from connector.http.manage import routes
from submodels.audience import PUBLIC_GRANT
from submodels.views import ready_view

from .conftest import FIRST, UNPUBLISHED, Ring, same

CATALOG = "/dsp/2025-1/catalog/request"
CONDITION, SUPPLIER, DISMANTLING = (ready_view(name)[1] for name in ("condition", "supplier", "dismantling"))
NOWHERE = "A" * 43
METHODS = ("GET", "POST", "PUT", "DELETE")


def seen(ring: Ring, name: str, filter: list[Any] | None = None) -> list[Any]:
    """Every dataset of a catalog, page by page."""
    found, path = [], CATALOG
    while path:
        answer = ring.catalog(name, filter, path)
        assert answer.status_code == 200, answer.text
        found += answer.json().get("dataset", [])
        link = answer.headers.get("Link", "")
        path = link.partition("<")[2].partition(">")[0].removeprefix(ring.nodes["maker"].url)
    return found


def query(left: str, right: Any, operator: str = "=") -> list[Any]:
    return [{"filterExpression": [{"operandLeft": left, "operator": operator, "operandRight": right}]}]


# --- catalog -------------------------------------------------------------------------------------


def test_each_peer_sees_the_datasets_that_are_for_it_and_no_trace_of_others(ring: Ring) -> None:
    offered = ring.datasets()
    hidden = {
        "stranger": [("condition", f"battery.{FIRST}"), ("supplier", f"battery.{FIRST}"), ("dismantling", "model.EV-73")],
        "oem": [("condition", f"battery.{FIRST}"), ("dismantling", "model.EV-73")],
        "recycler": [("supplier", f"battery.{FIRST}")],
    }
    for name, those in hidden.items():
        text = json.dumps(seen(ring, name))
        shown = {each["@id"] for each in seen(ring, name)}
        assert shown == set(offered.values()) - {offered[each] for each in those}, name
        for view, scope in those:
            assert offered[view, scope].rpartition(".")[2] not in text or view == "dismantling"
            assert view not in text or view == "dismantling"
        assert "visible" not in text
        assert "second-life" not in text or name == "recycler"


def test_pages_are_full_to_the_last_and_count_only_what_is_seen(ring: Ring) -> None:
    """Two on a page; a hidden or withdrawn dataset makes no page shorter and no link more."""
    ring.operate("maker", "post", "/offers", {"view": "condition", "model": "EV-72", "policy": "second-life"})
    withdrawn = ring.datasets()["condition", "model.EV-72"]
    ring.operate("maker", "delete", f"/offers/{part(withdrawn)}")
    for name in ("stranger", "oem", "recycler"):
        sizes, path = [], CATALOG
        while path:
            answer = ring.catalog(name, None, path)
            sizes.append(len(answer.json().get("dataset", [])))
            path = answer.headers.get("Link", "").partition("<")[2].partition(">")[0].removeprefix(ring.nodes["maker"].url)
        total = len(seen(ring, name))
        assert sizes == [2] * (total // 2) + ([1] if total % 2 else []), name
        assert "totalResults" not in answer.text
        assert "count" not in answer.text.lower()


def test_a_cursor_is_good_for_its_own_peer_and_filter_only_and_names_nothing(ring: Ring) -> None:
    link = ring.catalog("stranger").headers["Link"].partition("<")[2].partition(">")[0].removeprefix(ring.nodes["maker"].url)
    assert ring.catalog("stranger", None, link).status_code == 200
    wrong = same(ring.catalog("stranger", None, f"{CATALOG}?continuationToken=nonsense.nonsense"))
    assert wrong[0] == 400
    assert same(ring.catalog("oem", None, link)) == wrong
    assert same(ring.catalog("stranger", query("id", "x"), link)) == wrong
    position = unquote(link.partition("=")[2])
    said = base64.urlsafe_b64decode(position + "=" * (-len(position) % 4))
    ids = [each["@id"].encode() for each in seen(ring, "stranger")]
    assert ids and not any(id in said for id in ids) and b"model." not in said and b"battery." not in said


@pytest.mark.parametrize(
    "left",
    [
        "nameplate/SerialNumber", "condition/StateOfCharge/StateOfChargeValue", "materials/BatteryChemistry/ShortName", "grant", "scope",
        "view", "definitions", "withdrawn", "accessPolicyId", "https://w3id.org/edc/v0.0.1/ns/accessPolicyId", "data_address", "version",
        "hasPolicy", "'https://w3id.org/saltbridge/v1/grant'",
    ],
)  # fmt: skip
def test_a_filter_on_what_is_hidden_answers_the_same_for_a_right_guess_and_a_wrong_one(ring: Ring, left: str) -> None:
    right = {
        "nameplate/SerialNumber": "000017", "condition/StateOfCharge/StateOfChargeValue": "43.71", "materials/BatteryChemistry/ShortName":
        "NMC 622", "grant": DISMANTLING.digest, "scope": "model.EV-72", "view": "dismantling", "withdrawn": "false", "version": "1",
    }.get(left, "any-peer")  # fmt: skip
    for operator in ("=", "like", "in", "!="):
        guesses = [[each] if operator == "in" else each for each in (right, "surely not this")]
        answers = [ring.catalog("stranger", query(left, guess, operator)) for guess in guesses]
        told = [(each.status_code, each.json().get("dataset", []), "Link" in each.headers) for each in answers]
        assert told[0] == told[1], operator
        assert not told[0][1], operator


def test_a_filter_on_a_hidden_id_finds_what_an_unknown_id_finds(ring: Ring) -> None:
    hidden = ring.datasets()["supplier", f"battery.{FIRST}"]
    found, unknown = (ring.catalog("stranger", query("id", id)) for id in (hidden, f"battery.{FIRST}.{NOWHERE}"))
    assert same(found) == same(unknown)
    assert "dataset" not in found.json()
    assert seen(ring, "stranger", query("id", "%supplier%", "like")) == []
    assert [each["@id"] for each in seen(ring, "oem", query("id", hidden))] == [hidden]


@pytest.mark.parametrize("field", ["condition/StateOfCharge/StateOfChargeValue", "scope", "created", "title"])
def test_the_catalog_is_sorted_by_nothing_but_ids(ring: Ring, field: str) -> None:
    answer = ring.catalog("stranger", [{"filterExpression": [], "sortField": field, "sortOrder": "ASC"}])
    assert answer.status_code == 400
    shown = [each["@id"] for each in seen(ring, "recycler")]
    assert shown == sorted(shown)


# --- by id ---------------------------------------------------------------------------------------


def test_a_hidden_dataset_by_id_is_as_unknown_as_any(ring: Ring) -> None:
    offered = ring.datasets()
    unknown = same(ring.dsp("stranger", "GET", f"/dsp/2025-1/catalog/datasets/battery.{FIRST}.{NOWHERE}"))
    assert unknown[0] == 404
    for dataset in (
        offered["condition", f"battery.{FIRST}"],
        offered["supplier", f"battery.{FIRST}"],
        offered["dismantling", "model.EV-73"],
        f"model.EV-72.{CONDITION.digest}",  # withdrawn or never offered
        f"battery.{FIRST}.{DISMANTLING.digest}",  # offered for the model, not for this battery
        f"model.EV-74.{DISMANTLING.digest}",  # not published
        "EV-72",
        FIRST,
    ):
        assert same(ring.dsp("stranger", "GET", f"/dsp/2025-1/catalog/datasets/{quote(dataset)}")) == unknown, dataset
    own = offered["dismantling", "model.EV-72"]
    assert ring.dsp("stranger", "GET", f"/dsp/2025-1/catalog/datasets/{own}").status_code == 200


def test_a_grant_of_a_hidden_dataset_is_as_unknown_as_any(ring: Ring) -> None:
    unknown = same(ring.dsp("stranger", "GET", f"/grants/{NOWHERE}"))
    assert unknown[0] == 404
    for digest in (CONDITION.digest, SUPPLIER.digest, ready_view("authority")[1].digest):
        assert same(ring.dsp("stranger", "GET", f"/grants/{digest}")) == unknown
    shown = ring.dsp("stranger", "GET", f"/grants/{DISMANTLING.digest}")
    assert base64.urlsafe_b64encode(hashlib.sha256(shown.content).digest()).rstrip(b"=").decode() == DISMANTLING.digest
    assert ring.dsp("oem", "GET", f"/grants/{SUPPLIER.digest}").status_code == 200
    for path in (f"/grants/{DISMANTLING.digest}", f"/grants/{PUBLIC_GRANT.digest}", f"/grants/{NOWHERE}"):
        assert same(ring.get(path)) == same(ring.get("/grants/x"))
        assert ring.get(path).status_code == 401


def _request(ring: Ring, name: str, offer: str, target: str, pid: str) -> requests.Response:
    return ring.dsp(
        name,
        "POST",
        "/dsp/2025-1/negotiations/request",
        {
            "@type": "ContractRequestMessage",
            "@id": f"urn:uuid:{uuid.uuid4()}",
            "consumerPid": pid,
            "callbackAddress": f"{ring.nodes[name].url}/dsp/2025-1",
            "offer": {"@type": "Offer", "@id": offer, "target": target, "permission": [{"action": "use"}]},
        },
    )


def test_a_request_for_a_hidden_offer_is_answered_as_for_an_unknown_one(ring: Ring) -> None:
    """Offer ids can be computed by anybody: hidden, unknown, withdrawn and of another definition are one answer, and leave nothing."""
    pid = f"urn:uuid:{uuid.uuid4()}"
    offers = {each["@id"]: offer["@id"] for name in ("oem", "recycler") for each in seen(ring, name) for offer in each["hasPolicy"]}
    hidden, target = next((offer, id) for id, offer in offers.items() if id == ring.datasets()["supplier", f"battery.{FIRST}"])
    definition, dataset, digest = read_offer_id(hidden) or ("", "", "")
    open_one = offers[ring.datasets()["dismantling", "model.EV-72"]]
    other = (read_offer_id(open_one) or ("", "", ""))[0]
    before = len(ring.operate("maker", "get", "/negotiations"))

    def id_of(*parts: str) -> str:
        return ":".join(base64.urlsafe_b64encode(each.encode()).rstrip(b"=").decode() for each in parts[:2]) + ":" + hidden.split(":")[2]

    assert id_of(definition, dataset) == hidden
    answers = {
        "hidden": _request(ring, "stranger", hidden, target, pid),
        "unknown definition": _request(ring, "stranger", id_of("nothing", dataset), target, pid),
        "unknown dataset": _request(ring, "stranger", id_of(definition, "nothing"), target, pid),
        "another definition": _request(ring, "stranger", id_of(other, dataset), target, pid),
        "another target": _request(ring, "stranger", hidden, ring.datasets()["dismantling", "model.EV-72"], pid),
        "no offer id at all": _request(ring, "stranger", "nothing", target, pid),
        "other terms": _request(ring, "stranger", open_one[:-6] + "AAAAAA", ring.datasets()["dismantling", "model.EV-72"], pid),
    }
    assert {answer.status_code for answer in answers.values()} == {404}
    assert len({json.dumps(same(answer)) for answer in answers.values()}) == 1
    assert len(ring.operate("maker", "get", "/negotiations")) == before
    assert digest


def test_processes_and_agreements_of_others_are_as_unknown_as_any(ring: Ring) -> None:
    agreement = ring.agreement("recycler", "dismantling", "model.EV-72")
    address = ring.start("recycler", agreement)
    negotiation = next(row["id"] for row in ring.operate("maker", "get", "/negotiations") if row["agreement"] == agreement)
    transfer = next(row["id"] for row in ring.operate("maker", "get", "/transfers") if row["peer_pid"] == address.transfer)
    nobody = f"urn:uuid:{uuid.uuid4()}"
    for kind, pid in (("negotiations", negotiation), ("transfers", transfer)):
        assert ring.dsp("recycler", "GET", f"/dsp/2025-1/{kind}/{pid}").status_code == 200
        unknown = same(ring.dsp("oem", "GET", f"/dsp/2025-1/{kind}/{nobody}"), nobody)
        assert unknown[0] == 404
        assert same(ring.dsp("oem", "GET", f"/dsp/2025-1/{kind}/{pid}"), pid) == unknown
        ending = {"negotiations": "ContractNegotiationTerminationMessage", "transfers": "TransferTerminationMessage"}[kind]
        answers = [
            same(
                ring.dsp(
                    "oem", "POST", f"/dsp/2025-1/{kind}/{id}/termination", {"@type": ending, "consumerPid": nobody, "providerPid": id}
                ),
                id,
                nobody,
            )
            for id in (pid, nobody)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    wish = {"@type": "TransferRequestMessage", "consumerPid": nobody, "format": "HttpData-PULL"}
    wish["callbackAddress"] = f"{ring.nodes['oem'].url}/dsp/2025-1"
    ids = (agreement, f"urn:uuid:{uuid.uuid4()}")
    theirs, none = (ring.dsp("oem", "POST", "/dsp/2025-1/transfers/request", {**wish, "agreementId": id}) for id in ids)
    assert theirs.status_code == 404
    assert same(theirs) == same(none)
    assert ring.operate("maker", "get", f"/transfers/{part(transfer)}")["state"] == "STARTED"


def test_a_refusal_tells_a_stranger_no_more_than_the_offer_shows(ring: Ring) -> None:
    with pytest.raises(SaltbridgeError) as refused:
        ring.operate("stranger", "post", "/negotiations", {"peer": "maker", "dataset": ring.datasets()["dismantling", "model.EV-72"]})
    error = refused.value
    timeline = json.dumps(ring.operate("stranger", "get", "/negotiations", peer="maker"))
    told = f"{error.what} {error.why} {error.next} {error.details} {timeline}"
    assert "recycler" in told  # the offer itself says so
    for secret in ("second-life", "oem", "customer", "any-peer", "visible", ring.nodes["oem"].id, ring.nodes["recycler"].id, "condition"):
        assert secret not in told, secret
    shown = ring.operate("maker", "get", f"/decisions/{error.decision}")
    assert shown["tree"]
    assert shown["facts"]


def test_nobody_is_told_more_by_a_token_that_is_bad_in_another_way(ring: Ring) -> None:
    headers = ("", "Bearer x", "Bearer a.b.c", f"Bearer {ring.token('stranger')[:-4]}AAAA", "Basic eDp5")
    answers = {
        json.dumps(same(requests.get(f"{ring.nodes['maker'].url}/dsp/2025-1/negotiations/x", headers={"Authorization": each}, timeout=30)))
        for each in headers
    }
    assert len(answers) == 1
    used = ring.token("stranger")
    calls = [
        requests.get(f"{ring.nodes['maker'].url}/dsp/2025-1/negotiations/x", headers={"Authorization": f"Bearer {used}"}, timeout=30)
        for _ in range(2)
    ]
    assert [each.status_code for each in calls] == [404, 401]


# --- doors that are not there --------------------------------------------------------------------


def _operators_paths() -> list[str]:
    found = set()
    for route in routes(None, lambda: {}):  # type: ignore[arg-type]
        path = route.path
        while "{" in path:
            head, _, rest = path.partition("{")
            path = head + "x" + rest.partition("}")[2].lstrip("}")
        found.add(path)
    return [*sorted(found), "/health", "/health/ready", BASE, "/management/v3/assets", "/metrics"]


def test_the_operators_door_is_never_on_the_dataspaces_port(ring: Ring) -> None:
    node = ring.nodes["maker"]
    token = (node.home / "operator.token").read_text().strip()
    paths = _operators_paths()
    assert len(paths) > 30
    with requests.Session() as session:
        for path in paths:
            held = [("GET", {}), ("GET", {"Authorization": f"Bearer {token}"}), *((each, {"X-Api-Key": token}) for each in METHODS)]
            for method, headers in held:
                answer = session.request(method, node.url + path, headers=headers, timeout=30)
                assert answer.status_code == 404, (method, path)


def test_no_peer_gets_through_the_operators_door(ring: Ring) -> None:
    base = f"http://127.0.0.1:{ring.nodes['maker'].port + 1}"
    address = ring.open("recycler", "dismantling", "model.EV-72")
    for headers in ({}, {"Authorization": f"Bearer {ring.token('recycler')}"}, {"Authorization": address.authorization}):
        for path in (f"{BASE}/passports", f"{BASE}/passports/{FIRST}", f"{BASE}/peers", f"{BASE}/audit", "/dsp/2025-1/catalog/request"):
            answer = requests.get(base + path, headers=headers, timeout=30)
            assert answer.status_code == 401, path
            assert "EV-72" not in answer.text
    rebound = requests.get(base + f"{BASE}/status", headers={"Host": "evil.example"}, timeout=30)
    assert rebound.status_code == 421


@pytest.mark.parametrize(
    "path",
    [
        "/shells", "/submodels", "/serialization", "/packages", "/lookup", "/submodel-descriptors", "/registry/shell-descriptors",
        f"/passports/{FIRST}/$metadata", f"/passports/{FIRST}/parts/materials", "/passports", f"/passports?battery={FIRST}", "/grants",
        f"/passports/{UNPUBLISHED}/documents/EV-74.doc-HC-DD-0725", "/data/../passports", "/.well-known/saltbridge", "/favicon.ico", "/",
    ],
)  # fmt: skip
def test_what_this_version_does_not_serve_is_unknown(ring: Ring, path: str) -> None:
    answer = ring.get(path)
    assert answer.status_code in (401, 404), answer.text
    assert len(answer.text) < 300
    assert "000017" not in answer.text


@pytest.mark.parametrize("path", ["/lookup/shells", "/shell-descriptors"])
def test_a_stranger_gets_no_list_from_the_registry(ring: Ring, path: str) -> None:
    answer = ring.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"paging_metadata": {}, "result": []}
