"""What becomes of a published passport: each step with everything that follows from it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from connector.errors import Clash, Gone, Hidden, Malformed
from connector.exchange import parcel, release
from connector.operate import endings, history, lives, offers, passports, publishing
from connector.records import Agreement, Asset, Battery, Event, Layer, Model, Used
from submodels.folder import Batch, BatteryIn
from submodels.lifecycle import State
from submodels.value import Tree, read_json, write_json

from .conftest import Holder

FIRST, SECOND, THIRD = "EV-72.000017", "EV-72.000018", "EV-72.000019"
ELSEWHERE = "https://second.example/passports/R-1"


async def published(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    await publishing.publish(holder.world, "EV-72")


async def agreed(holder: Holder, dataset: str, id: str = "a-1") -> None:
    """An agreement of a peer over a dataset, as a negotiation leaves it."""
    async with holder.store.transaction() as tx:
        asset = await tx.get(Asset, dataset)
        assert asset is not None
        tx.put(
            Agreement(
                id=id,
                side="provider",
                peer="did:web:recycler.example",
                negotiation="n-1",
                dataset=dataset,
                assigner="did:web:maker.example",
                assignee="did:web:recycler.example",
                policy={},
                scope=asset.scope,
                state="FINALIZED",
                signed=holder.clock.now(),
            )
        )


async def stored(holder: Holder, id: str) -> Battery:
    async with holder.store.transaction() as tx:
        found = await tx.get(Battery, id)
    assert found is not None
    return found


def without(batch: Batch, part: str, name: str) -> Batch:
    """The sample without one element of its model."""
    layers = []
    for layer in batch.layers:
        tree: Tree = layer.tree
        if layer.part == part and not layer.owner and isinstance(tree, dict):
            tree = {key: value for key, value in tree.items() if key != name}
        layers.append(replace(layer, tree=tree))
    return replace(batch, layers=tuple(layers))


# --- publishing ----------------------------------------------------------------------------------


async def test_a_passport_without_a_mandatory_point_is_not_published_and_the_list_says_which(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, without(sample, "materials", "BatteryChemistry"))
    with pytest.raises(Malformed) as refused:
        await publishing.publish(holder.world, "EV-72")
    assert refused.value.code == "passport.incomplete"
    assert any("hemistry" in each for each in refused.value.details)
    with pytest.raises(Hidden):
        await release.public(holder.world, FIRST)
    await passports.import_batch(holder.world, sample)
    assert (await publishing.publish(holder.world, "EV-72"))["changed"]
    assert (await release.public(holder.world, FIRST)).battery == FIRST


async def test_an_update_cannot_take_a_mandatory_point_from_what_is_published(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    before = await release.operator(holder.world, FIRST)
    with pytest.raises(Malformed) as refused:
        await passports.import_batch(holder.world, without(sample, "materials", "BatteryChemistry"))
    assert refused.value.code == "passport.incomplete"
    assert await release.operator(holder.world, FIRST) == before


async def test_a_new_battery_that_is_not_complete_waits_while_its_model_is_public(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    bare = Batch(model="EV-72", category="ev", batteries=(BatteryIn(serial="000020"),))
    done = await passports.import_batch(holder.world, bare)
    assert any("EV-72.000020" in each["where"] and "not published" in each["what"] for each in done["findings"])
    with pytest.raises(Hidden):
        await release.public(holder.world, "EV-72.000020")
    with pytest.raises(Malformed):
        await publishing.publish(holder.world, "EV-72.000020")
    layers = tuple(replace(each, owner="000020") for each in sample.layers if each.owner == "000017")
    for part in ("nameplate", "metadata"):
        layers = tuple(
            replace(each, tree=json.loads(json.dumps(each.tree).replace("000017", "000020"))) if each.part == part else each
            for each in layers
        )
    await passports.import_batch(holder.world, replace(bare, layers=layers))
    done = await publishing.publish(holder.world, "EV-72.000020")
    assert (done["changed"], done["batteries"]) == (True, ["EV-72.000020"])
    assert (await release.public(holder.world, "EV-72.000020")).battery == "EV-72.000020"


# --- archive and end -----------------------------------------------------------------------------


async def test_an_archived_passport_is_answered_and_offered_no_longer(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    made = await offers.offer(holder.world, offers.Wish(view="dismantling", battery=FIRST, policy="recycler"))
    await agreed(holder, made["dataset"])
    would = await endings.archive(holder.world, FIRST, "old", dry_run=True)
    assert (would["changed"], len(would["withdrawn"]), would["agreements"]) == (False, 1, [])
    assert (await stored(holder, FIRST)).status == ""
    done = await endings.archive(holder.world, FIRST, "old")
    assert done["status"] == "archived"
    assert (await release.public(holder.world, FIRST)).ties.status == "archived"
    async with holder.store.transaction() as tx:
        asset, agreement = await tx.get(Asset, made["dataset"]), await tx.get(Agreement, "a-1")
    assert asset is not None and asset.withdrawn and not asset.definitions
    assert agreement is not None and agreement.retired is None
    with pytest.raises(Clash) as refused:
        await offers.offer(holder.world, offers.Wish(view="dismantling", battery=FIRST, policy="recycler"))
    assert refused.value.code == "model.unpublished"
    with pytest.raises(Clash):
        await endings.archive(holder.world, FIRST, "again")
    await publishing.publish(holder.world, FIRST)
    assert (await release.public(holder.world, FIRST)).ties.status == "published"


async def test_a_passport_that_has_ceased_leaves_a_statement_and_ends_agreements_with_its_reason(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    signed: list[Any] = []
    world = replace(holder.world, sign=lambda claims, typ: signed.append((claims, typ)) or "a.b.c")
    made = await offers.offer(world, offers.Wish(view="dismantling", battery=FIRST, policy="recycler"))
    wide = await offers.offer(world, offers.Wish(view="dismantling", model="EV-72", policy="recycler"))
    await agreed(holder, made["dataset"])
    await agreed(holder, wide["dataset"], "a-2")
    with pytest.raises(Malformed):
        await endings.cease(world, FIRST, " ")
    at = holder.clock.pass_(hours=1)
    done = await endings.cease(world, FIRST, "recycled", ELSEWHERE)
    assert done["agreements"] == ["a-1"]
    with pytest.raises(Gone) as gone:
        await parcel.public(world, FIRST)
    told = gone.value.told
    assert gone.value.status == 410
    assert told == {
        "passport": f"https://maker.example/passports/{FIRST}", "ceased": at.isoformat(timespec="seconds"), "why": "recycled",
        "successor": ELSEWHERE, "statement": "a.b.c",
    }  # fmt: skip
    [(claims, typ)] = signed
    assert (claims["iss"], claims["sub"], claims["why"], claims["successor"]) == (
        "did:web:maker.example",
        told["passport"],
        "recycled",
        ELSEWHERE,
    )
    assert typ == "saltbridge-passport-end+jwt"
    async with holder.store.transaction() as tx:
        ended, wider, asset = await tx.get(Agreement, "a-1"), await tx.get(Agreement, "a-2"), await tx.get(Asset, made["dataset"])
    assert ended is not None and ended.retired is not None and ended.retired_why == f"the passport of {FIRST} has ceased: recycled"
    assert wider is not None and wider.retired is None
    assert asset is not None and asset.withdrawn
    assert (await release.public(world, SECOND)).battery == SECOND
    assert (await release.operator(world, FIRST)).parts  # the operator's archive remains
    with pytest.raises(Gone):
        await release.public(world, FIRST, at)
    for act in (
        lambda: endings.archive(world, FIRST, "x"),
        lambda: endings.cease(world, FIRST, "x"),
        lambda: endings.follow(world, FIRST, ELSEWHERE),
        lambda: publishing.publish(world, FIRST),
        lambda: endings.forget(world, FIRST),
    ):
        with pytest.raises(Clash) as refused:
            await act()
        assert refused.value.code == "passport.state"


async def test_a_model_that_ceases_takes_all_its_batteries_and_agreements_with_it(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    one = await offers.offer(holder.world, offers.Wish(view="dismantling", battery=SECOND, policy="recycler"))
    all_ = await offers.offer(holder.world, offers.Wish(view="dismantling", model="EV-72", policy="recycler"))
    await agreed(holder, one["dataset"])
    await agreed(holder, all_["dataset"], "a-2")
    done = await endings.cease(holder.world, "EV-72", "the last one is recycled")
    assert sorted(done["agreements"]) == ["a-1", "a-2"]
    for battery in (FIRST, SECOND, THIRD):
        with pytest.raises(Gone):
            await release.public(holder.world, battery)
    with pytest.raises(Clash):
        await passports.import_batch(holder.world, Batch(model="EV-72", category="ev", batteries=(BatteryIn(serial="000099"),)))


async def test_values_are_not_changed_any_more_once_a_passport_has_ended_and_the_same_input_is_no_change(
    holder: Holder, sample: Batch
) -> None:
    await published(holder, sample)
    await endings.cease(holder.world, FIRST, "recycled")
    assert not (await passports.import_batch(holder.world, sample))["changed"]
    with pytest.raises(Clash) as refused:
        await passports.update(holder.world, FIRST, "nameplate", b'{"LifeCycleStage": "waste"}')
    assert refused.value.code == "passport.state"


# --- what follows --------------------------------------------------------------------------------


async def test_a_passport_that_follows_is_linked_both_ways_by_address(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    await endings.supersede(holder.world, FIRST, SECOND, "refitted")
    old, new = await release.public(holder.world, FIRST), await release.public(holder.world, SECOND)
    assert (old.ties.status, old.ties.successor) == ("superseded", f"https://maker.example/passports/{SECOND}")
    assert new.ties.predecessors == (f"https://maker.example/passports/{FIRST}",)
    answer = await parcel.public(holder.world, FIRST)
    assert json.loads(answer.body)["successor"] == old.ties.successor
    assert answer.headers["Link"] == f'<{old.ties.successor}>; rel="successor-version"'
    assert "refitted" not in answer.body.decode() + str(answer.headers)
    with pytest.raises(Clash):
        await endings.supersede(holder.world, FIRST, THIRD, "again")


async def test_between_operators_each_side_says_its_half(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    await endings.supersede(holder.world, FIRST, ELSEWHERE, "")
    assert (await stored(holder, FIRST)).successor == ELSEWHERE
    assert (await endings.follow(holder.world, SECOND, ELSEWHERE))["changed"]
    assert not (await endings.follow(holder.world, SECOND, ELSEWHERE))["changed"]
    assert (await release.public(holder.world, SECOND)).ties.predecessors == (ELSEWHERE,)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "http://second.example/x",
        "https://second.example/a\r\nSet-Cookie: x",
        'https://x.example/">',
        "no such battery",
    ],
)
async def test_what_is_no_address_of_a_passport_is_not_taken_for_one(holder: Holder, sample: Batch, address: str) -> None:
    await published(holder, sample)
    with pytest.raises(Malformed):
        await endings.supersede(holder.world, FIRST, address, "")
    assert (await stored(holder, FIRST)).status == ""


async def test_a_passport_cannot_follow_itself_nor_one_of_the_same_id(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    with pytest.raises(Clash) as refused:
        await endings.supersede(holder.world, FIRST, FIRST, "")
    assert refused.value.code == "passport.same"


async def test_a_second_life_needs_a_new_passport_that_says_so(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    with pytest.raises(Clash) as refused:
        await endings.change_status(holder.world, FIRST, "repurposed")
    assert refused.value.code == "passport.new"
    with pytest.raises(Clash) as refused:
        await endings.change_status(holder.world, FIRST, "repurposed", SECOND)
    assert refused.value.code == "passport.stage"
    async with holder.store.transaction() as tx:
        layer = await tx.get(Layer, f"{SECOND}/nameplate")
    assert layer is not None
    nameplate = json.loads(layer.content) | {"LifeCycleStage": "Repurposed"}
    await passports.update(holder.world, SECOND, "nameplate", json.dumps(nameplate).encode())
    done = await endings.change_status(holder.world, FIRST, "repurposed", SECOND)
    assert (done["status"], done["stage"]) == ("superseded", "repurposed")


async def test_waste_is_a_new_version_of_the_same_passport(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    holder.clock.pass_(days=1)
    done = await endings.change_status(holder.world, FIRST, "Waste")
    assert (done["stage"], done["changed"]) == ("waste", True)
    seen = await release.operator(holder.world, FIRST)
    nameplate = seen.parts["nameplate"]
    assert isinstance(nameplate, dict)
    assert (nameplate["LifeCycleStage"], nameplate["SerialNumber"], seen.revision) == ("waste", "000017", "1.2")
    told = await history.history(holder.world, FIRST)
    assert [(each["act"], each["version"]) for each in told["steps"]][-1] == ("status", "1.2")
    with pytest.raises(Malformed):
        await endings.change_status(holder.world, FIRST, "original")


# --- versions ------------------------------------------------------------------------------------


async def test_every_version_is_read_by_its_date_and_stays_what_it_was(holder: Holder, sample: Batch) -> None:
    imported = holder.clock.now()
    await passports.import_batch(holder.world, sample)
    born = holder.clock.pass_(days=1)
    await publishing.publish(holder.world, "EV-72")
    first = await release.public(holder.world, FIRST)
    documents = {each.id: each.sha256 for each in first.documents}
    holder.clock.pass_(days=10)
    old = next(each for each in sample.documents if each.kind == "declaration-of-conformity")
    chemistry = next(each for each in sample.layers if each.part == "materials" and not each.owner)
    tree: Any = read_json(write_json(chemistry.tree))
    tree["BatteryChemistry"]["ClearName"] = "another chemistry"
    newer = replace(
        sample, layers=(replace(chemistry, tree=tree),), documents=(replace(old, content=b"%PDF-1.4 a newer declaration"),), batteries=()
    )
    await passports.import_batch(holder.world, newer)
    changed = holder.clock.now()
    now, was = await release.public(holder.world, FIRST), await release.public(holder.world, FIRST, born)
    assert (was.parts, was.documents, was.revision) == (first.parts, first.documents, "1.1")
    assert (now.revision, now.parts["materials"] != was.parts["materials"]) == ("2.1", True)
    [gone] = [each for each in was.documents if each not in now.documents]
    body = (await parcel.public(holder.world, FIRST, ("documents", gone.id), born)).body
    assert (body, documents[gone.id]) == (old.content, gone.sha256)
    assert await holder.store.forget_unnamed() == 0  # bytes of an earlier version are not litter
    with pytest.raises(Hidden):  # before it was published nobody had it
        await release.public(holder.world, FIRST, imported)
    assert (await release.operator(holder.world, FIRST, imported)).revision == "1.1"
    assert (await release.operator(holder.world, FIRST, changed)).revision == "2.1"
    told = await history.diff(holder.world, FIRST, "1.1")
    assert {each["path"] for each in told["changes"]} == {"materials/BatteryChemistry/ClearName", f"documents/{gone.id}"}
    assert (await history.diff(holder.world, FIRST, "1.1", "2.1")) == told
    with pytest.raises(Hidden):
        await history.diff(holder.world, FIRST, "9.1")


async def test_a_version_is_what_it_was_through_many_changes(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    async with holder.store.transaction() as tx:
        layer = await tx.get(Layer, f"{FIRST}/nameplate")
    assert layer is not None
    own = json.loads(layer.content)
    seen = {"1.1": (holder.clock.now(), await release.operator(holder.world, FIRST))}
    for day in range(1, 12):
        holder.clock.pass_(days=1)
        await passports.update(
            holder.world, FIRST, "nameplate", json.dumps(own | {"DateOfPuttingIntoService": f"2024-06-{day:02d}"}).encode()
        )
        found = await release.operator(holder.world, FIRST)
        seen[found.revision] = (holder.clock.now(), found)
    assert len(seen) == 12
    for at, found in seen.values():
        again = await release.operator(holder.world, FIRST, at)
        assert (again.parts, again.revision) == (found.parts, found.revision)


async def test_history_tells_every_step_of_battery_and_model(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    holder.clock.pass_(days=1)
    await publishing.publish(holder.world, "EV-72")
    holder.clock.pass_(days=1)
    await endings.archive(holder.world, FIRST, "old")
    told = await history.history(holder.world, FIRST)
    assert [(each["of"], each["act"], each["version"]) for each in told["steps"]] == [
        ("EV-72", "import", ""), (FIRST, "import", "1.1"), ("EV-72", "publish", "1.1"), (FIRST, "archive", "1.1"),
    ]  # fmt: skip
    assert [each["act"] for each in (await history.history(holder.world, "EV-72"))["steps"]] == ["import", "publish"]


async def test_an_older_database_without_history_has_it_from_now_on(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    async with holder.store.transaction() as tx:
        for kind, id in ((Model, "EV-72"), (Battery, FIRST)):
            record: Any = await tx.get(kind, id)
            tx.put(replace(record, made=None))
        for event in await tx.find(Event):
            tx.delete(Event, event.id)
    since = holder.clock.now()
    holder.clock.pass_(days=1)
    await endings.change_status(holder.world, FIRST, "waste")
    assert (await release.operator(holder.world, FIRST, holder.clock.now())).revision == "1.2"
    with pytest.raises(Hidden):
        await release.operator(holder.world, FIRST, since.replace(year=2025))


# --- ids -----------------------------------------------------------------------------------------


async def test_what_was_never_published_is_forgotten_and_its_ids_are_not_given_again(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    aliases = (await stored(holder, FIRST)).aliases
    assert aliases
    assert (await endings.forget(holder.world, FIRST, dry_run=True))["changed"] is False
    await endings.forget(holder.world, FIRST)
    async with holder.store.transaction() as tx:
        assert not await tx.find(Layer, owner=FIRST)
        assert {FIRST, *aliases} - {"000017"} <= {each.id for each in await tx.find(Used)}
    with pytest.raises(Clash) as refused:
        await passports.import_batch(holder.world, sample)
    assert refused.value.code == "id.used"
    other = Batch(
        model="EV-99", category="ev", batteries=(BatteryIn(serial="1", aliases=(next(each for each in aliases if ":" in each),)),)
    )
    with pytest.raises(Clash) as refused:
        await passports.import_batch(holder.world, other)
    assert refused.value.code == "id.used"


async def test_a_whole_model_is_forgotten_and_what_was_published_is_not(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    done = await endings.forget(holder.world, "EV-72")
    assert sorted(done["batteries"]) == [FIRST, SECOND, THIRD]
    async with holder.store.transaction() as tx:
        assert await tx.count(Battery) == await tx.count(Model) == await tx.count(Layer) == 0
    await passports.import_batch(holder.world, replace(sample, model="EV-73", layers=(), documents=(), batteries=()))
    with pytest.raises(Clash):
        await passports.import_batch(holder.world, replace(sample, layers=(), documents=(), batteries=()))


async def test_a_ceased_battery_keeps_its_ids_for_ever(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    await endings.cease(holder.world, FIRST, "recycled")
    alias = next(each for each in (await stored(holder, FIRST)).aliases if ":" in each)
    with pytest.raises(Clash) as refused:
        await passports.import_batch(
            holder.world, Batch(model="EV-99", category="ev", batteries=(BatteryIn(serial="1", aliases=(alias,)),))
        )
    assert refused.value.code == "passport.taken"
    assert (
        lives.state_of(Model(id="m", category="ev", status="published", changed=holder.clock.now()), await stored(holder, FIRST))
        is State.CEASED
    )


async def test_every_step_is_in_the_audit_chain(holder: Holder, sample: Batch) -> None:
    await published(holder, sample)
    await endings.archive(holder.world, THIRD, "old")
    await endings.supersede(holder.world, FIRST, SECOND, "refitted")
    await endings.cease(holder.world, FIRST, "recycled")
    events = await holder.events()
    for event in (("passport.archived", THIRD), ("passport.superseded", FIRST), ("passport.follows", SECOND), ("passport.ceased", FIRST)):
        assert event in events
