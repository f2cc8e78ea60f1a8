"""Differences between views and participants: who would gain and lose which elements, public ones never."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Hidden, Malformed
from connector.operate import diff, offers, passports, views
from connector.records import Json
from submodels.audience import PUBLIC_GRANT
from submodels.batch import Batch
from submodels.grant import make_grant
from submodels.table import every_element
from submodels.views import READY, ready_view

from .conftest import Holder

MODEL = "EV-72"
NAME, MASS = "materials/BatteryMaterials/*/BatteryMaterialName", "materials/BatteryMaterials/*/BatteryMaterialMass"


def paths(rows: list[Json]) -> set[str]:
    return {row["path"] for row in rows}


async def stocked(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    await passports.publish(holder.world, MODEL)
    await holder.know("recycler", role="recycler")
    await holder.know("oem")


async def offered(holder: Holder, view: str, policy: str = "recycler") -> None:
    await offers.offer(holder.world, offers.Wish(view=view, model=MODEL, policy=policy, until="2099-12-31"))


async def own_view(holder: Holder, name: str, *wanted: str, documents: tuple[str, ...] = ()) -> None:
    await views.put(holder.world, name, paths=wanted, documents=documents, ceiling="contract")


async def test_two_views_differ_by_what_leaves_under_one_alone(holder: Holder) -> None:
    await own_view(holder, "one", NAME)
    await own_view(holder, "two", MASS, documents=("dismantling-manual",))
    found = await diff.of_views(holder.world, "one", "two")
    assert paths(found["gains"]) == {MASS, "documents/dismantling-manual"} and paths(found["loses"]) == {NAME}
    back = await diff.of_views(holder.world, "two", "one")
    assert (paths(back["gains"]), paths(back["loses"])) == (paths(found["loses"]), paths(found["gains"]))
    assert not found["same"] and (await diff.of_views(holder.world, "one", "one"))["same"]
    [mass] = [row for row in found["gains"] if row["path"] == MASS]
    assert mass["class"] and mass["annex"]


async def test_public_elements_are_nobodys_gain(holder: Holder) -> None:
    found = await diff.of_views(holder.world, "public", "authority")
    assert found["gains"] and not found["loses"]
    assert "public" not in {row["class"] for row in found["gains"]}
    assert (await diff.of_views(holder.world, "public", "public")) == {
        "before": "public", "after": "public", "gains": [], "loses": [], "same": True,
    }  # fmt: skip


async def test_a_changed_view_tells_for_every_peer_what_offering_it_again_would_do(holder: Holder, sample: Batch) -> None:
    await stocked(holder, sample)
    await own_view(holder, "parts", NAME)
    await offered(holder, "parts")
    same = await diff.over_peers(holder.world, "parts")
    assert [(row["peer"], row["outcome"], row["gains"], row["loses"]) for row in same["peers"]] == [
        ("oem", "undecided", [], []), ("recycler", "yes", [], []),
    ]  # fmt: skip
    await own_view(holder, "parts", MASS)
    rows = {row["peer"]: row for row in (await diff.over_peers(holder.world, "parts"))["peers"]}
    assert paths(rows["recycler"]["gains"]) == {MASS} and paths(rows["recycler"]["loses"]) == {NAME}
    assert rows["oem"]["gains"] == rows["oem"]["loses"] == [] and "role" in rows["oem"]["why"][0]
    await offered(holder, "parts")  # offering it again does what was told
    after = {row["peer"]: row for row in (await diff.over_peers(holder.world, "parts"))["peers"]}
    assert all(row["gains"] == row["loses"] == [] for row in after.values())


async def test_another_view_or_other_terms_in_its_place_are_told_before_they_are_offered(holder: Holder, sample: Batch) -> None:
    await stocked(holder, sample)
    await own_view(holder, "names", NAME)
    await own_view(holder, "masses", MASS)
    with pytest.raises(Malformed, match="not on offer") as raised:
        await diff.over_peers(holder.world, "names")
    assert "--policy" in raised.value.next
    first = {row["peer"]: row for row in (await diff.over_peers(holder.world, "names", policy="recycler"))["peers"]}
    assert paths(first["recycler"]["gains"]) == {NAME} and not first["oem"]["gains"]
    await offered(holder, "names")
    instead = {row["peer"]: row for row in (await diff.over_peers(holder.world, "names", "masses"))["peers"]}
    assert (paths(instead["recycler"]["gains"]), paths(instead["recycler"]["loses"])) == ({MASS}, {NAME})
    terms = {row["peer"]: row for row in (await diff.over_peers(holder.world, "names", policy="second-life"))["peers"]}
    assert paths(terms["recycler"]["loses"]) == {NAME} and terms["recycler"]["outcome"] != "yes"


async def test_two_participants_differ_by_what_the_standing_offers_give_them(holder: Holder, sample: Batch) -> None:
    await stocked(holder, sample)
    await own_view(holder, "names", NAME)
    await offered(holder, "names")
    found = await diff.of_participants(holder.world, "oem", "recycler")
    assert paths(found["gains"]) == {NAME} and not found["loses"]
    assert not (await diff.of_participants(holder.world, "recycler", "recycler"))["gains"]
    with pytest.raises(Hidden):
        await diff.of_participants(holder.world, "oem", "nobody")


async def test_an_unknown_view_is_named(holder: Holder) -> None:
    with pytest.raises(Hidden, match="nothing"):
        await diff.of_views(holder.world, "nothing", "public")


TEMPLATES = sorted(each.template for each in every_element() if each.part != "handover")


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(TEMPLATES), min_size=1, max_size=8), st.sets(st.sampled_from(TEMPLATES), min_size=1, max_size=8))
def test_gains_and_losses_are_what_one_grant_allows_and_the_other_does_not(one: set[str], other: set[str]) -> None:
    before, after = (make_grant(wanted, (), "contract") for wanted in (one, other))
    changes = diff._changes(diff.lets(before), diff.lets(after))
    for key, here, there in (("gains", after, before), ("loses", before, after)):
        for path in paths(changes[key]):
            part, _, pointer = path.partition("/")
            assert here.allows(part, f"/{pointer}") and not there.allows(part, f"/{pointer}")
    assert not paths(changes["gains"]) & paths(changes["loses"])


@pytest.mark.parametrize("name", sorted(READY))
def test_nothing_of_a_ready_view_that_is_public_anyway_is_counted(name: str) -> None:
    held = diff.lets(ready_view(name)[1])
    assert not held & diff.lets(PUBLIC_GRANT) and not diff.lets(PUBLIC_GRANT)
    assert bool(held) == (name != "public")
    assert not any(name.startswith("handover/") for name in held)


def test_an_element_that_is_public_in_some_places_is_a_gain_for_who_gets_it_everywhere() -> None:
    assert NAME in diff.lets(make_grant([NAME], (), "contract")) and NAME not in diff.lets(make_grant([NAME], (), "public"))
