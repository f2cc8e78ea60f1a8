"""`doctor` beside running nodes: what it asks them, and what a peer that is gone or late means."""

from __future__ import annotations

from dataclasses import replace

from connector.operate import transfers
from connector.records import Peer

from .stage import Pair, Run


async def told(run: Run) -> dict[str, tuple[str, str]]:
    said = await run.types("doctor", "--json")
    return {finding["check"]: (finding["outcome"], f"{finding['text']} {finding['fix']}") for finding in said.json}


async def test_two_nodes_that_know_each_other_are_well(pair: Pair) -> None:
    for run in (pair.maker, pair.recycler):
        said = await run.types("doctor")
        assert said.code == 0, said.out
        found = await told(run)
        assert found["address"] == ("ok", f"{run.url} answers ")
        assert found["clock"][0] == found["outbox"][0] == found["rotation"][0] == "ok"
        assert "backup" not in found  # asked for in production only


async def test_letters_that_wait_for_long_and_a_blocked_peer_are_told_with_what_to_do(pair: Pair) -> None:
    agreement = await pair.recycler.agrees(pair.maker)
    await pair.stage.stop("maker")
    await transfers.request(pair.recycler.world, agreement.id)
    pair.stage.passes(hours=2)
    known = await pair.recycler.get(Peer, pair.maker.id)
    async with pair.recycler.world.store.transaction() as tx:
        tx.put(replace(known, blocked="looked into"))
    found = await told(pair.recycler)
    outcome, text = found["outbox"]
    assert outcome == "warning" and "1 letters wait, the oldest for 2 h" in text and "peer ping" in text
    assert found["peers"][0] == "warning" and "maker" in found["peers"][1]
