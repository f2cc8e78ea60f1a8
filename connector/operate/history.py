"""What a passport was, for its operator: every step, and what differs between two versions."""

from __future__ import annotations

import re

from connector.errors import Hidden
from connector.exchange import release, versions
from connector.exchange.versions import Version, read_at
from connector.operate import lives
from connector.operate.publishing import known
from connector.ports import Transaction, World
from connector.records import Battery, Event, Json, Model
from connector.text import utc
from submodels.lifecycle import State
from submodels.value import write_json
from submodels.view import Redacted, walk

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})")


async def history(world: World, name: str) -> Json:
    """Every step of a model, or of a battery and its model together, oldest first; `version` is the battery's after the step."""
    async with world.store.transaction() as tx:
        model, battery = await known(tx, name)
        steps = [*await versions.events(tx, model), *(await versions.events(tx, battery) if battery else [])]
    steps.sort(key=lambda each: (each.at, each.owner != model.id))
    born = next((place for place, each in enumerate(steps) if battery and each.owner == battery.id), 0)
    reached, own, rows = 0, 0, []
    for place, step in enumerate(steps):
        reached, own = (step.revision, own) if step.owner == model.id else (reached, step.revision)
        if battery and place < born and any(each.owner == model.id for each in steps[place + 1 : born]):
            continue  # before this battery was there, all that matters is how its model stood then
        rows.append(_row(step, f"{reached}.{own}" if battery and own else "" if battery else str(reached)))
    owner: Model | Battery = battery or model
    return {
        "passport": owner.id,
        "status": lives.state_of(model, battery).value,
        "successor": owner.successor,
        "predecessors": list(owner.predecessors),
        "steps": rows,
    }


async def diff(world: World, name: str, before: str, after: str = "") -> Json:
    """Which elements and documents differ between two versions of a battery; each a number like 1.2, a day or an instant.

    Without `after`: the present one.
    """
    async with world.store.transaction() as tx:
        model, battery = await known(tx, name)
        if battery is None:
            raise Hidden(f"{model.id} is a model; versions differ per battery.", f"saltbridge passport history {model.id}")
        was, now = [await _version(world, tx, model, battery, text) for text in (before, after)]
    old, new = await release.operator(world, battery.id, was), await release.operator(world, battery.id, now)
    left, right = _leaves(old), _leaves(new)
    places = [*left, *(place for place in right if place not in left)]
    rows = [
        {"path": place, "before": left.get(place), "after": right.get(place)} for place in places if left.get(place) != right.get(place)
    ]
    return {"passport": battery.id, "before": old.revision, "after": new.revision, "changes": rows}


def _row(step: Event, version: str) -> Json:
    return {
        "at": utc(step.at), "of": step.owner, "act": step.act, "status": step.status, "version": version, "parts": list(step.parts),
        "why": step.why,
    }  # fmt: skip


async def _version(world: World, tx: Transaction, model: Model, battery: Battery, text: str) -> Version:
    now = world.clock.now()
    number = _VERSION.fullmatch(text)
    if number:
        wanted = Version(int(number[1]), int(number[2]), now, State.IMPORTED)
        if 1 <= wanted.model <= model.revision and 1 <= wanted.battery <= battery.revision:
            return wanted
        raise Hidden(f"{battery.id} has no version {text}.", f"saltbridge passport history {battery.id}")
    at = read_at(text, now)
    found = await versions.stood(tx, model, battery, at or now)
    if found is None:
        raise Hidden(f"No version of {battery.id} stood at {text}.", f"saltbridge passport history {battery.id}")
    return found


def _leaves(seen: Redacted) -> dict[str, str]:
    """Path -> value as written, documents by their id."""
    values = {
        f"{part}/{'/'.join(path)}": write_json(value).decode() for part, tree in seen.parts.items() for path, _, value in walk(part, tree)
    }
    return values | {f"documents/{each.id}": f"{each.title} · {each.sha256[:16]}" for each in seen.documents}
