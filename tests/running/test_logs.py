"""What an operator finds in the log of a real story with `grep`: by process, by peer, by decision."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from connector import log
from connector.errors import PeerRefused
from connector.operate import contracts, offers, pulls, transfers
from connector.records import Agreement, Decision, Negotiation, Transfer

from .stage import FIRST, MODEL, Pair

STATES = ["REQUESTED", "AGREED", "VERIFIED", "FINALIZED"]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything both nodes log, as text lines."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure("text", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def grep(stream: io.StringIO, *words: str) -> list[str]:
    return [line for line in stream.getvalue().splitlines() if all(word in line for word in words)]


def field(line: str, name: str) -> str:
    found = [word.partition("=")[2] for word in line.split() if word.startswith(f"{name}=")]
    return found[0] if found else ""


async def test_each_change_of_a_negotiation_is_one_line_with_process_peer_and_state(pair: Pair, written: io.StringIO) -> None:
    ended = await pair.recycler.negotiates(pair.maker)
    for pid, peer, side in ((ended.id, pair.maker.id, "consumer"), (ended.peer_pid, pair.recycler.id, "provider")):
        lines = grep(written, f"process={pid}", " negotiation.state ")
        assert [field(line, "state") for line in lines] == STATES
        assert [field(line, "was") for line in lines] == ["", *STATES[:-1]]
        assert all(field(line, "peer") == peer and field(line, "side") == side for line in lines)
    provider = await pair.maker.get(Negotiation, ended.peer_pid)
    [decided] = grep(written, " decision ", f"decision={provider.decision}")
    assert ended.peer_pid in decided and field(decided, "outcome") == "yes"
    assert grep(written, " negotiation.state ", f"decision={provider.decision}")


async def test_a_refusal_carries_its_code_and_its_decision_on_both_sides(pair: Pair, written: io.StringIO) -> None:
    await offers.offer(pair.maker.world, offers.Wish(view="condition", model=MODEL, policy="second-life", until="2099-12-31"))
    ended = await pair.recycler.negotiates(pair.maker, "condition")
    provider = await pair.maker.get(Negotiation, ended.peer_pid)
    for pid, by in ((ended.id, "peer"), (ended.peer_pid, "us")):
        [line] = grep(written, f"process={pid}", "state=TERMINATED")
        assert field(line, "code") == "policy.constraint.false" and field(line, "by") == by
    assert grep(written, provider.decision, "outcome=no", f"peer={pair.recycler.id}")


async def test_transfers_pulls_refusals_and_retirements_are_found_by_their_process(pair: Pair, written: io.StringIO) -> None:
    wish = pulls.Wish(peer="maker", what="dismantling", battery=FIRST)
    await pulls.pull(pair.recycler.world, wish)
    [transfer] = await pair.maker.every(Transfer)
    await pair.maker.until(Transfer, transfer.id, lambda each: each.place.state == "COMPLETED")
    changes = grep(written, f"process={transfer.id}", " transfer.state ")
    assert [field(line, "state") for line in changes] == ["REQUESTED", "STARTED", "COMPLETED"]
    assert grep(written, f"process={transfer.id}", " pull ", f"peer={pair.recycler.id}", "elements=")
    [agreement] = await pair.maker.every(Agreement)
    await contracts.retire(pair.maker.world, agreement.id, "recalled")
    with pytest.raises(PeerRefused):
        await pulls.pull(pair.recycler.world, wish)
    assert grep(written, " agreement.retired ", agreement.id)


async def test_one_object_per_line_for_programs(pair: Pair) -> None:
    root = logging.getLogger()
    handlers = root.handlers[:]
    stream = io.StringIO()
    log.configure("json", stream=stream)
    try:
        ended = await pair.recycler.negotiates(pair.maker)
    finally:
        root.handlers[:] = handlers
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    ours = [entry for entry in entries if entry["event"] == "negotiation.state" and entry["process"] == ended.id]
    assert [entry["state"] for entry in ours] == STATES


async def test_no_line_holds_a_token_a_fact_or_a_value_of_a_passport(pair: Pair, written: io.StringIO) -> None:
    wish = pulls.Wish(peer="maker", what="dismantling", battery=FIRST, path="materials/BatteryMaterials/0/BatteryMaterialName")
    shown = await pulls.pull(pair.recycler.world, wish)
    [transfer] = await pair.recycler.every(Transfer)
    token = next(each["value"] for each in transfer.data_address["endpointProperties"] if each["name"] == "authorization")
    assert len(token) > 40 and len(shown["value"]) > 5
    text = written.getvalue()
    assert " pull " in text
    for secret in (token, shown["value"], "Bearer", "role="):
        assert secret not in text
    for decision in await pair.maker.every(Decision):
        assert str(decision.facts) not in text


async def test_what_a_peer_answered_is_quoted_and_found_by_its_process(pair: Pair, written: io.StringIO) -> None:
    agreement = await pair.recycler.agrees(pair.maker)
    await pair.stage.stop("maker")
    asked = await transfers.request(pair.recycler.world, agreement.id)
    deadline = asyncio.get_running_loop().time() + 10
    while not (lines := grep(written, " letter.retry ", f"process={asked.id}")) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    assert field(lines[0], "attempts") == "1" and 'said="' in lines[0]
