"""What a pull may not give away beside its granted leaves: names, lengths, errors, tags, files, documents, other tokens."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.cli.client import part
from connector.dataplane.tokens import HmacTokens
from connector.identity import keys
from scripts.lib.leaks import granted_leaves, late_kinds
from submodels.audience import PUBLIC_GRANT
from submodels.grant import AttributeGrant, parse_grant
from submodels.table import elements
from submodels.value import read_json, write_json
from submodels.views import ready_view

from .conftest import ELSEWHERE, FIRST, OTHER, SECOND, THIRD, UNPUBLISHED, Ring, address_of, same

DISMANTLING = ("recycler", "dismantling", "model.EV-72")
CONDITION = ("recycler", "condition", f"battery.{FIRST}")
SUPPLIER = ("oem", "supplier", f"battery.{FIRST}")
MASS = "materials/BatteryMaterials/*/BatteryMaterialMass"


def names(tree: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every member name of a JSON value, with where it stands; list positions as `*`."""
    if isinstance(tree, dict):
        return {(*path, name) for name in tree} | {found for name, inner in tree.items() for found in names(inner, (*path, name))}
    if isinstance(tree, list):
        return {found for inner in tree for found in names(inner, (*path, "*"))}
    return set()


def granted_names(grant: AttributeGrant) -> set[tuple[str, ...]]:
    """Every name on the way to a granted element, or below it where a leaf has members (languages, files)."""
    paths = [(part, *element.path) for part in grant.parts for element in elements(part) if grant.allows(part, element.path)]
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


@pytest.mark.parametrize("held", [DISMANTLING, CONDITION, SUPPLIER], ids=lambda held: held[1])
def test_no_container_without_a_granted_leaf_is_named(ring: Ring, held: tuple[str, str, str]) -> None:
    grant = ready_view(held[1])[1]
    body = ring.pull(ring.open(*held), f"/{FIRST}").json()
    on_the_way = granted_names(grant)
    below_leaf = {path for path in names(body) if any(path[:-1] == each or path[:-2] == each for each in on_the_way)}
    strange = {path for path in names(body) if path[0] != "handover"} - on_the_way - below_leaf
    assert strange == set()
    assert {path[0] for path in names(body)} <= {*grant.parts, "handover"}
    assert not [path for path, value in _containers(body) if not value], "an empty container tells that something was there"


def _containers(tree: Any, path: str = "") -> list[tuple[str, Any]]:
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    return [] if below is None else [(path, tree), *(found for name, inner in below for found in _containers(inner, f"{path}/{name}"))]


@pytest.mark.parametrize("held", [DISMANTLING, CONDITION, SUPPLIER], ids=lambda held: held[1])
def test_a_pull_is_the_granted_leaves_and_nothing_else(ring: Ring, held: tuple[str, str, str]) -> None:
    whole = ring.whole(FIRST)
    body = ring.pull(ring.open(*held), f"/{FIRST}").content
    got = Counter(granted_leaves(read_json(body), None, whole.kinds))  # type: ignore[arg-type]
    assert got == Counter(granted_leaves(whole.passports[FIRST], ready_view(held[1])[1], whole.kinds))
    assert got


def test_a_list_is_as_long_as_what_is_granted_of_it(ring: Ring) -> None:
    """A material's name is public where the material is critical: how many others there are stays unknown."""
    materials: Any = ring.whole(FIRST).passports[FIRST]["materials"]
    critical = [each["BatteryMaterialName"] for each in materials["BatteryMaterials"] if each["IsCriticalRawMaterial"]]
    assert 0 < len(critical) < len(materials["BatteryMaterials"])
    shown = ring.get(f"/passports/{FIRST}").json()["parts"]["materials"]["BatteryMaterials"]
    assert [each["BatteryMaterialName"] for each in shown if "BatteryMaterialName" in each] == critical
    address = ring.open("stranger", "public", "model.EV-72")
    answers = [ring.pull(address, f"/{FIRST}/materials/BatteryMaterials/{at}/BatteryMaterialName") for at in range(len(shown) + 3)]
    got = [answer.json() for answer in answers if answer.status_code == 200]
    assert got == critical
    beyond = {json.dumps(same(answer)) for answer in answers if answer.status_code != 200}
    assert len(beyond) == 1, "a hidden item and one that does not exist differ"


def test_a_refused_path_is_refused_whether_or_not_there_is_a_value(ring: Ring) -> None:
    """Decided from path template and grant alone: an index far outside, a battery without the value, a name spelt out."""
    address = ring.open(*DISMANTLING)
    answers = {}
    for battery in (FIRST, SECOND):
        for at in ("0", "14", "9999"):
            answers[battery, at] = same(ring.pull(address, f"/{battery}/{address_of(MASS.replace('*', at))}"))
    assert len({json.dumps(each) for each in answers.values()}) == 1
    status, _, text = next(iter(answers.values()))
    assert status == 403
    assert json.loads(text)["code"] == "grant.path"
    assert MASS in text


def test_every_element_outside_the_view_is_refused_in_the_same_words(ring: Ring) -> None:
    address, grant = ring.open(*DISMANTLING), ready_view("dismantling")[1]
    seen = set()
    for each in (*elements("condition"), *elements("technical"), *elements("carbon")):
        assert not grant.allows(each.part, each.path)
        wanted = f"{each.part}/{'/'.join(each.path)}"
        answer = ring.pull(address, f"/{FIRST}/{address_of(wanted.replace('*', '0'))}")
        seen.add(json.dumps(same(answer, wanted)))
    assert len(seen) == 1


@pytest.mark.parametrize("suffix", ["$metadata", "$path", "$reference", "$value/x", "$values", "..", "%2e%2e/condition", "**", "*"])
def test_no_other_form_of_a_part_is_served(ring: Ring, suffix: str) -> None:
    address = ring.open(*DISMANTLING)
    for where in ("", "/materials", "/condition"):
        status, text = ring.raw(address, f"/{FIRST}{where}/{suffix}")
        assert status in (400, 403, 404), text
        assert set(json.loads(text)) == {"code", "reason", "decision"}


# --- tags and lengths ----------------------------------------------------------------------------


def test_equal_bytes_under_two_agreements_cannot_be_compared_by_their_tags(ring: Ring) -> None:
    dataset = ring.datasets()["dismantling", "model.EV-72"]
    one, two = (ring.start("recycler", ring.agree("recycler", dataset)) for _ in range(2))
    for path in (f"/{FIRST}", f"/{FIRST}/materials", f"/{FIRST}/documents", f"/{FIRST}/documents/EV-72.doc-{'HC-DM-7204'}"):
        first, again, second = ring.pull(one, path), ring.pull(one, path), ring.pull(two, path)
        assert first.status_code == 200, first.text
        assert first.content == second.content
        assert first.headers["ETag"] == again.headers["ETag"]
        assert first.headers["ETag"] != second.headers["ETag"]
        assert hashlib.sha256(first.content).hexdigest()[:32] not in first.headers["ETag"]
        assert first.headers["Saltbridge-Receipt"] != again.headers["Saltbridge-Receipt"]
    public = ring.get(f"/passports/{FIRST}")
    assert public.headers["ETag"] not in {ring.pull(each, f"/{FIRST}").headers["ETag"] for each in (one, two)}


def test_a_change_of_a_hidden_leaf_changes_no_byte_no_tag_and_no_length(ring: Ring) -> None:
    """Also the update notice of this version: a revision number, which says that something changed and not what."""
    address = ring.open(*DISMANTLING)
    paths = [f"/{THIRD}", f"/{THIRD}/materials", f"/{THIRD}/documents", f"/{THIRD}/condition/RemainingEnergy/RemainingEnergyValue"]
    before = [ring.pull(address, path) for path in paths]
    public = ring.get(f"/passports/{THIRD}")
    condition = json.loads(write_json(ring.whole(THIRD).passports[THIRD]["condition"]))
    condition["RemainingEnergy"]["RemainingEnergyValue"] = 71.5678901
    condition["NegativeEvents"] = [{"NegativeEventValue": "Something else entirely", "LastUpdate": "2026-11-14T08:00:00Z"}] * 7
    changed = ring.operate("maker", "put", f"/passports/{THIRD}/condition", condition)
    assert changed["changed"]
    after = [ring.pull(address, path) for path in paths]
    for old, new in zip(before, after, strict=True):
        assert _without_revision(same(old)) == _without_revision(same(new))
        assert old.headers["Content-Length"] == new.headers["Content-Length"]
    assert before[0].headers["Saltbridge-Revision"] != after[0].headers["Saltbridge-Revision"]
    assert same(public) == same(ring.get(f"/passports/{THIRD}"))


def _without_revision(answer: tuple[int, dict[str, str], str]) -> tuple[int, dict[str, str], str]:
    return answer[0], {name: value for name, value in answer[1].items() if name != "saltbridge-revision"}, answer[2]


# --- documents and files -------------------------------------------------------------------------


def test_documents_are_listed_by_granted_kinds_only(ring: Ring) -> None:
    address = ring.open(*DISMANTLING)
    listed = ring.pull(address, f"/{FIRST}/documents").json()
    assert {each["kind"] for each in listed} == set(ready_view("dismantling")[1].kinds)
    told = ring.pull(address, f"/{FIRST}")
    assert not [id for id in ("DD-0725", "AB-7226", "TR-7233") if id in told.text + str(told.headers)]
    handover = ring.pull(address, f"/{FIRST}/handover").json()
    assert {entry["DocumentIds"][0]["DocumentIdentifier"] for entry in handover["Documents"]} == {each["identifier"] for each in listed}


def test_a_document_of_another_kind_owner_or_view_is_as_unknown_as_any(ring: Ring) -> None:
    held = {"dismantling": ring.open(*DISMANTLING), "condition": ring.open(*CONDITION)}
    unknown = same(ring.pull(held["dismantling"], f"/{FIRST}/documents/EV-72.doc-nothing"))
    assert unknown[0] == 404
    for view, id in (
        ("dismantling", "EV-72.doc-HC-TR-7233"),  # for authorities
        ("dismantling", "EV-72.doc-HC-AB-7226"),  # legitimate interest, not in this view
        ("dismantling", "EV-72.doc-HC-DD-0725"),  # public, not in this view
        ("dismantling", "EV-73.doc-HC-DM-7204"),  # the granted kind, of another owner
        ("dismantling", "EV-74.doc-HC-DM-7204"),  # of a model that is not published
        ("condition", "EV-72.doc-HC-DM-7204"),  # granted by the consumer's other view
        ("dismantling", hashlib.sha256(ring_document(ring, "HC-DM-7204")).hexdigest()),  # the name of the bytes
    ):
        answer = ring.pull(held[view], f"/{FIRST}/documents/{id}")
        assert same(answer) == unknown, id
    assert ring.pull(held["dismantling"], f"/{FIRST}/documents/EV-72.doc-HC-DM-7204").content == ring_document(ring, "HC-DM-7204")


def ring_document(ring: Ring, identifier: str) -> bytes:
    return ring.whole(FIRST).documents[identifier][1]


def test_an_address_elsewhere_leaves_only_where_the_file_is_public(ring: Ring) -> None:
    address = ring.open("recycler", "dismantling", "model.EV-73")
    body = ring.pull(address, f"/{OTHER}")
    assert body.status_code == 200
    assert ELSEWHERE not in body.text
    manual = [each for each in body.json()["handover"]["Documents"] if each["DocumentIds"][0]["DocumentIdentifier"] == "HC-DM-7204"]
    assert len(manual) == 1
    assert "DigitalFiles" not in manual[0]["DocumentVersions"][0]
    public = ring.get(f"/passports/{OTHER}").text
    assert f"{ELSEWHERE}?of=HC-DC-7230" in public
    assert "HC-DM-7204" not in public


# --- scope, manifest, other agreements -----------------------------------------------------------


def test_the_manifest_names_no_battery_unless_their_numbers_are_granted(ring: Ring) -> None:
    address = ring.open(*DISMANTLING)
    manifest = ring.pull(address).json()
    assert set(manifest) == {"dataset", "grant", "parts", "documents", "next", "at"}
    assert manifest["parts"] == sorted(ready_view("dismantling")[1].parts)
    assert "EV-72.0" not in json.dumps(manifest)
    numbers = ring.pull(ring.open("recycler", "numbers", "model.EV-72")).json()
    assert numbers["items"] == [FIRST, SECOND, THIRD]


def test_a_battery_outside_the_scope_is_as_unknown_as_any(ring: Ring) -> None:
    address = ring.open(*CONDITION)
    for path in ("", "/condition", "/documents", "/documents/EV-72.doc-HC-DM-7204"):
        answers = {
            battery: same(ring.pull(address, f"/{battery}{path}"), battery) for battery in (SECOND, OTHER, UNPUBLISHED, "EV-99.123456")
        }
        assert len({json.dumps(each) for each in answers.values()}) == 1, path
        assert answers[SECOND][0] == 404
        by_query = {json.dumps(same(ring.pull(address, f"{path}?battery={name}"), name)) for name in (SECOND, OTHER, "EV-99.123456")}
        assert len(by_query) == 1, path
    model = ring.open(*DISMANTLING)
    assert same(ring.pull(model, f"/{OTHER}")) == same(ring.pull(model, "/EV-99.123456"))


def test_two_agreements_of_one_consumer_do_not_add_up_in_one_pull(ring: Ring) -> None:
    dismantling, condition = ring.open(*DISMANTLING), ring.open(*CONDITION)
    assert "condition" not in ring.pull(dismantling, f"/{FIRST}").json()
    assert "materials" not in ring.pull(condition, f"/{FIRST}").json()
    assert ring.pull(dismantling, f"/{FIRST}/condition").status_code == 403
    assert ring.pull(condition, f"/{FIRST}/materials").status_code == 403
    assert ring.pull(condition, f"/{FIRST}/condition").status_code == 200


# --- tokens --------------------------------------------------------------------------------------


def test_a_token_opens_its_own_transfer_generation_and_consumer_only(ring: Ring) -> None:
    address = ring.open(*DISMANTLING)
    maker = HmacTokens(keys.load(ring.nodes["maker"].home / "keys").data)
    theirs = next(row for row in ring.operate("maker", "get", "/transfers") if row["peer_pid"] == address.transfer)
    until = datetime.now(UTC) + timedelta(days=1)
    oem = ring.nodes["oem"].id
    recycler = ring.nodes["recycler"].id
    other = ring.open(*SUPPLIER)
    others = next(row for row in ring.operate("maker", "get", "/transfers") if row["peer_pid"] == other.transfer)["id"]
    unknown = same(ring.pull(address, f"/{FIRST}", Authorization="Bearer nonsense"))
    assert unknown[0] == 401
    for token in (
        maker.issue(theirs["id"], theirs["generation"], oem, until),  # another consumer
        maker.issue(others, 1, recycler, until),  # another consumer's transfer
        maker.issue("urn:uuid:nothing", 1, recycler, until),  # no transfer
        maker.issue(theirs["id"], theirs["generation"], recycler, until - timedelta(days=2)),  # over
        HmacTokens(b"x" * 32).issue(theirs["id"], theirs["generation"], recycler, until),  # of another node
        address.authorization[:-2] + ("AA" if not address.authorization.endswith("AA") else "BB"),
        f"Bearer {ring.token('recycler')}",  # of the messages
        f"Bearer {(ring.nodes['maker'].home / 'operator.token').read_text().strip()}",  # of the operator
        "",
    ):
        assert same(ring.pull(address, f"/{FIRST}", Authorization=token)) == unknown, token
    for generation, status in ((theirs["generation"], 200), (7, 403)):
        token = maker.issue(theirs["id"], generation, recycler, until)
        assert ring.pull(address, f"/{FIRST}", Authorization=token).status_code == status


def test_a_token_of_an_earlier_start_of_a_suspended_or_an_ended_transfer_opens_nothing(ring: Ring) -> None:
    address = ring.start("recycler", ring.agreement(*DISMANTLING))
    pid = part(address.transfer)
    ring.operate("recycler", "post", f"/transfers/{pid}/suspend", {"reason": "a while"})
    _until(ring, address, "SUSPENDED")
    assert ring.pull(address, f"/{FIRST}").status_code == 403
    ring.operate("recycler", "post", f"/transfers/{pid}/resume", {})
    _until(ring, address, "STARTED", generation=2)
    renewed = ring.address("recycler", address.transfer)
    assert renewed.authorization != address.authorization
    assert ring.pull(address, f"/{FIRST}").status_code == 403
    assert ring.pull(renewed, f"/{FIRST}").status_code == 200
    ring.operate("recycler", "post", f"/transfers/{pid}/complete", {})
    _until(ring, address, "COMPLETED")
    assert ring.pull(renewed, f"/{FIRST}").status_code == 403


def _until(ring: Ring, address: Any, state: str, generation: int = 0) -> None:
    for _ in range(500):
        theirs = next(row for row in ring.operate("maker", "get", "/transfers") if row["peer_pid"] == address.transfer)
        ours = ring.operate("recycler", "get", f"/transfers/{part(address.transfer)}")
        if theirs["state"] == ours["state"] == state and theirs["generation"] >= generation:
            time.sleep(0.05 if generation else 0)
            return
        time.sleep(0.01)
    raise AssertionError(f"never {state}: {theirs['state']} {ours['state']}")


# --- without a contract --------------------------------------------------------------------------


def test_the_public_passport_is_the_public_leaves_and_nothing_else(ring: Ring) -> None:
    whole = ring.whole(FIRST)
    answer = ring.get(f"/passports/{FIRST}")
    tree: Any = read_json(answer.content)
    assert set(tree) == {"battery", "model", "documents", "parts"}
    got = Counter(granted_leaves(tree["parts"], None, whole.kinds))
    assert got == Counter(granted_leaves(whole.passports[FIRST], PUBLIC_GRANT, whole.kinds))
    assert {each["kind"] for each in tree["documents"]} == set(PUBLIC_GRANT.kinds) - late_kinds()


def test_without_a_contract_the_hidden_is_as_unknown_as_any(ring: Ring) -> None:
    unknown = ring.get("/passports/EV-99.123456")
    assert unknown.status_code == 404
    assert same(ring.get(f"/passports/{UNPUBLISHED}")) == same(unknown)
    document = same(ring.get(f"/passports/{FIRST}/documents/EV-72.doc-nothing"))
    assert document[0] == 404
    for id in ("EV-72.doc-HC-TR-7233", "EV-72.doc-HC-DM-7204", "EV-73.doc-HC-DC-7230", "EV-74.doc-HC-DC-7230"):
        assert same(ring.get(f"/passports/{FIRST}/documents/{id}")) == document, id
    assert ring.get(f"/passports/{FIRST}/documents/EV-72.doc-HC-DC-7230").status_code == 200
    for path in ("materials", "condition", "$metadata", "documents"):
        assert ring.get(f"/passports/{FIRST}/{path}").status_code == 404


def test_the_grant_is_read_back_from_every_agreement_as_it_was_made(ring: Ring) -> None:
    for held in (DISMANTLING, CONDITION, SUPPLIER):
        shown = ring.operate(held[0], "get", f"/agreements/{part(ring.agreement(*held))}")
        assert parse_grant(shown["grant"]) == ready_view(held[1])[1]
