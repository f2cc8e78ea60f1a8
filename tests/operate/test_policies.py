"""Policy definitions: kept with warnings, read back in words, explained for anyone without sending anything."""

from __future__ import annotations

import pytest

from connector.errors import Clash, Hidden, Malformed
from connector.operate import policies
from policies.profiles import READY

from .conftest import Holder

RECYCLER = {
    "permission": [
        {
            "action": "use",
            "constraint": [{"leftOperand": "https://w3id.org/saltbridge/v1/role", "operator": "isAnyOf", "rightOperand": "recycler"}],
        }
    ]
}


async def test_a_policy_is_kept_in_words_and_the_same_twice_changes_nothing(holder: Holder) -> None:
    kept = await policies.put(holder.world, "ours", RECYCLER)
    assert (kept["terms"], kept["warnings"], kept["changed"]) == ("to recyclers", [], True)
    assert not (await policies.put(holder.world, "ours", RECYCLER))["changed"]
    assert await holder.events() == [("policy.changed", "ours")]
    assert (await policies.get(holder.world, "ours"))["rules"] == RECYCLER
    await policies.delete(holder.world, "ours")
    with pytest.raises(Hidden):
        await policies.get(holder.world, "ours")


async def test_what_nobody_can_satisfy_is_kept_with_a_warning(holder: Holder) -> None:
    odd = {"permission": [{"action": "use", "constraint": [{"leftOperand": "colour", "operator": "eq", "rightOperand": "blue"}]}]}
    kept = await policies.put(holder.world, "odd", odd)
    assert kept["warnings"]
    told = await policies.explain(holder.world, "odd", facts={"role": ["recycler"]})
    assert told["outcome"] != "yes"


@pytest.mark.parametrize("broken", [[], {}, "text", {"permission": [{"action": "use", "target": "x"}]}, {"permission": [{"action": 7}]}])
async def test_what_is_no_policy_is_refused(holder: Holder, broken: object) -> None:
    with pytest.raises(Malformed):
        await policies.put(holder.world, "ours", broken)  # type: ignore[arg-type]
    assert await holder.events() == []


async def test_ready_made_names_are_taken(holder: Holder) -> None:
    for name in READY:
        with pytest.raises(Clash):
            await policies.put(holder.world, name, RECYCLER)
    assert {each["policy"] for each in await policies.list_policies(holder.world)} == set(READY)
    assert (await policies.get(holder.world, "recycler"))["ready"]


async def test_a_policy_is_explained_for_a_peer_and_for_anyone_made_up(holder: Holder) -> None:
    await holder.know("acme", role="recycler")
    await holder.know("stranger")
    assert (await policies.explain(holder.world, "recycler", participant="acme"))["outcome"] == "yes"
    assert (await policies.explain(holder.world, "recycler", participant="stranger"))["outcome"] == "undecided"
    assert (await policies.explain(holder.world, RECYCLER, facts={"role": ["oem"]}))["outcome"] == "no"
    over = await policies.explain(holder.world, RECYCLER, participant="stranger", facts={"role": ["recycler"]})
    assert over["outcome"] == "yes" and over["lines"]
    with pytest.raises(Hidden):
        await policies.explain(holder.world, "recycler", participant="nobody")
