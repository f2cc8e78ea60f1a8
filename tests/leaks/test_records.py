"""What a node writes down about its work holds no passport value and no token: logs, audit, decisions; and what was received closes."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest

from connector.cli.client import part
from connector.errors import SaltbridgeError
from scripts.lib import leaks, stage
from submodels.table import PARTS, elements
from submodels.views import ready_view

from .conftest import FIRST, OTHER, SECOND, THIRD, Ring

BATTERIES = (FIRST, SECOND, THIRD, OTHER)
DISMANTLING = ("recycler", "dismantling", "model.EV-72")
# Values that stand in operators' own words too: names of models, batteries and people's roles.
WORDS = {"office", "Active"}


def values(ring: Ring) -> set[str]:
    """Every text and number of the passports that stands out."""
    whole = ring.whole(*BATTERIES)
    found = {
        text
        for battery, parts in whole.passports.items()
        for leaf in leaks._leaves(battery, parts, whole.kinds)
        for text in leaf.texts
        if (len(text) >= 6 or (re.fullmatch(r"-?\d+\.\d+", text) and len(text) >= 5)) and text not in WORDS
    }
    assert len(found) > 200
    return found


def spoken(text: str, found: set[str]) -> list[str]:
    """Those that the text says, numbers as numbers and not as a part of an instant."""
    text = re.sub(r"\d\d:\d\d:\d\d(\.\d+)?", "", text)
    return sorted(each for each in found if each in text and re.search(rf"(?<![\w.]){re.escape(each)}(?![\w.]*\d)", text))


def log_of(node: stage.Node) -> list[dict[str, Any]]:
    """A node's log without what it measured of itself, which may be any number."""
    lines = [json.loads(line) for line in (node.home / "node.log").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("ms", "seconds")} for line in lines]


def busy(ring: Ring) -> None:
    """Something of everything: pulls by operator and by hand, refusals, odd requests, a retired agreement."""
    address = ring.open(*DISMANTLING)
    for path in ("", f"/{FIRST}", f"/{FIRST}/materials", f"/{FIRST}/condition", f"/{FIRST}/documents", "/EV-99.1", f"/{FIRST}/nothing"):
        ring.pull(address, path)
    ring.pull(address, f"/{FIRST}", Authorization="Bearer wrong")
    ring.get(f"/passports/{FIRST}")
    for name, dataset in (("stranger", "dismantling"), ("oem", "dismantling")):
        with pytest.raises(SaltbridgeError):
            wanted = ring.datasets()[dataset, "model.EV-72"]
            ring.operate(name, "post", "/negotiations", {"peer": "maker", "dataset": wanted})
    ring.operate("recycler", "post", "/pull", {"peer": "maker", "view": ring.datasets()[DISMANTLING[1:]], "battery": SECOND})


def tokens(ring: Ring) -> list[str]:
    """Everything secret that crossed or lies in a home."""
    found = {(node.home / "operator.token").read_text().strip() for node in ring.nodes.values()}
    for _, connection in ring.connections():
        for raw in (connection.sent, connection.answered):
            found |= {run.decode() for run in re.findall(rb"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", bytes(raw))}
    assert len(found) > 10
    return sorted(found)


def test_no_log_holds_a_passports_value_or_a_token(ring: Ring) -> None:
    busy(ring)
    found = values(ring)
    for node in ring.nodes.values():
        lines = log_of(node)
        assert len(lines) > 3
        # a document's id is built from its identifier, and stands in the address that the caller asked for
        log = re.sub(r"/documents/[^\" ]+", "/documents/", json.dumps(lines, ensure_ascii=False))
        assert spoken(log, found) == [], node.name
        for token in tokens(ring):
            assert token not in log
            assert token.rpartition(".")[2] not in log, "not even the signature"
        assert "Traceback" not in log
        assert not [line for line in lines if line["level"] in ("error", "critical")]


def test_the_audit_export_holds_no_passports_value_no_token_and_no_word_of_a_peer(ring: Ring) -> None:
    busy(ring)
    transfer = ring.start("recycler", ring.agreement(*DISMANTLING)).transfer
    ring.operate("recycler", "post", f"/transfers/{part(transfer)}/terminate", {"reason": "Zwischenruf eines Fremden"})
    found = values(ring)
    for name in ring.nodes:
        text = json.dumps(chain(ring, name), ensure_ascii=False)
        assert spoken(text, found) == [], name
        assert not [token for token in tokens(ring) if token in text]
        assert "Zwischenruf" not in text
        assert ring.operate(name, "get", "/audit/verify")["holds"]
    events = {entry["event"] for entry in chain(ring, "maker")}
    assert {"pull", "decision", "negotiation.state", "transfer.state", "view.offered"} <= events


def chain(ring: Ring, name: str) -> list[Any]:
    found: list[Any] = []
    while page := ring.operate(name, "get", "/audit", after=found[-1]["seq"] if found else 0, limit=1000):
        found += page
    return found


def test_the_audit_lets_nobody_guess_what_left(ring: Ring) -> None:
    """The digest is over the receipt and the bytes: the holder can prove the pull, a reader of the chain cannot try values."""
    address = ring.open(*DISMANTLING)
    answer = ring.pull(address, f"/{FIRST}/materials/BatteryChemistry/ShortName")
    entry = [each for each in chain(ring, "maker") if each["event"] == "pull"][-1]
    receipt = answer.headers["Saltbridge-Receipt"]
    assert entry["data"]["digest"] == hashlib.sha256(receipt.encode() + b"\0" + answer.content).hexdigest()
    assert receipt not in json.dumps(chain(ring, "maker"))
    assert hashlib.sha256(answer.content).hexdigest() not in json.dumps(chain(ring, "maker"))


def test_decisions_hold_facts_about_the_peer_and_no_value(ring: Ring) -> None:
    busy(ring)
    found = values(ring)
    refused = ring.pull(ring.open(*DISMANTLING), f"/{FIRST}/condition/StateOfCharge/StateOfChargeValue").json()
    ids = [entry["subject"] for entry in chain(ring, "maker") if entry["event"] == "decision"]
    assert refused["decision"] in ids
    for id in ids:
        shown = ring.operate("maker", "get", f"/decisions/{id}")
        text = json.dumps(shown, ensure_ascii=False)
        assert spoken(text, found) == []
        others = [node.id for node in ring.nodes.values() if node.id not in (shown["peer"], ring.nodes["maker"].id)]
        assert not [each for each in others if each in text]


def test_what_was_received_cannot_be_read_after_the_agreement_is_retired(ring: Ring) -> None:
    dataset = ring.datasets()["numbers", "model.EV-72"]
    for retirer in ("maker", "recycler"):
        ring.agree("recycler", dataset)
        pulled = ring.operate("recycler", "post", "/pull", {"peer": "maker", "view": dataset, "battery": FIRST})
        held = ring.operate("recycler", "get", "/received", agreement=pulled["agreement"])
        assert held
        ids = [part(row["id"]) for row in held]
        assert all(ring.operate("recycler", "download", f"/received/{id}/content")[0] for id in ids)
        ring.operate(retirer, "post", f"/agreements/{part(pulled['agreement'])}/retire", {"reason": "over"})
        if retirer == "maker":  # no transfer is open that could tell: the next pull does
            with pytest.raises(SaltbridgeError):
                ring.operate("recycler", "post", "/transfers", {"agreement": pulled["agreement"]})
        for id in ids:
            with pytest.raises(SaltbridgeError) as refused:
                ring.operate("recycler", "download", f"/received/{id}/content")
            assert refused.value.code == "agreement.over"


def test_a_retired_agreement_lets_nothing_out_whatever_is_held(ring: Ring) -> None:
    agreement = ring.agree("recycler", ring.datasets()[DISMANTLING[1:]])
    address = ring.start("recycler", agreement)
    assert ring.pull(address, f"/{FIRST}").status_code == 200
    ring.operate("maker", "post", f"/agreements/{part(agreement)}/retire", {"reason": "over"})
    for path in ("", f"/{FIRST}", f"/{FIRST}/documents", f"/{FIRST}/documents/EV-72.doc-HC-DM-7204", f"/{FIRST}/condition", "/EV-99.1"):
        answer = ring.pull(address, path)
        assert answer.status_code == 403
        assert answer.json()["code"] == "agreement.retired"
        assert "EV-72.0" not in answer.text


def test_nothing_forbidden_crossed_the_wire_when_everybody_asked_for_everything(ring: Ring) -> None:
    """Every element by its own address, by every peer under every contract it has, and without one; then the leak check."""
    addresses = [
        (ring.open("recycler", "dismantling", "model.EV-72"), SECOND),
        (ring.open("recycler", "condition", f"battery.{FIRST}"), FIRST),
        (ring.open("oem", "supplier", f"battery.{FIRST}"), FIRST),
        (ring.open("stranger", "public", "model.EV-72"), THIRD),
    ]
    with_values = 0
    for address, battery in addresses:
        for each in (element for name in PARTS for element in elements(name)):
            wanted = f"/{battery}/{each.part}/" + "/".join("0" if step == "*" else step for step in each.path)
            with_values += ring.pull(address, wanted).status_code == 200
        for id in ("DD-0725", "TA-0731", "DM-7204", "SM-7211", "AB-7226", "TR-7233"):
            ring.pull(address, f"/{battery}/documents/EV-72.doc-HC-{id}")
        for whole in (f"/{battery}", f"/{battery}/documents", f"/{FIRST}", f"/{SECOND}", f"/{OTHER}"):
            ring.pull(address, whole)
    for battery in BATTERIES:
        ring.get(f"/passports/{battery}")
        ring.get(f"/passports/{battery}/documents/EV-72.doc-HC-TR-7233")
    assert with_values > 100
    report = ring.leaks(*BATTERIES)
    assert report.found == []
    assert report.by_content > 300
    assert report.by_structure > 50
    assert report.documents >= 4
    assert report.messages > 500
    assert ready_view("dismantling")[1].digest
