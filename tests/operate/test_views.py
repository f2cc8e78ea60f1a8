"""Views: names for grants, checked against the element table and against what is expected of them."""

from __future__ import annotations

import pytest

from connector.errors import Clash, Hidden, Malformed
from connector.operate import offers, passports, views
from connector.records import Grant, View
from submodels.audience import PUBLIC_GRANT
from submodels.folder import Batch
from submodels.grant import make_grant
from submodels.views import READY, ready_view

from .conftest import Holder

MASS = "materials/BatteryMaterials/*/BatteryMaterialMass"
NAME = "materials/BatteryMaterials/*/BatteryMaterialName"


async def test_every_ready_made_view_can_be_kept_and_shown(holder: Holder) -> None:
    for name in READY:
        kept = await views.put(holder.world, name)
        _, grant = ready_view(name)
        assert kept["grant"] == grant.digest and kept["changed"]
        assert len((await views.show(holder.world, name))["elements"]) >= len(grant.elements)
    async with holder.store.transaction() as tx:
        assert {each.id for each in await tx.find(Grant)} == {ready_view(name)[1].digest for name in READY}


async def test_the_same_view_twice_changes_nothing(holder: Holder) -> None:
    await views.put(holder.world, "mine", paths=[MASS], ceiling="contract", title="Masses")
    events = await holder.events()
    assert not (await views.put(holder.world, "mine", paths=[MASS], ceiling="contract", title="Masses"))["changed"]
    assert await holder.events() == events


async def test_a_replaced_view_keeps_its_old_grant(holder: Holder) -> None:
    old = await views.put(holder.world, "mine", paths=[MASS], ceiling="contract")
    new = await views.put(holder.world, "mine", parts={"materials": ["/BatteryMaterials/*/BatteryMaterialName"]}, ceiling="contract")
    assert old["grant"] != new["grant"] and new["paths"] == [NAME]
    async with holder.store.transaction() as tx:
        assert await tx.get(Grant, old["grant"]) is not None


async def test_elements_come_with_class_annex_and_condition(holder: Holder) -> None:
    shown = await views.put(holder.world, "mine", paths=[NAME, MASS], ceiling="public")
    assert [each["path"] for each in shown["elements"]] == [NAME]
    assert shown["elements"][0]["when"] == "IsCriticalRawMaterial is true"
    assert shown["elements"][0]["annex"] == ["2(a)"]
    assert not shown["restricted"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"paths": ["materials/BatteryMaterialz/*/BatteryMaterialMass"]},
        {"paths": ["nonsense/**"]},
        {"paths": [MASS], "documents": ["no-such-kind"]},
        {"paths": [MASS], "ceiling": "everyone"},
        {"paths": [MASS], "expectations": {"must_not": [MASS]}},
        {"paths": [MASS], "expectations": {"must": ["documents/dismantling-manual"]}},
        {"paths": [MASS], "expectations": {"must": ["materials/NoSuchThing"]}},
        {"paths": [MASS], "expectations": {"mustn't": [MASS]}},
    ],
)
async def test_what_cannot_be_meant_is_refused_and_nothing_is_kept(holder: Holder, arguments: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        await views.put(holder.world, "mine", **arguments)  # type: ignore[arg-type]
    async with holder.store.transaction() as tx:
        assert await tx.find(View) == [] and await tx.find(Grant) == []


async def test_a_name_becomes_part_of_ids_and_is_checked(holder: Holder) -> None:
    for name in ("", "Has Space", "../up", "a.b", "x" * 65):
        with pytest.raises(Malformed):
            await views.put(holder.world, name, paths=[MASS])


async def test_the_public_view_may_not_be_narrower_than_public(holder: Holder) -> None:
    with pytest.raises(Malformed, match="narrower"):
        await views.put(holder.world, "public", paths=["nameplate/**"], ceiling="public")
    paths = [f"{part}{pointer}" for part, pointers in PUBLIC_GRANT.parts.items() for pointer in pointers]
    with pytest.raises(Malformed, match="narrower"):
        await views.put(holder.world, "public", paths=paths, documents=PUBLIC_GRANT.documents[1:], ceiling="public")
    kept = await views.put(holder.world, "public", paths=paths, documents=PUBLIC_GRANT.documents, ceiling="public")
    assert kept["grant"] == PUBLIC_GRANT.digest


async def test_expectations_are_kept_run_and_kept_over_a_change(holder: Holder) -> None:
    wanted = {"must": [NAME, "documents/dismantling-manual"], "must_not": [MASS, "documents/test-reports"]}
    await views.put(holder.world, "dismantling", expectations=wanted)
    result = await views.test(holder.world, "dismantling")
    assert result["passed"] and len(result["checks"]) == 4
    with pytest.raises(Malformed, match="does not keep"):
        await views.put(holder.world, "dismantling", paths=[NAME, MASS], documents=["dismantling-manual"], ceiling="legitimate-interest")
    assert (await views.show(holder.world, "dismantling"))["expectations"] == wanted


def test_must_not_counts_an_element_that_may_go_on_a_condition() -> None:
    [check] = views.judge(make_grant([NAME], [], "public"), {"must_not": [NAME]})
    assert not check.holds


def test_a_check_that_cannot_run_does_not_hold() -> None:
    grant = make_grant([NAME], [], "public")
    for broken in ({"must": "text"}, {"must": [7]}, {"must_not": ["materials"]}, {"must_not": ["documents/none"]}, {"other": []}):
        assert not all(check.holds for check in views.judge(grant, broken))


async def test_a_view_on_offer_cannot_be_deleted(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    await passports.publish(holder.world, "EV-72")
    made = await offers.offer(holder.world, offers.Wish(view="dismantling", model="EV-72", policy="recycler"))
    with pytest.raises(Clash) as refused:
        await views.delete(holder.world, "dismantling")
    assert refused.value.details == (made["dataset"],)
    await offers.withdraw(holder.world, made["dataset"])
    assert (await views.delete(holder.world, "dismantling"))["deleted"]
    with pytest.raises(Hidden):
        await views.delete(holder.world, "dismantling")


async def test_the_list_shows_what_is_kept_and_what_is_ready(holder: Holder) -> None:
    await views.put(holder.world, "mine", paths=[MASS])
    rows = {row["view"]: row for row in await views.list_views(holder.world)}
    assert set(rows) == {*READY, "mine"}
    assert rows["mine"]["stored"] and not rows["dismantling"]["stored"]
    with pytest.raises(Hidden):
        await views.show(holder.world, "yours")
