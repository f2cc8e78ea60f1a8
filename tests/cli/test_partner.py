"""The partner's story, typed by operators of real nodes: who may, gets exactly what was granted; who may not, reads why."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Nodes, Said

Say = Callable[..., Said]
BATTERY = "EV-72.000017"


def test_the_catalog_says_what_is_for_whom(say: Say) -> None:
    rows = {row[1]: row for row in say("recycler", "catalog", "maker").rows}
    assert rows["dismantling"][3] == "Circularity, Material Composition, 2 documents"
    assert rows["dismantling"][4] == "to recyclers · for dismantling · to 2099-12-31"
    assert rows["dismantling"][5] == "yes, if maker confirms role=recycler"
    assert rows["condition"][5].startswith("no: role must be ")
    assert {row[1]: row[5] for row in say("stranger", "catalog", "maker").rows}["dismantling"] == "no: role must be recycler"


def test_one_dataset_is_found_by_its_views_name(say: Say) -> None:
    shown = say("recycler", "catalog", "maker", "condition", "--json").json
    assert [each["view"] for each in shown["datasets"]] == ["condition"]
    assert say("recycler", "catalog", "maker", "nothing").code == 1


def test_a_pull_brings_the_granted_parts_and_documents_with_a_receipt(say: Say, tmp_path: Path) -> None:
    told = say("recycler", "pull", "maker", "dismantling", "--battery", BATTERY, "--out", str(tmp_path / "out"), "--json")
    assert told.code == 0, told.err
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"circularity.json", "materials.json", "receipt.json"} < files
    assert sum(name.endswith(".pdf") for name in files) == 2
    receipt = json.loads((tmp_path / "out" / "receipt.json").read_text())
    assert receipt["battery"] == BATTERY
    assert {each["file"] for each in receipt["files"]} | {"receipt.json"} == files
    for each in receipt["files"]:
        assert hashlib.sha256((tmp_path / "out" / each["file"]).read_bytes()).hexdigest() == each["sha256"]
    assert "BatteryMaterialMass" not in (tmp_path / "out" / "materials.json").read_text()


def test_a_second_battery_of_the_model_needs_no_second_negotiation(say: Say) -> None:
    first = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--json").json
    second = say("recycler", "pull", "maker", "dismantling", "-b", "000018", "--json").json
    assert second["reused"]["agreement"]
    assert second["agreement"] == first["agreement"]
    assert second["battery"] == "EV-72.000018"
    assert [step["step"] for step in second["steps"]] == ["agreement", "transfer", "fetch", "verify and store", "complete"]


def test_a_stranger_is_refused_and_both_sides_can_read_why(say: Say) -> None:
    refused = say("stranger", "pull", "maker", "dismantling", "-b", BATTERY)
    assert (refused.code, refused.out) == (3, "")
    lines = refused.err.splitlines()[1:]
    assert re.fullmatch(r"refused by maker · negotiation [0-9a-f]{8}", lines[0])
    assert lines[1] == '  what  your request for "dismantling · model EV-72"'
    assert "role" in lines[2] and "recycler" in lines[2]
    assert "--claim role=recycler" in lines[3]
    code, decision = re.search(r"code  (\S+) · decision (d-\w+)", lines[4]).groups()  # type: ignore[union-attr]
    assert code.startswith("policy.constraint.")

    timeline = say("stranger", "contract", "timeline", lines[0].split()[-1])
    assert timeline.rows[-1][4] == "TERMINATED"
    assert decision in timeline.rows[-1][6]

    explained = say("maker", "explain", decision, "--replay")
    assert explained.code == 0
    assert "role isAnyOf recycler" in explained.out
    assert "replay  the same: undecided" in explained.out
    ours = lines[0].split()[-1]
    assert re.search(
        rf"asked   contract policy for stranger · negotiation [0-9a-f]{{8}} \({ours} there\) · dismantling · model EV-72\n", explained.out
    )
    assert not re.search(r"[\w-]{43}", explained.out.replace("urn:uuid:", ""))
    assert say("stranger", "explain", decision).code == 1


def test_the_refusal_is_json_for_programs(say: Say) -> None:
    refused = say("stranger", "pull", "maker", "dismantling", "-b", BATTERY, "--json")
    error = json.loads(refused.err[refused.err.index("{") :])
    assert error["by"] == "maker"
    assert error["process"].startswith("urn:uuid:")
    assert error["decision"].startswith("d-")


def test_a_path_outside_the_view_is_refused_whatever_the_data_is(say: Say) -> None:
    say("recycler", "pull", "maker", "dismantling", "-b", BATTERY)
    for path in ("materials/BatteryMaterials/0/BatteryMaterialMass", "materials/BatteryMaterials/*/BatteryMaterialMass"):
        refused = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--path", path)
        assert refused.code == 3
        assert 'materials/BatteryMaterials/*/BatteryMaterialMass is not in "dismantling"' in refused.err
        assert "grant.path" in refused.err


def test_one_granted_place_is_shown_and_not_kept(say: Say) -> None:
    shown = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--path", "materials/BatteryMaterials/0/BatteryMaterialName")
    assert shown.code == 0, shown.err
    assert isinstance(shown.json, str)


def test_a_battery_outside_and_one_that_does_not_exist_look_the_same(say: Say) -> None:
    answers = {say("recycler", "pull", "maker", "dismantling", "-b", name).err.split("why")[1] for name in ("000999", "9-unknown")}
    codes = {re.sub(r"\b[0-9a-f]{8}\b", "", text) for text in answers}
    assert len(codes) == 1


def test_the_timeline_shows_four_messages_of_both_sides(say: Say) -> None:
    ended = say("recycler", "negotiate", "maker", "dismantling", "--json").json
    told = say("recycler", "contract", "timeline", ended["id"], "--json").json
    assert [(step["direction"], step["state"]) for step in told["steps"]] == [
        ("out", "REQUESTED"),
        ("in", "AGREED"),
        ("out", "VERIFIED"),
        ("in", "FINALIZED"),
    ]
    assert all(step["size"] > 0 for step in told["steps"])
    theirs = say("maker", "contract", "timeline", ended["agreement"], "--json").json
    assert [step["direction"] for step in theirs["steps"]] == ["in", "out", "in", "out"]


def test_ids_may_be_shortened_and_names_work_wherever_ids_do(say: Say) -> None:
    ended = say("recycler", "negotiate", "maker", "dismantling", "--json").json
    whole = say("recycler", "contract", "show", ended["id"], "--json").json
    assert say("recycler", "contract", "show", ended["id"].removeprefix("urn:uuid:")[:13], "--json").json == whole
    peer = say("recycler", "peer", "show", "maker", "--json").json
    assert say("recycler", "peer", "show", peer["id"], "--json").json == peer
    assert say("recycler", "contract", "show", "nothing-like-it").code == 1


def test_purposes_that_are_not_offered_cannot_be_declared(say: Say) -> None:
    refused = say("recycler", "negotiate", "maker", "dismantling", "--purpose", "audit")
    assert refused.code == 4
    assert "not for audit" in refused.err


def test_retiring_ends_pulls_at_once_and_closes_what_was_kept(say: Say, tmp_path: Path) -> None:
    pulled = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--json").json
    before = say("recycler", "contract", "list", "--agreements", "--json").json
    standing = [each["id"] for each in before if each["state"] == "FINALIZED"]
    would = say("maker", "contract", "terminate", pulled["agreement"], "--dry-run")
    assert would.out == "would retire the agreement with recycler about dismantling · model EV-72\n"
    assert say("maker", "contract", "terminate", pulled["agreement"]).code == 2  # nobody is there to be asked
    for id in standing:
        assert say("maker", "contract", "terminate", id, "--yes", "--reason", "recalled").code == 0
    assert say("maker", "contract", "terminate", pulled["agreement"], "--yes").code == 1

    for _ in range(len(standing) + 1):  # each is found to be over once; then: what was taken back is not asked for by itself
        refused = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--out", str(tmp_path / "none"))
        assert refused.code == 3
        assert "refused by maker" in refused.err
        assert "recalled" in refused.err and "agreement.retired" in refused.err
        assert not (tmp_path / "none").exists()
    assert "  why   retired by maker: recalled\n" in refused.err
    assert re.search(r"next  .*: saltbridge --home \S+recycler negotiate maker dismantling\n", refused.err)
    agreed = say("recycler", "negotiate", "maker", "dismantling")
    assert agreed.code == 0
    assert re.search(r"^negotiation [0-9a-f]{8} · agreement [0-9a-f]{8}\nnext: saltbridge --home \S+ pull ", agreed.err, re.MULTILINE)
    again = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY)
    [id] = re.findall(r"^re-used agreement ([0-9a-f]{8}) · ", again.err, re.MULTILINE)
    assert id not in {each.removeprefix("urn:uuid:")[:8] for each in standing}


def test_a_refused_path_leaves_no_transfer_open(say: Say) -> None:
    wish = ("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--path")
    refused = say(*wish, "materials/BatteryMaterials/0/BatteryMaterialMass")
    assert "next  Ask for a path of your view, or negotiate another view (your catalog command lists them)." in refused.err
    for _ in range(100):
        states = {each["state"] for each in say("maker", "transfer", "list", "--json").json}
        if "STARTED" not in states:
            break
        time.sleep(0.02)
    assert states <= {"COMPLETED", "TERMINATED", "SUSPENDED"}


def test_a_peer_that_offers_nothing_yet_is_reached_all_the_same(say: Say) -> None:
    pinged = say("maker", "peer", "ping", "recycler")
    assert pinged.code == 0, pinged.err
    assert pinged.rows[-1][:3] == ["policy", "warning", "It shows us no dataset yet."]


def test_a_running_negotiation_is_ended_and_says_so(say: Say) -> None:
    offered = say("maker", "contract", "propose", "recycler", "dismantling", "--json")
    assert offered.code == 0, offered.err
    process = offered.json
    waiting = say("recycler", "contract", "list", "--waiting", "--json").json
    assert [each["state"] for each in waiting] == ["OFFERED"]
    ended = say("maker", "contract", "terminate", process["id"], "--yes", "--reason", "by mistake")
    assert ended.out == "terminated the negotiation with recycler about dismantling · model EV-72\n"


@pytest.mark.parametrize(("verb", "state"), [("accept", "FINALIZED"), ("decline", "TERMINATED")])
def test_an_unasked_offer_waits_for_the_operator(say: Say, verb: str, state: str) -> None:
    say("maker", "contract", "propose", "recycler", "dismantling")
    [waiting] = say("recycler", "contract", "list", "--waiting", "--json").json
    assert "unasked" in waiting["why_waiting"][0]
    done = say("recycler", "contract", verb, waiting["id"], "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json["state"] == state
    assert say("recycler", "contract", "list", "--waiting", "--json").json == []


def test_a_request_that_asks_for_approval_waits_for_the_maker(say: Say) -> None:
    offered = say(
        "maker", "view", "offer", "dismantling", "--battery", "EV-72.000019", "--policy", "recycler", "--confirm", "ask", "--json"
    )
    assert offered.code == 0, offered.err
    asked = say("recycler", "negotiate", "maker", offered.json["dataset"], "--wait", "0.3", "--json").json
    assert asked["state"] == "REQUESTED"
    [waiting] = [each for each in say("maker", "contract", "list", "--waiting", "--json").json if each["peer"] == "recycler"]
    done = say("maker", "contract", "approve", waiting["id"], "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json["state"] == "FINALIZED"
    assert say("maker", "view", "withdraw", offered.json["dataset"], "--yes").code == 0


def test_a_transfer_can_be_paused_resumed_and_ended(say: Say) -> None:
    agreement = say("recycler", "negotiate", "maker", "dismantling", "--json").json["agreement"]
    started = say("recycler", "transfer", "request", agreement, "--json").json
    assert started["state"] == "STARTED"
    assert say("recycler", "transfer", "suspend", started["id"], "--reason", "lunch").code == 0
    assert _until(say, started["id"], "SUSPENDED")
    assert say("recycler", "transfer", "resume", started["id"]).code == 0
    assert _until(say, started["id"], "STARTED")
    assert say("recycler", "transfer", "terminate", started["id"], "--yes").code == 0
    assert _until(say, started["id"], "TERMINATED")
    assert say("recycler", "transfer", "terminate", started["id"], "--yes").code == 1
    said = say("maker", "transfer", "list", "--json").json
    assert "lunch" in json.dumps(say("maker", "transfer", "timeline", said[0]["id"], "--json").json, ensure_ascii=False)


def _until(say: Say, id: str, state: str) -> bool:
    import time

    for _ in range(100):
        if say("recycler", "transfer", "show", id, "--json").json["state"] == state:
            return True
        time.sleep(0.05)
    return False


def test_the_audit_chain_holds_and_a_copy_is_checked_without_a_node(say: Say, tmp_path: Path) -> None:
    say("recycler", "pull", "maker", "dismantling", "-b", BATTERY)
    assert say("maker", "audit", "verify").out.startswith("the chain holds")
    file = tmp_path / "chain.json"
    file.write_text(say("maker", "audit", "show", "--all", "--json").out)
    assert say("maker", "audit", "verify", str(file)).code == 0
    entries = json.loads(file.read_text())
    assert [each["seq"] for each in entries] == list(range(1, len(entries) + 1))
    assert "pull" in {each["event"] for each in entries}
    entries[2]["subject"] = "somebody else"
    file.write_text(json.dumps(entries))
    broken = say("maker", "audit", "verify", str(file))
    assert broken.code == 4
    assert "broken at entry 3" in broken.out
    file.write_text("[{}]")
    assert say("maker", "audit", "verify", str(file)).code == 4
    assert [row[0] for row in say("maker", "audit", "show", "--last", "2").rows] == [str(len(entries) - 1), str(len(entries))]


def test_status_counts_what_the_node_holds(say: Say) -> None:
    shown = say("maker", "status", "--json").json
    assert shown["holds"]["battery"] == 3
    assert shown["holds"]["peer"] >= 2
    assert "3 batteries" in say("maker", "status").out


def test_ping_names_the_layer_that_fails(nodes: Nodes, say: Say) -> None:
    def layers(said: Said) -> dict[str, str]:
        return {row[0]: row[1] for row in said.rows}

    good = say("recycler", "peer", "ping", "maker")
    assert good.code == 0
    assert layers(good) == {"dns": "ok", "tcp": "ok", "tls": "skipped", "version": "ok", "identity": "ok", "policy": "ok"}
    nodes.stop("maker")
    try:
        down = say("recycler", "peer", "ping", "maker")
        assert down.code == 5
        assert layers(down)["dns"] == "ok"
        assert layers(down)["tcp"] == "failed"
        asked = say("recycler", "catalog", "maker")
        assert asked.code == 5
        assert len(asked.err.splitlines()) == 3
    finally:
        nodes.start("maker")


def test_a_removed_peer_is_nobody_at_once(nodes: Nodes, say: Say) -> None:
    file = nodes.homes["maker"] / "stranger.json"
    assert say("maker", "peer", "remove", "stranger", "--dry-run").out.startswith("would remove stranger")
    assert say("maker", "peer", "remove", "stranger", "--yes").code == 0
    try:
        asked = say("stranger", "catalog", "maker")
        assert asked.code == 3
        assert "Not authenticated" in asked.err
        ping = say("stranger", "peer", "ping", "maker")
        assert (ping.code, {row[0]: row[1] for row in ping.rows}["identity"]) == (5, "failed")
    finally:
        shown = say("stranger", "peer", "card", "--json").json
        assert say("maker", "peer", "add", str(file), "--fingerprint", shown["fingerprint"]).code == 0


def test_a_card_is_trusted_by_its_fingerprint_only(nodes: Nodes, say: Say) -> None:
    url = say("maker", "peer", "show", "stranger", "--json").json["origins"][0]
    wrong = say("recycler", "peer", "add", url, "--fingerprint", "0000-" * 15 + "0000")
    assert wrong.code == 4
    assert "fingerprint" in wrong.err
    assert say("recycler", "peer", "add", url).code == 2  # nobody is there to compare
    print_ = say("stranger", "peer", "card", "--json").json["fingerprint"]
    first = say("recycler", "peer", "add", url, "--fingerprint", print_.upper().replace("-", ":"), "--name", "third")
    assert first.code == 0, first.err
    again = say("recycler", "peer", "add", url, "--fingerprint", print_, "--json").json
    assert (again["name"], again["changed"]) == ("third", False)
    assert say("recycler", "peer", "remove", "third", "--yes").code == 0
    assert say("recycler", "peer", "add", str(nodes.homes["recycler"] / "saltbridge.toml")).code == 4


def test_completion_offers_the_nodes_own_names(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector.cli import complete

    monkeypatch.setenv("SALTBRIDGE_HOME", str(nodes.homes["recycler"]))
    assert ("maker") in [name for name, _ in complete.peers("ma")]
    monkeypatch.setenv("SALTBRIDGE_HOME", "/nowhere")
    assert complete.peers("ma") == []


def test_a_pull_from_a_peer_that_is_down_fails_soon_and_goes_on_when_it_is_back(nodes: Nodes, say: Say) -> None:
    say("recycler", "pull", "maker", "dismantling", "-b", BATTERY)
    nodes.stop("maker")
    try:
        failed = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY)
        assert failed.code == 5, failed.err
        assert "tried again in the background" in failed.err
        before = len(say("recycler", "transfer", "list", "--json").json)
    finally:
        nodes.start("maker")
    again = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--json")
    assert again.code == 0, again.err
    assert len(say("recycler", "transfer", "list", "--json").json) == before  # the one under way was used
