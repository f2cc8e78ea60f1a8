"""Offers: the same input changes nothing, the guard keeps restricted views closed, withdrawing leaves agreements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from connector.errors import Clash, Hidden, Malformed
from connector.operate import offers, passports, policies, views
from connector.operate.offers import Wish
from connector.records import Agreement, Asset, ContractDefinition, PolicyDefinition
from submodels.audience import PUBLIC_GRANT
from submodels.folder import Batch
from submodels.views import ready_view

from .conftest import Holder

WISH = Wish(view="dismantling", model="EV-72", policy="recycler", until="2027-12-31")


@pytest.fixture
async def maker(holder: Holder, sample: Batch) -> AsyncIterator[Holder]:
    await passports.import_batch(holder.world, sample)
    await passports.publish(holder.world, "EV-72")
    yield holder


async def test_an_offer_is_an_asset_a_definition_and_two_policies(maker: Holder) -> None:
    made = await offers.offer(maker.world, WISH)
    _, grant = ready_view("dismantling")
    assert made["dataset"] == f"model.EV-72.{grant.digest}"
    assert made["definition"] == "dismantling.model.EV-72.recycler"
    assert made["policy"] == "recycler-to-2027-12-31"
    assert made["visible_to"] == "any-peer"
    assert made["until"] == "2027-12-31T23:59:59Z"
    assert made["who"] == "to recyclers · for dismantling"
    assert made["terms"] == "to recyclers · for dismantling · to 2027-12-31"
    assert made["elements"] > 0 and made["documents"] == 2
    async with maker.store.transaction() as tx:
        asset = await tx.get(Asset, made["dataset"])
        definition = await tx.get(ContractDefinition, made["definition"])
    assert asset is not None and asset.definitions == (made["definition"],) and not asset.withdrawn
    assert definition is not None and definition.assets == (asset.id,) and definition.confirm == "auto"


async def test_the_same_offer_again_changes_nothing(maker: Holder) -> None:
    made = await offers.offer(maker.world, WISH)
    events = await maker.events()
    again = await offers.offer(maker.world, WISH)
    assert made["changed"] and not again["changed"]
    assert {**again, "changed": True} == made
    assert await maker.events() == events


async def test_offering_again_with_other_terms_replaces_them(maker: Holder) -> None:
    first = await offers.offer(maker.world, WISH)
    second = await offers.offer(maker.world, replace(WISH, until="2028-12-31", confirm="ask", visible_to="recycler"))
    assert second["definition"] == first["definition"] and second["changed"]
    assert (second["until"], second["confirm"], second["visible_to"]) == ("2028-12-31T23:59:59Z", "ask", "recycler")
    async with maker.store.transaction() as tx:
        assert await tx.count(ContractDefinition) == 1


async def test_one_view_may_be_offered_under_two_policies(maker: Holder) -> None:
    await offers.offer(maker.world, WISH)
    await offers.offer(maker.world, replace(WISH, policy="second-life"))
    rows = [row for row in await offers.list_offers(maker.world) if row["dataset"]]
    assert {row["policy"] for row in rows} == {"recycler-to-2027-12-31", "second-life-to-2027-12-31"}
    assert len({row["dataset"] for row in rows}) == 1


async def test_a_view_that_moved_on_moves_its_offer_and_lets_the_old_dataset_go(maker: Holder) -> None:
    old = await offers.offer(maker.world, WISH)
    await views.put(maker.world, "dismantling", paths=["circularity/SafetyMeasures/**"], ceiling="legitimate-interest")
    new = await offers.offer(maker.world, WISH)
    assert new["dataset"] != old["dataset"]
    async with maker.store.transaction() as tx:
        gone = await tx.get(Asset, old["dataset"])
    assert gone is not None and gone.withdrawn and gone.definitions == ()


async def test_no_slip_opens_a_restricted_view(maker: Holder) -> None:
    for policy in ("public", "any-peer"):
        with pytest.raises(Clash, match="stand open") as refused:
            await offers.offer(maker.world, Wish(view="dismantling", model="EV-72", policy=policy))
        assert "any-peer" in refused.value.why
    # Purposes are declared, not checked: they close nothing.
    await policies.put(maker.world, "promise", {"permission": [{"action": "use", "constraint": [purpose("dismantling")]}]})
    with pytest.raises(Clash, match="stand open"):
        await offers.offer(maker.world, Wish(view="dismantling", model="EV-72", policy="promise"))
    async with maker.store.transaction() as tx:
        assert await tx.count(ContractDefinition) == 0 and await tx.count(Asset) == 0


async def test_a_policy_in_use_cannot_be_opened_under_its_offers(maker: Holder) -> None:
    await policies.put(maker.world, "ours", {"permission": [{"action": "use", "constraint": [role("recycler")]}]})
    await offers.offer(maker.world, Wish(view="dismantling", model="EV-72", policy="ours"))
    with pytest.raises(Clash, match="stand open"):
        await policies.put(maker.world, "ours", {"permission": [{"action": "use"}]})
    assert (await policies.get(maker.world, "ours"))["terms"] == "to recyclers"
    with pytest.raises(Clash, match="in use"):
        await policies.delete(maker.world, "ours")


async def test_the_public_view_may_be_a_dataset_for_any_peer(maker: Holder) -> None:
    made = await offers.offer(maker.world, Wish(view="public", model="EV-72", policy="any-peer"))
    assert made["grant"] == PUBLIC_GRANT.digest and made["who"] == "everyone, by contract"


async def test_a_policy_of_ones_own_gets_an_end(maker: Holder) -> None:
    await policies.put(maker.world, "ours", {"permission": [{"action": "use", "constraint": [role("recycler")]}]})
    made = await offers.offer(maker.world, Wish(view="dismantling", battery="000017", policy="ours", until="2027-06-30"))
    assert made["scope"] == "battery.EV-72.000017" and made["policy"] == "ours-to-2027-06-30"
    assert made["terms"] == "to recyclers · to 2027-06-30"
    assert (await policies.get(maker.world, "ours"))["terms"] == "to recyclers"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"until": "2026-11-23"}, Malformed),
        ({"until": "31.12.2027"}, Malformed),
        ({"until": "2027-12-31T12:00:00"}, Malformed),
        ({"model": "", "battery": ""}, Malformed),
        ({"battery": "000017"}, Malformed),
        ({"confirm": "maybe"}, Malformed),
        ({"purposes": ("world-peace",)}, Malformed),
        ({"view": "nothing"}, Hidden),
        ({"policy": "nothing"}, Hidden),
        ({"visible_to": "nothing"}, Hidden),
        ({"model": "EV-99"}, Hidden),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_nothing_is_kept(
    maker: Holder, change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await offers.offer(maker.world, replace(WISH, **change))  # type: ignore[arg-type]
    async with maker.store.transaction() as tx:
        assert await tx.count(Asset) == await tx.count(ContractDefinition) == await tx.count(PolicyDefinition) == 0


async def test_what_is_not_published_cannot_be_offered(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    with pytest.raises(Clash, match="not published"):
        await offers.offer(holder.world, WISH)


async def test_withdrawing_takes_the_dataset_off_and_counts_what_still_stands(maker: Holder) -> None:
    made = await offers.offer(maker.world, WISH)
    await offers.offer(maker.world, replace(WISH, policy="second-life"))
    async with maker.store.transaction() as tx:
        tx.put(agreement(made["dataset"], maker))
    one = await offers.withdraw(maker.world, "dismantling", "second-life")
    assert one["withdrawn"] == ["dismantling.model.EV-72.second-life"]
    gone = await offers.withdraw(maker.world, made["dataset"][:12])
    assert gone["dataset"] == made["dataset"] and gone["agreements"] == 1
    async with maker.store.transaction() as tx:
        asset = await tx.get(Asset, made["dataset"])
        assert await tx.count(ContractDefinition) == 0
    assert asset is not None and asset.withdrawn
    with pytest.raises(Hidden):
        await offers.withdraw(maker.world, made["dataset"])
    back = await offers.offer(maker.world, WISH)
    assert back["changed"] and back["dataset"] == made["dataset"]


async def test_the_list_begins_with_what_needs_no_contract(maker: Holder) -> None:
    await offers.offer(maker.world, WISH)
    public, dismantling = await offers.list_offers(maker.world)
    assert (public["view"], public["who"], public["until"], public["dataset"]) == ("public", "everyone, no contract", "", "")
    assert public["elements"] > dismantling["elements"] > 0
    assert public["documents"] > 0


async def test_every_write_is_in_the_audit_chain(maker: Holder) -> None:
    made = await offers.offer(maker.world, WISH)
    await offers.withdraw(maker.world, made["dataset"])
    events = await maker.events()
    for event in [
        ("view.changed", "dismantling"),
        ("policy.changed", "recycler-to-2027-12-31"),
        ("policy.changed", "any-peer"),
        ("view.offered", made["dataset"]),
        ("view.withdrawn", made["dataset"]),
    ]:
        assert events.count(event) == 1, event


def role(name: str) -> dict[str, str]:
    return {"leftOperand": "https://w3id.org/saltbridge/v1/role", "operator": "isAnyOf", "rightOperand": name}


def purpose(name: str) -> dict[str, str]:
    return {"leftOperand": "https://w3id.org/saltbridge/v1/purpose", "operator": "eq", "rightOperand": name}


def agreement(dataset: str, maker: Holder) -> Agreement:
    return Agreement(
        id="a1",
        side="provider",
        peer="did:web:recycler.example",
        negotiation="n1",
        dataset=dataset,
        assigner=maker.world.me.id,
        assignee="did:web:recycler.example",
        policy={},
        state="FINALIZED",
        signed=maker.clock.now(),
    )
