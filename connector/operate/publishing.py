"""Publishing a model or one battery: nothing mandatory may lack, every view keeps what is expected of it."""

from __future__ import annotations

from dataclasses import replace

from connector.errors import Clash
from connector.operate import lives, names, views
from connector.operate.all_of import all_of
from connector.operate.checking import Seen, Snapshot, examined, finding_json, refuse_incomplete, snapshot
from connector.ports import Transaction, World
from connector.records import Battery, Json, Model, Note, View
from submodels.lifecycle import Act, State


async def publish(world: World, name: str) -> Json:
    """Make passports public as far as the law says so, and open to offers; `changed` is false when they were.

    A model with all its batteries, but for those that have come to an end of their own; or one battery that waited for what it
    lacked, or was archived.  Raises Clash for a draft and for what has ended, Malformed for values that cannot be right, for
    mandatory points that are missing (`passport.incomplete`, with the list) and for a view whose expectations fail.
    """

    async def as_read(tx: Transaction) -> Snapshot:
        model, batteries = await _meant(tx, name)
        seen = await snapshot(tx, model.id, [each.id for each in batteries], {})
        return replace(seen, category=model.category, public=frozenset(seen.batteries))

    async def work(tx: Transaction, found: Seen) -> Json:
        model, batteries = await _meant(tx, name)
        one = len(batteries) == 1 and name != model.id and batteries[0].status != ""
        refuse_incomplete(batteries[0].id if one else model.id, found.lacking)
        await _check_views(tx)
        changed = [] if one else _publish_model(tx, world, model, len(batteries))
        changed += [_publish_battery(tx, world, model, each) for each in batteries if each.status]
        return {
            "model": model.id,
            "status": State.PUBLISHED.value,
            "revision": model.revision,
            "batteries": [each.id for each in batteries],
            "findings": [finding_json(finding) for finding in found.findings],
            "addresses": [f"{world.me.public_url}/passports/{each.id}" for each in batteries],
            "changed": bool(changed),
        }

    return await examined(world, as_read, work)


async def known(tx: Transaction, name: str) -> tuple[Model, Battery | None]:
    """The model of this id, or the battery of this name with its model."""
    model = await tx.get(Model, name)
    if model is not None:
        return model, None
    battery = await names.battery(tx, name)
    return await names.resolve(tx, Model, battery.model), battery


async def _meant(tx: Transaction, name: str) -> tuple[Model, list[Battery]]:
    """The model that is published, with the batteries that are published with it; or the one battery."""
    model = await tx.get(Model, name)
    if model is None:
        named = await tx.find(Battery, alias=name, limit=2)
        if len(named) == 1:
            return await _of(tx, named[0]), named
        model = await names.resolve(tx, Model, name)
    if model.status == State.DRAFT:
        raise Clash(
            f"{model.id} is a draft and cannot be published.",
            "It came from a template and holds no battery's values.",
            "Fill it and import the result.",
            code="passport.draft",
        )
    return model, [each for each in await all_of(tx, Battery, model=model.id) if each.status in ("", State.IMPORTED)]


async def _of(tx: Transaction, battery: Battery) -> Model:
    model = await names.resolve(tx, Model, battery.model)
    if model.status != State.PUBLISHED:
        raise Clash(
            f"{model.id} is {model.status}, and its batteries stand as it does.",
            next=f"saltbridge passport publish {model.id}",
            code="model.unpublished",
        )
    return model


def _publish_model(tx: Transaction, world: World, model: Model, batteries: int) -> list[str]:
    status = lives.next_state(model.id, model.status, Act.PUBLISH)
    if status == model.status:
        return []
    written = tx.put(replace(model, status=status, changed=world.clock.now(), ended=None, why=""))
    lives.tell(tx, written, Act.PUBLISH)
    tx.note(Note(event="passport.published", subject=model.id, data={"revision": model.revision, "batteries": batteries}))
    return [model.id]


def _publish_battery(tx: Transaction, world: World, model: Model, battery: Battery) -> str:
    lives.next_state(battery.id, battery.status, Act.PUBLISH)
    written = tx.put(replace(battery, status="", changed=world.clock.now(), ended=None, why=""))
    lives.tell(tx, written, Act.PUBLISH)
    tx.note(Note(event="passport.published", subject=battery.id, data={"revision": f"{model.revision}.{battery.revision}"}))
    return battery.id


async def _check_views(tx: Transaction) -> None:
    """A view whose expectations fail, or that is called public and holds less, stops every publication."""
    for view in await all_of(tx, View):
        grant = await views.grant_of(tx, view.grant)
        views.require_public(view.id, grant)
        views.require(view.id, views.judge(grant, view.expectations))
