"""The registry obeys the grants: ids, datasets, counts, cursors and errors tell nobody more than its catalog and the law do."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .conftest import FIRST, OTHER, SECOND, UNPUBLISHED, Ring, same

LOOKUP = "/lookup/shellsByAssetLink"
WHO = ("recycler", "oem", "stranger", "")
CUSTOMER = {"name": "customerPartId", "value": "K-7741-0093"}


def ask(ring: Ring, who: str, links: Any, query: str = "") -> requests.Response:
    """Who is a peer's name, or '' for nobody known."""
    if who:
        headers = {"Authorization": f"Bearer {ring.token(who)}"}
        return requests.post(ring.nodes["maker"].url + LOOKUP + query, json=links, headers=headers, timeout=30)
    return requests.post(ring.nodes["maker"].url + LOOKUP + query, json=links, timeout=30)


def get(ring: Ring, who: str, path: str) -> requests.Response:
    return ring.dsp(who, "GET", path) if who else ring.get(path)


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def link(name: str, value: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value}]


def shell_of(ring: Ring, battery: str) -> str:
    found = ask_operator(ring, link("batteryId", battery))
    assert len(found) == 1
    return str(found[0])


def ask_operator(ring: Ring, links: Any) -> list[str]:
    found: list[str] = ring.operate("maker", "post", "/registry/lookup/shellsByAssetLink", links)["result"]
    return found


def descriptor(ring: Ring, who: str, battery: str) -> dict[str, Any]:
    answer = get(ring, who, f"/shell-descriptors/{b64(shell_of(ring, battery))}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bodies(descriptor: dict[str, Any]) -> set[str]:
    return {
        endpoint["protocolInformation"]["subprotocolBody"].split(";")[0].removeprefix("id=")
        for each in descriptor["submodelDescriptors"]
        for endpoint in each["endpoints"]
        if endpoint["protocolInformation"].get("subprotocol") == "DSP"
    }


@pytest.fixture(scope="module")
def added(ring: Ring) -> Iterator[None]:
    """An asset id of the maker's own, open to customers."""
    ring.operate("maker", "post", f"/registry/asset-ids/{FIRST}", CUSTOMER)
    ring.operate("maker", "post", f"/registry/asset-ids/{UNPUBLISHED}", CUSTOMER)
    ring.operate("maker", "put", f"/registry/rules/{CUSTOMER['name']}", {"visible_to": "customer"})
    yield
    ring.operate("maker", "delete", f"/registry/asset-ids/{FIRST}/{CUSTOMER['name']}")
    ring.operate("maker", "delete", f"/registry/asset-ids/{UNPUBLISHED}/{CUSTOMER['name']}")


def product(ring: Ring, battery: str) -> str:
    """The unique product identifier, as the QR code carries it."""
    return str(ring.get(f"/passports/{battery}").json()["parts"]["metadata"]["uniqueProductIdentifier"])


# --- who finds what ------------------------------------------------------------------------------


@pytest.mark.parametrize("who", WHO)
def test_everyone_finds_a_published_battery_by_what_is_public_of_it(ring: Ring, who: str) -> None:
    own = ring.get(f"/passports/{FIRST}").json()["parts"]
    for name, value in (
        ("globalAssetId", product(ring, FIRST)),
        ("partInstanceId", own["nameplate"]["SerialNumber"]),
        ("digitalProductPassportId", own["metadata"]["digitalProductPassportId"]),
        ("batteryId", FIRST),
    ):
        assert shell_of(ring, FIRST) in ask(ring, who, link(name, value)).json()["result"], name


@pytest.mark.parametrize("who", WHO)
def test_what_is_not_published_is_as_if_it_were_not(ring: Ring, who: str) -> None:
    """By every identifier of it, by its shell's id, by its submodels' ids."""
    shell = shell_of(ring, UNPUBLISHED)
    whole = ring.operate("maker", "get", f"/registry/shell-descriptors/{b64(shell)}")
    assert whole["globalAssetId"] and len(whole["specificAssetIds"]) >= 5, "the operator sees it"
    ids = [("globalAssetId", whole["globalAssetId"]), *((each["name"], each["value"]) for each in whole["specificAssetIds"])]
    telling = [(name, value) for name, value in ids if name not in ("digitalTwinType", "manufacturerId", "manufacturerPartId")]
    for name, value in telling:
        unknown = ask(ring, who, link(name, "EV-79.000017"))
        if value == "000017":  # the serial number of two published batteries as well
            assert shell not in ask(ring, who, link(name, value)).json()["result"]
        else:
            assert same(ask(ring, who, link(name, value))) == same(unknown), name
    for path, nowhere in (
        (f"/shell-descriptors/{b64(shell)}", f"/shell-descriptors/{b64('urn:saltbridge:EV-79.1#shell')}"),
        (f"/lookup/shells/{b64(shell)}", f"/lookup/shells/{b64('urn:saltbridge:EV-79.1#shell')}"),
        (f"/submodel-descriptors/{b64(shell.replace('#shell', '#materials'))}", f"/submodel-descriptors/{b64('urn:x#materials')}"),
        (f"/shell-descriptors/{b64(shell)}/submodel-descriptors", f"/shell-descriptors/{b64('x')}/submodel-descriptors"),
    ):
        hidden, unknown = get(ring, who, path), get(ring, who, nowhere)
        assert hidden.status_code == 404
        assert timeless(hidden) == timeless(unknown)


def timeless(answer: requests.Response) -> tuple[int, list[dict[str, str]]]:
    """An error without its time: status and messages."""
    body = answer.json()
    assert list(body) == ["messages"]
    return answer.status_code, [{name: value for name, value in each.items() if name != "timestamp"} for each in body["messages"]]


# --- datasets ------------------------------------------------------------------------------------


def test_descriptors_name_only_datasets_that_the_catalog_shows_to_the_caller(ring: Ring) -> None:
    offered = ring.datasets()
    condition, supplier = offered["condition", f"battery.{FIRST}"], offered["supplier", f"battery.{FIRST}"]
    public, dismantling, numbers = (offered[view, "model.EV-72"] for view in ("public", "dismantling", "numbers"))
    assert bodies(descriptor(ring, "recycler", FIRST)) == {condition, public, dismantling, numbers}
    assert bodies(descriptor(ring, "oem", FIRST)) == {supplier, public, dismantling, numbers}
    assert bodies(descriptor(ring, "stranger", FIRST)) == {public, dismantling, numbers}
    assert bodies(descriptor(ring, "", FIRST)) == set()


def test_a_hidden_datasets_id_stands_in_no_answer_of_the_registry(ring: Ring) -> None:
    offered = ring.datasets()
    hidden = {
        "stranger": [("condition", f"battery.{FIRST}"), ("supplier", f"battery.{FIRST}"), ("dismantling", "model.EV-73")],
        "oem": [("condition", f"battery.{FIRST}"), ("dismantling", "model.EV-73")],
        "recycler": [("supplier", f"battery.{FIRST}")],
        "": list(offered),
    }
    for who, datasets in hidden.items():
        said = "".join(get(ring, who, f"/shell-descriptors/{b64(shell_of(ring, each))}").text for each in (FIRST, SECOND, OTHER))
        said += get(ring, who, "/shell-descriptors").text
        for each in datasets:
            assert offered[each] not in said, (who, each)
            if each[0] in ("condition", "supplier"):  # a grant that no visible dataset has either
                assert offered[each].rpartition(".")[2] not in said, (who, each)


def test_a_part_that_no_dataset_of_the_caller_has_has_no_descriptor(ring: Ring) -> None:
    """The dismantling of the second model is the recycler's alone; the stranger learns not even which parts it has."""
    shell = shell_of(ring, OTHER)
    assert descriptor(ring, "recycler", OTHER)["submodelDescriptors"]
    for who in ("oem", "stranger", ""):
        restricted = [
            each for each in descriptor(ring, who, OTHER)["submodelDescriptors"]
            if any(one["protocolInformation"].get("subprotocol") for one in each["endpoints"])
        ]  # fmt: skip
        assert restricted == []
    there = [each["id"] for each in descriptor(ring, "recycler", OTHER)["submodelDescriptors"] if "condition" in each["id"]]
    assert there == [], "the view holds no condition"
    assert get(ring, "recycler", f"/submodel-descriptors/{b64(shell.replace('#shell', '#condition'))}").status_code == 404


def test_the_holder_of_a_contract_sees_its_dataset_by_the_data_token(ring: Ring) -> None:
    address = ring.open("recycler", "dismantling", "model.EV-72")
    headers = {"Authorization": address.authorization}
    answer = requests.get(f"{ring.nodes['maker'].url}/shell-descriptors/{b64(shell_of(ring, FIRST))}", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert bodies(answer.json()) == {ring.datasets()["dismantling", "model.EV-72"]}
    href = answer.json()["submodelDescriptors"][0]["endpoints"][0]["protocolInformation"]["href"]
    assert href.endswith("/$value")
    assert requests.get(href, headers=headers, timeout=30).status_code == 200


# --- asset ids -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("added")
def test_an_added_asset_id_is_found_and_read_by_whom_its_rule_admits_and_by_nobody_else(ring: Ring) -> None:
    shell = shell_of(ring, FIRST)
    assert ask(ring, "oem", [CUSTOMER]).json()["result"] == [shell], "and not the battery that is not published"
    shown = [each for each in descriptor(ring, "oem", FIRST)["specificAssetIds"] if each["name"] == CUSTOMER["name"]]
    assert [each["value"] for each in shown] == [CUSTOMER["value"]]
    assert shown[0]["externalSubjectId"]["keys"][0]["value"] == ring.nodes["oem"].id
    for who in ("recycler", "stranger", ""):
        unknown = ask(ring, who, link(CUSTOMER["name"], "K-0000-0000"))
        assert same(ask(ring, who, [CUSTOMER])) == same(unknown), "the right value and a wrong one are alike"
        never = ask(ring, who, link("noSuchName", CUSTOMER["value"]))
        assert same(never) == same(unknown), "and so is a name that nobody uses"
        # beside an identifier that is right
        both = [*link("batteryId", FIRST), CUSTOMER]
        assert same(ask(ring, who, both)) == same(ask(ring, who, [*link("batteryId", FIRST), *link(CUSTOMER["name"], "K-0000-0000")]))
        answers = [get(ring, who, f"/{path}/{b64(shell)}").text for path in ("shell-descriptors", "lookup/shells")]
        assert CUSTOMER["value"] not in "".join(answers)
        assert CUSTOMER["name"] not in "".join(answers)


@pytest.mark.usefixtures("added")
def test_no_descriptor_names_another_participant(ring: Ring) -> None:
    ids = {name: node.id for name, node in ring.nodes.items()}
    for who in WHO:
        said = json.dumps(descriptor(ring, who, FIRST))
        for name, id in ids.items():
            if name not in (who, "maker"):
                assert id not in said, (who, name)


# --- lists, counts, cursors ----------------------------------------------------------------------


def test_only_an_agreement_that_grants_the_items_opens_a_list(ring: Ring) -> None:
    """For its scope; not an offer that is merely seen, nor an identifier that many share."""
    everything = [*link("manufacturerPartId", "EV-72")], [*link("digitalTwinType", "PartInstance")], []
    without = [name for name in ("oem", "recycler", "stranger") if not ring.operate(name, "get", "/agreements")]
    for who in (*without, ""):  # agreements that other tests made stay, and one over the public view opens a list, too
        assert get(ring, who, "/shell-descriptors").json() == {"paging_metadata": {}, "result": []}
        for links in everything:
            assert ask(ring, who, links).json() == {"paging_metadata": {}, "result": []}
    ring.agreement("recycler", "numbers", "model.EV-72")
    listed = [each["id"] for each in get(ring, "recycler", "/shell-descriptors").json()["result"]]
    assert listed == sorted(listed)
    assert shell_of(ring, FIRST) in listed
    assert shell_of(ring, OTHER) not in listed, "another model"
    assert ask(ring, "recycler", link("manufacturerPartId", "EV-73")).json()["result"] == []
    assert len(ask(ring, "recycler", link("manufacturerPartId", "EV-72")).json()["result"]) == len(listed)


def test_a_cursor_is_unreadable_and_serves_nobody_else_and_no_other_question(ring: Ring) -> None:
    ring.agreement("recycler", "numbers", "model.EV-72")
    first = get(ring, "recycler", "/shell-descriptors?limit=1").json()
    cursor = first["paging_metadata"]["cursor"]
    assert FIRST not in cursor
    assert b"EV-72" not in base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    second = get(ring, "recycler", f"/shell-descriptors?limit=1&cursor={cursor}").json()
    assert second["result"][0]["id"] != first["result"][0]["id"]
    for who, path in (("oem", "/shell-descriptors"), ("", "/shell-descriptors")):
        assert get(ring, who, f"{path}?cursor={cursor}").status_code == 400
    assert ask(ring, "recycler", link("manufacturerPartId", "EV-72"), f"?cursor={cursor}").status_code == 400


def test_no_cursor_says_that_something_hidden_follows(ring: Ring) -> None:
    """Three batteries have this serial number, one of them unpublished: the last page of the other two is the last."""
    serial = link("partInstanceId", "000017")
    whole = ask(ring, "stranger", serial).json()
    assert whole["paging_metadata"] == {}
    assert len(whole["result"]) == 2
    first = ask(ring, "stranger", serial, "?limit=1").json()
    last = ask(ring, "stranger", serial, f"?limit=1&cursor={first['paging_metadata']['cursor']}").json()
    assert [*first["result"], *last["result"]] == whole["result"]
    assert last["paging_metadata"] == {}
    assert ask(ring, "stranger", serial, "?limit=2").json() == whole


def test_what_cannot_be_read_is_a_result_and_says_nothing_of_what_is_here(ring: Ring) -> None:
    for path in (
        "/shell-descriptors?limit=-1", "/shell-descriptors?limit=0", "/shell-descriptors?cursor=", "/shell-descriptors?cursor=AAAA",
        "/shell-descriptors/%25%25", "/shell-descriptors/YQ==", "/lookup/shells?assetIds=e30",
    ):  # fmt: skip
        assert timeless(get(ring, "", path))[0] == 400, path
    for body in ({}, [1], [{"name": "a"}], [{"name": "", "value": "b"}], link("a", "b") * 21):
        assert timeless(ask(ring, "", body))[0] == 400, body
    assert timeless(requests.get(ring.nodes["maker"].url + LOOKUP, timeout=30))[0] == 405
    forged = requests.get(f"{ring.nodes['maker'].url}/shell-descriptors", headers={"Authorization": "Bearer e30.e30.AA"}, timeout=30)
    assert timeless(forged)[0] == 401


def test_nothing_ungranted_has_crossed_the_wire_by_the_registry(ring: Ring) -> None:
    report = ring.leaks(FIRST, SECOND, OTHER)
    assert not report.found, report.found


@pytest.mark.parametrize("who", ["", "stranger"])
def test_what_is_public_has_an_endpoint_without_a_contract_and_it_gives_the_public_view(ring: Ring, who: str) -> None:
    public = ring.get(f"/passports/{FIRST}").json()["parts"]
    given = {}
    for each in descriptor(ring, who, FIRST)["submodelDescriptors"]:
        for endpoint in each["endpoints"]:
            if "subprotocol" not in endpoint["protocolInformation"]:
                given[each["id"].rpartition("#")[2]] = requests.get(endpoint["protocolInformation"]["href"], timeout=30).json()
    assert given == public
