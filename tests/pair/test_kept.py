"""A passport through a grant is kept at hand between pulls: what changes is seen at once, and what is refused is refused all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from connector.operate import offers, passports, transfers
from connector.operate.fetching import check
from connector.records import AuditEntry
from submodels.folder import Batch
from submodels.views import ready_view

from .nodes import FIRST, MODEL, SECOND, End, Pair, sample

PLACE = ("materials", "BatteryChemistry", "ShortName")


def _with(owner: str, text: str) -> Batch:
    """The sample with another short name of its chemistry, in the model or in one battery."""

    def changed(tree: Any) -> Any:
        return {**tree, PLACE[1]: {**tree.get(PLACE[1], {}), PLACE[2]: text}}

    batch = sample()
    here = [layer for layer in batch.layers if (layer.owner, layer.part) == (owner, PLACE[0])]
    if here:
        layers = [replace(layer, tree=changed(layer.tree)) if layer in here else layer for layer in batch.layers]
    else:
        layers = [*batch.layers, replace(batch.layers[0], owner=owner, part=PLACE[0], tree=changed({}))]
    return replace(batch, layers=tuple(layers))


async def _address(pair: Pair, dataset: str = "dismantling") -> tuple[str, str]:
    started = await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker, dataset))
    return await pair.recycler.address(started.id)


async def _pulled(end: End) -> list[AuditEntry]:
    return [entry for entry in await end.world.store.audit(limit=10_000) if entry.event == "pull"]


async def test_the_second_pull_opens_no_passport_and_is_in_the_chain_all_the_same(pair: Pair) -> None:
    address = await _address(pair)
    first = await pair.recycler.pulls(address)
    asked: list[str] = []
    pair.maker.world.store._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]
    second = await pair.recycler.pulls(address)
    pair.maker.world.store._connection.set_trace_callback(None)  # type: ignore[attr-defined]
    assert (first.status, second.body) == (200, first.body)
    assert not [statement for statement in asked if statement.lstrip().startswith("SELECT")]
    entries = await _pulled(pair.maker)
    assert len(entries) == 2
    assert entries[0].data["digest"] != entries[1].data["digest"], "each has its own receipt"


async def test_a_change_of_the_model_or_of_one_battery_is_in_the_next_pull(pair: Pair) -> None:
    address = await _address(pair)
    before = {battery: await pair.recycler.pulls(address, battery) for battery in (FIRST, SECOND)}
    await passports.import_batch(pair.maker.world, _with("", "LFP"))
    after = {battery: await pair.recycler.pulls(address, battery) for battery in (FIRST, SECOND)}
    assert all(b'"LFP"' in after[battery].body and b'"LFP"' not in before[battery].body for battery in before)
    await passports.import_batch(pair.maker.world, _with(FIRST.rpartition(".")[2], "NCA"))
    last = await pair.recycler.pulls(address, FIRST)
    assert b'"NCA"' in last.body
    assert b'"NCA"' not in (await pair.recycler.pulls(address, SECOND)).body
    assert len({answer.headers["saltbridge-revision"] for answer in (before[FIRST], after[FIRST], last)}) == 3


async def test_a_document_that_changes_is_in_the_next_list_of_documents(pair: Pair) -> None:
    address = await _address(pair)
    before = await pair.recycler.pulls(address, path="/documents")
    batch = sample()
    documents = tuple(replace(each, content=each.content + b"\n%another edition") for each in batch.documents)
    await passports.import_batch(pair.maker.world, replace(batch, documents=documents))
    after = await pair.recycler.pulls(address, path="/documents")
    assert (before.status, after.status) == (200, 200)
    assert before.body != after.body


async def test_what_is_at_hand_goes_to_nobody_whose_transfer_is_over(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    started = await pair.recycler.starts(pair.maker, agreed)
    address = await pair.recycler.address(started.id)
    assert (await pair.recycler.pulls(address)).status == 200
    await transfers.move(pair.recycler.world, started.id, "complete", "")
    await pair.maker.transfer_is((await pair.recycler.transfer(started.id)).peer_pid, "COMPLETED")
    assert (await pair.recycler.pulls(address)).status == 403


async def test_two_grants_on_one_battery_never_get_each_others_bytes(pair: Pair) -> None:
    await pair.maker.stock(offers.Wish(view="supplier", model=MODEL, policy="recycler"))
    narrow, wide = await _address(pair), await _address(pair, "supplier")
    for _ in range(2):
        less, more = await pair.recycler.pulls(narrow), await pair.recycler.pulls(wide)
        assert len(less.body) < len(more.body)
        for view, answer in (("dismantling", less), ("supplier", more)):
            assert check(ready_view(view)[1], json.loads(answer.body))[1] == []
