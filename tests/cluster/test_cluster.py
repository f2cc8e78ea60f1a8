"""A small run of the cluster: a process killed, the primary lost and the standby promoted, under load; and a proof that can fail."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.lib import cluster_proof
from scripts.lib.balancer import Seen
from tests.store.server import why_not

ROOT = Path(__file__).resolve().parents[2]
COUNT = 50


@pytest.mark.timeout(180)
def test_nothing_acknowledged_is_lost_when_a_process_and_then_the_primary_die_under_load() -> None:
    if reason := why_not():
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.lib.cluster", "--negotiations", str(COUNT), "--at-once", "8", "--quick", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"cluster: {COUNT} of {COUNT} negotiations ended the same on both sides" in done.stderr
    told = json.loads(done.stdout)
    assert told["holds"] and told["same"] == told["negotiations"] == COUNT
    assert {claim["what"] for claim in told["claims"] if claim["wrong"]} == set()
    seen = {claim["what"]: claim["count"] for claim in told["claims"]}
    assert seen["every 2xx to the consumer is in the promoted database"] >= 4 * COUNT  # request, verification, transfer, completion
    assert seen["every 2xx to the provider is in the consumer's"] >= 3 * COUNT  # agreement, finalized, start
    assert seen["letters of the killed process taken over"] >= 1
    assert seen["every pull that was answered is in an audit chain"] == COUNT
    assert seen["503 while the database was away, with Retry-After"] > 0
    assert [process["lives"] for process in told["processes"]] == [1, 2, 1]
    assert len({process["chain"] for process in told["processes"]}) == 3
    assert all(process["changes"] > 10 for process in told["processes"])  # each had its part of the work


# --- the proof finds what is wrong ---------------------------------------------------------------


def conversation(side: str, id: str, peer_pid: str, state: str = "FINALIZED") -> dict[str, Any]:
    return {"id": id, "peer_pid": peer_pid, "side": side, "place": {"state": state, "waiting": False}}


def agreement(negotiation: str) -> dict[str, Any]:
    said = {"policy": {"@id": "a"}, "state": "FINALIZED", "dataset": "d", "grant": "g", "assigner": "m", "assignee": "r"}
    return said | {"id": "a", "negotiation": negotiation}


def step(process: str, direction: str, message: str) -> dict[str, Any]:
    return {"process": process, "direction": direction, "message": message, "code": ""}


VERIFY = "ContractAgreementVerificationMessage"
OURS: dict[str, dict[str, dict[str, Any]]] = {
    "negotiation": {"c": conversation("consumer", "c", "p")},
    "agreement": {"a": agreement("c")},
    "transfer": {"tc": conversation("consumer", "tc", "tp", "COMPLETED")},
    "step": {"1": step("c", "out", VERIFY), "2": step("c", "in", "agreement")},
}
THEIRS: dict[str, dict[str, dict[str, Any]]] = {
    "negotiation": {"p": conversation("provider", "p", "c")},
    "agreement": {"a": agreement("p")},
    "transfer": {"tp": conversation("provider", "tp", "tc", "COMPLETED")},
    "step": {"1": step("p", "in", VERIFY), "2": step("p", "out", "agreement")},
}


def broken(ours: Any, theirs: Any) -> list[str]:
    answered = cluster_proof._answered(ours, theirs, "x").wrong + cluster_proof._answered(theirs, ours, "y").wrong
    seen = [Seen(0.0, 0.0, "POST", "/dsp/2025-1/negotiations/p/agreement/verification", 200, "maker-1")]
    return [
        *cluster_proof._negotiations(ours, theirs), *cluster_proof._agreements(ours, theirs), *cluster_proof._transfers(ours, theirs),
        *answered, *cluster_proof._acknowledged(seen, theirs, "z").wrong,
    ]  # fmt: skip


def test_two_sides_that_agree_have_nothing_broken() -> None:
    assert broken(OURS, THEIRS) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it["negotiation"]["p"]["place"].update(state="TERMINATED"),
        lambda it: it["negotiation"]["p"]["place"].update(waiting=True),
        lambda it: it["negotiation"].update(q=conversation("provider", "q", "c")),
        lambda it: it["negotiation"].clear(),
        lambda it: it["agreement"].clear(),
        lambda it: it["agreement"]["a"].update(policy={"@id": "other"}),
        lambda it: it["agreement"].update(b=agreement("p") | {"id": "b"}),
        lambda it: it["transfer"]["tp"]["place"].update(state="STARTED"),
        lambda it: it["step"].pop("1"),
        lambda it: it["step"].update({"3": step("p", "out", "finalized")}),
    ],
)
def test_each_difference_is_found(spoil: Callable[[Any], object]) -> None:
    theirs = copy.deepcopy(THEIRS)
    spoil(theirs)
    assert broken(OURS, theirs)
