"""What two nodes have forgotten after their days, and what they never forget."""

from __future__ import annotations

import asyncio
from typing import Any

from connector.operate import audit, contracts, offers, pulls, retention, transfers
from connector.operate.retention import Keep
from connector.records import Agreement, Decision, Document, Negotiation, Opening, Received, Step, Transfer
from connector.storage.chain import verify

from .stage import FIRST, MODEL, Pair, Run

KEEP = Keep(processes=30, decisions=400, received=60)
PULL = pulls.Wish(peer="maker", what="dismantling", battery=FIRST)


async def counts(run: Run) -> dict[str, int]:
    kinds: tuple[type[Any], ...] = (Negotiation, Transfer, Step, Opening, Decision, Agreement, Received, Document)
    return {kind.kind: len(await run.every(kind)) for kind in kinds}


async def story(pair: Pair) -> Agreement:
    """One standing agreement with a finished transfer, and one negotiation that was refused."""
    await offers.offer(pair.maker.world, offers.Wish(view="condition", model=MODEL, policy="second-life", until="2099-12-31"))
    await pulls.pull(pair.recycler.world, PULL)
    assert (await pair.recycler.negotiates(pair.maker, "condition")).place.state == "TERMINATED"
    [agreement] = await pair.maker.every(Agreement)
    [transfer] = await pair.maker.every(Transfer)
    await pair.maker.until(Transfer, transfer.id, lambda it: it.place.state == "COMPLETED")
    return agreement


async def test_finished_conversations_go_after_their_days_and_the_evidence_stays(pair: Pair) -> None:
    agreement = await story(pair)
    for run in (pair.maker, pair.recycler):
        before = await counts(run)
        assert await retention.tidy(run.world, KEEP) == {}
        pair.stage.passes(days=31)
        assert await retention.tidy(run.world, KEEP) == {"negotiations": 1, "transfers": 1}
        after = await counts(run)
        assert (after["negotiation"], after["transfer"]) == (1, 0)  # the standing agreement's own stays
        assert 0 < after["step"] < before["step"]
        assert {name: after[name] for name in ("agreement", "received", "document", "decision")} == {
            name: before[name] for name in ("agreement", "received", "document", "decision")
        }
        entries = await run.world.store.audit(limit=10_000)
        assert entries[-1].event == "retention.tidied" and entries[-1].data == {"negotiations": 1, "transfers": 1}
        assert (await audit.verified(run.world, verify))["holds"]
        assert await retention.tidy(run.world, KEEP) == {}
        pair.stage.passes(days=-31)
    assert (await pair.maker.get(Agreement, agreement.id)).state == "FINALIZED"
    assert (await pulls.pull(pair.recycler.world, PULL))["reused"]["agreement"]  # what was agreed serves on


async def test_the_negotiation_of_an_agreement_goes_when_the_agreement_is_over(pair: Pair) -> None:
    agreement = await story(pair)
    await contracts.retire(pair.maker.world, agreement.id, "recalled")
    pair.stage.passes(days=31)
    assert await retention.tidy(pair.maker.world, KEEP) == {"negotiations": 2, "transfers": 1}
    left = await counts(pair.maker)
    assert {name: left[name] for name in ("negotiation", "transfer", "step", "opening")} == dict.fromkeys(
        ("negotiation", "transfer", "step", "opening"), 0
    )
    assert left["agreement"] == 1
    assert (await pair.maker.types("contract", "list", "--agreements", "--json")).json[0]["id"] == agreement.id


async def test_what_still_runs_is_never_tidied(pair: Pair) -> None:
    agreement = await pair.recycler.agrees(pair.maker)
    asked = await transfers.request(pair.recycler.world, agreement.id)
    await pair.recycler.until(Transfer, asked.id, lambda it: it.place.state == "STARTED")
    pair.stage.passes(days=4000)
    for run in (pair.maker, pair.recycler):
        gone = await retention.tidy(run.world, Keep(processes=1))
        assert not {"transfers", "negotiations"} & gone.keys()
    assert (await pair.recycler.get(Transfer, asked.id)).place.state == "STARTED"


async def test_decisions_go_after_theirs_and_the_chain_still_names_them(pair: Pair) -> None:
    await story(pair)
    ids = [decision.id for decision in await pair.maker.every(Decision)]
    assert ids
    pair.stage.passes(days=401)
    gone = await retention.tidy(pair.maker.world, Keep(processes=0))
    assert gone["decisions"] == len(ids)
    assert await pair.maker.every(Decision) == []
    subjects = {entry.subject for entry in await pair.maker.world.store.audit(limit=10_000)}
    assert set(ids) <= subjects
    said = await pair.maker.types("explain", ids[0])
    assert said.code == 1 and "There is no decision" in said.err


async def test_received_data_goes_with_its_bytes_once_its_agreement_is_over(pair: Pair) -> None:
    agreement = await story(pair)
    kept = await pair.recycler.every(Received)
    pair.stage.passes(days=61)
    assert "received" not in await retention.tidy(pair.recycler.world, KEEP)  # it may still be read
    await contracts.retire(pair.recycler.world, agreement.id, "no longer needed")
    gone = await retention.tidy(pair.recycler.world, KEEP)
    assert gone["received"] == len(kept) > 3
    assert gone["files"] == len({each.sha256 for each in kept})
    async with pair.recycler.world.store.transaction() as tx:
        assert [await tx.blob(each.sha256) for each in kept] == [None] * len(kept)
    assert (await counts(pair.maker))["document"] > 0  # the maker's own files are untouched
    assert await retention.tidy(pair.maker.world, Keep(received=1)) == {}


async def test_nothing_is_tidied_where_the_settings_keep_it_for_ever(pair: Pair) -> None:
    await story(pair)
    pair.stage.passes(days=40_000)
    assert await retention.tidy(pair.maker.world, Keep(processes=0, decisions=0, received=0)) == {}


async def test_a_running_node_tidies_by_itself_under_its_settings(pair: Pair) -> None:
    await story(pair)
    pair.stage.passes(days=8)
    again = await pair.stage.start("maker", {**pair.maker.settings, "RETENTION__PROCESSES": "7"})
    deadline = asyncio.get_running_loop().time() + 10
    while (await counts(again))["negotiation"] > 1 and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    assert (await counts(again))["negotiation"] == 1
