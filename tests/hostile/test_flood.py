"""Openings by the thousand, of one peer and of many, while an honest one is served: at most so many rows, so much memory, so long a wait.

In the suite 900 at once, within what a listener takes as connections.
`SALTBRIDGE_HOSTILE_OPENINGS=10000 scripts/test tests/hostile/test_flood.py` runs ten thousand.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connector.http.turns import AT_ONCE

from .messages import an_offer, new_id
from .node import BASE, JSON, ROOT, Node, Peer, message, running

OPENINGS = int(os.environ.get("SALTBRIDGE_HOSTILE_OPENINGS", "900"))
QUOTA = 100 * max(1, OPENINGS // 1000)  # processes that a peer may have open here
LONGEST = 6.0  # seconds that an honest peer may wait for an answer; measured: 1.1 at 1,000, 3.1 at 10,000, on two busy cores
MEMORY = 120  # MiB more than before, at the most


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("flooded"), LIMITS__OPEN_PROCESSES=str(QUOTA)) as node:
        yield node
        node.sound()


@dataclass
class Honest:
    """A peer that goes on as always: reads the catalog and opens a negotiation now and then, every third time over a new connection."""

    node: Node
    peer: Peer
    offer: Any
    waited: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def was_served(self) -> None:
        """Always in time; where there are more connections than a listener has, one of its new ones may be told to come back."""
        away = self.statuses.count(503)
        assert set(self.statuses) <= {200, 201, 503} and away <= (len(self.statuses) // 4 if OPENINGS > 1000 else 0), self.statuses
        assert max(self.waited) < LONGEST, self.waited

    def goes_on(self) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            started = time.monotonic()
            headers = {"Connection": "close"} if number % 3 == 0 else {}
            if number % 10:
                path, body = f"{BASE}/catalog/request", message("CatalogRequestMessage")
            else:
                path, body = f"{BASE}/negotiations/request", opening(self.peer, self.offer)
            self.statuses.append(self.node.says(self.peer, "POST", path, body, headers).status)
            self.waited.append(time.monotonic() - started)
            time.sleep(0.05)


def opening(peer: Peer, offer: Any) -> bytes:
    fields = {"@id": new_id(), "consumerPid": new_id(), "callbackAddress": peer.callback, "offer": offer}
    return message("ContractRequestMessage", **fields)


def request(node: Node, peer: Peer, offer: Any) -> bytes:
    body = opening(peer, offer)
    head = [
        f"POST {BASE}/negotiations/request HTTP/1.1",
        "Host: localhost",
        f"Authorization: {peer.token(node.id)}",
        f"Content-Type: {JSON}",
        f"Content-Length: {len(body)}",
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def flood(node: Node, requests: list[bytes]) -> dict[str, int]:
    """All at once; how many answers of each kind."""
    command = [sys.executable, "-m", "tests.hostile.flood", str(node.port), str(len(requests))]
    lines = b"\n".join(base64.b64encode(each) for each in requests)
    done = subprocess.run(command, input=lines, capture_output=True, cwd=ROOT, timeout=280, check=True)
    return dict(json.loads(done.stdout)["answers"])


@pytest.mark.timeout(400)
@pytest.mark.parametrize("peers", [1, 20])
def test_openings_by_the_thousand_keep_nobody_else_waiting(flooded: Node, peers: int) -> None:
    node = flooded
    offer = an_offer(node, node.peers["recycler"])
    crowd = [node.meets(f"crowd{peers}-{number}", role="recycler") for number in range(peers)]
    requests = [request(node, crowd[number % peers], offer) for number in range(OPENINGS)]
    before, honest = node.memory_mib(), Honest(node, node.peers["oem"], offer)
    going_on = threading.Thread(target=honest.goes_on)
    going_on.start()
    try:
        answers = flood(node, requests)
    finally:
        honest.over.set()
        going_on.join()
    waited = f"honest: {len(honest.waited)} answers, longest {max(honest.waited):.2f} s"
    print(f"{peers} peers, {OPENINGS} openings: {answers}; {waited}; {node.memory_mib() - before:.0f} MiB more")
    # each was opened, or told to come back; a connection beyond all that the listener has and can turn away is closed
    broken = answers.get("broken", 0)
    assert answers.get("201", 0) + answers.get("503", 0) + broken == OPENINGS and broken <= OPENINGS // 20, answers
    assert answers.get("503", 0) == answers.get("retry-after", 0)
    # the quota holds; those worked on at once may have counted the same
    opened = [len(node.operate("GET", f"/saltbridge/negotiations?peer={peer.name}").json) for peer in crowd]
    assert sum(opened) >= answers.get("201", 0) and max(opened) <= QUOTA + AT_ONCE, opened
    honest.was_served()
    assert node.memory_mib() - before < MEMORY
    # afterwards
    node.sound()
    started = time.monotonic()
    assert node.says(node.peers["recycler"], "POST", f"{BASE}/negotiations/request", opening(node.peers["recycler"], offer)).status == 201
    assert time.monotonic() - started < 2


def test_what_nobody_signed_costs_the_peers_nothing(flooded: Node) -> None:
    """Garbage under a peer's name fills no lane of that peer."""
    node = flooded
    oem = node.peers["oem"]
    forged = [
        request(node, node.peers["recycler"], {}).replace(b"Authorization: Bearer ", b"Authorization: Bearer x").replace(b"x", b"y", 1)
        for _ in range(OPENINGS // 2)
    ]
    honest = Honest(node, oem, an_offer(node, oem))
    going_on = threading.Thread(target=honest.goes_on)
    going_on.start()
    try:
        answers = flood(node, forged)
    finally:
        honest.over.set()
        going_on.join()
    assert answers.get("401", 0) + answers.get("503", 0) + answers.get("broken", 0) == len(forged), answers
    honest.was_served()


def test_a_full_quota_is_answered_in_the_protocols_words(tmp_path: Path) -> None:
    with running(tmp_path, LIMITS__OPEN_PROCESSES="2") as node:
        recycler, oem = node.peers["recycler"], node.peers["oem"]
        offer = an_offer(node, recycler)
        answers = [node.says(recycler, "POST", f"{BASE}/negotiations/request", opening(recycler, offer)) for _ in range(3)]
        assert [answer.status for answer in answers] == [201, 201, 503]
        assert answers[2].json["@type"] == "ContractNegotiationError" and answers[2].json["code"] == "quota.full"
        assert int(answers[2].headers["retry-after"]) >= 1
        before = node.at_rest()
        assert node.says(recycler, "POST", f"{BASE}/negotiations/request", opening(recycler, offer)).status == 503
        assert node.stored() == before
        assert node.says(oem, "POST", f"{BASE}/negotiations/request", opening(oem, offer)).status == 201
        node.sound()
