"""`explain --replay` and `view diff`, typed at running nodes: the stored facts give the same answer, or the exit code says no."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from connector.operate import offers
from connector.records import Decision

from .stage import MODEL, Pair


async def test_every_decision_of_a_story_is_the_same_again(pair: Pair) -> None:
    await offers.offer(pair.maker.world, offers.Wish(view="condition", model=MODEL, policy="second-life", until="2099-12-31"))
    await pair.recycler.negotiates(pair.maker)
    await pair.recycler.negotiates(pair.maker, "condition")
    decisions = await pair.maker.every(Decision)
    assert {decision.outcome for decision in decisions} == {"yes", "no"}
    pair.stage.passes(days=4000)  # the stored time counts, not the present one
    for decision in decisions:
        said = await pair.maker.types("explain", decision.id, "--replay", "--json")
        assert said.code == 0 and said.json["replay"]["same"], said
        assert said.json["replay"]["code"] == decision.code


async def test_an_answer_that_differs_exits_with_1_and_says_so(pair: Pair) -> None:
    await pair.recycler.negotiates(pair.maker)
    [decision] = await pair.maker.every(Decision)
    forged = replace(decision, outcome="no", code="policy.default.no")
    async with pair.maker.world.store.transaction() as tx:
        tx.put(forged)
    said = await pair.maker.types("explain", decision.id, "--replay")
    assert said.code == 1 and "DIFFERENT: yes" in said.out
    assert (await pair.maker.types("explain", decision.id)).code == 0


async def test_the_facts_are_what_is_replayed(pair: Pair) -> None:
    await pair.recycler.negotiates(pair.maker)
    [decision] = await pair.maker.every(Decision)
    poorer = {name: fact for name, fact in decision.facts.items() if not name.endswith("role")}
    assert poorer != decision.facts
    async with pair.maker.world.store.transaction() as tx:
        tx.put(replace(decision, facts=poorer))
    said = await pair.maker.types("explain", decision.id, "--replay")
    assert said.code == 1 and "DIFFERENT: undecided" in said.out


async def test_a_changed_view_is_compared_at_the_command_line(pair: Pair, tmp_path: Path) -> None:
    view = tmp_path / "view.json"
    view.write_text(json.dumps({"title": "Masses", "paths": ["materials/BatteryMaterials/*/BatteryMaterialMass"], "ceiling": "contract"}))
    assert (await pair.maker.types("view", "put", "masses", str(view))).code == 0
    said = await pair.maker.types("view", "diff", "dismantling", "masses")
    assert said.code == 0 and "+ materials/BatteryMaterials/*/BatteryMaterialMass" in said.out and "\n    - " in said.out
    said = await pair.maker.types("view", "diff", "dismantling", "masses", "--peers")
    assert said.out.startswith("recycler · would get it") and "+ materials/BatteryMaterials/*/BatteryMaterialMass" in said.out
    said = await pair.maker.types("view", "diff", "dismantling", "--peers", "--json")
    assert [(row["peer"], row["gains"], row["loses"]) for row in said.json["peers"]] == [("recycler", [], [])]
    said = await pair.maker.types("view", "diff", "--as", "recycler", "--as", "second-life", "--json")
    assert said.json["loses"] and not said.json["gains"]
    assert (await pair.maker.types("view", "diff", "dismantling")).code == 2
