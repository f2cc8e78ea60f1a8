"""What a passport was: which version stood at an instant, and the layers and documents of any version.

A version of a battery is `<model's revision>.<battery's revision>`.  What a revision replaced is kept as `Past`, written once;
each step is an `Event`.  Read only: `connector.operate` writes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from connector.errors import Malformed
from connector.ports import Transaction
from connector.records import Battery, Document, Event, Layer, Model, Past
from submodels.lifecycle import State, standing
from submodels.table import PARTS

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """Which revisions of model and battery stood together, since when, and whether the passport was published."""

    model: int
    battery: int
    since: datetime
    state: State

    def __str__(self) -> str:
        return f"{self.model}.{self.battery}"


def read_at(text: str, now: datetime) -> datetime | None:
    """The instant that `?at=` names: a day means its end in UTC; None for no text.  Malformed for another text or a time to come."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if len(text) <= 10 else None
        moment = datetime.combine(day, time.max, UTC) if day else datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        day, moment = None, None
    if moment is None or moment.tzinfo is None:
        raise Malformed(
            "`at` is no date.", next="Write 2027-03-01, or an instant with its offset like 2027-03-01T12:00:00Z.", code="input.invalid"
        )
    if (day or moment.astimezone(UTC).date()) > now.date() or (day is None and moment > now):
        raise Malformed("`at` lies ahead.", "Which version will stand then nobody knows.", "Ask for a time that was.", code="input.invalid")
    return moment


async def stood(tx: Transaction, model: Model, battery: Battery, at: datetime) -> Version | None:
    """The version that stood at an instant; None when there was none yet (or no history was kept then)."""
    of_model, of_battery = await _at(tx, model, at), await _at(tx, battery, at)
    if of_model is None or of_battery is None:
        return None
    state = standing(of_model.status, of_battery.status)
    return Version(of_model.revision, of_battery.revision, max(of_model.at, of_battery.at), state)


async def events(tx: Transaction, owner: Model | Battery) -> list[Event]:
    """Every step of a model or battery, the first import too, oldest first."""
    kept: list[Event] = []
    while True:
        page = await tx.find(Event, prefix=f"{owner.id}@", after=kept[-1].id if kept else "", limit=PAGE)
        kept.extend(page)
        if len(page) < PAGE:
            break
    if kept and kept[0].revision == 1 and kept[0].act in ("import", "template"):
        return kept
    return [_first(owner, kept), *kept]


async def layer(tx: Transaction, owner: str, part: str, revision: int) -> Layer | None:
    """A layer as a revision of its owner had it; None when that had none."""
    stored = await tx.get(Layer, f"{owner}/{part}")
    if stored is None or stored.since <= revision:
        return stored
    past = await _past(tx, stored.id, revision)
    return past.layer if past else None


async def documents(tx: Transaction, owner: str, revision: int) -> list[Document]:
    """The documents that a revision of their owner had."""
    found = []
    for stored in await tx.find(Document, owner=owner):
        past = None if stored.since <= revision else await _past(tx, stored.id, revision)
        was = stored if stored.since <= revision else past.document if past else None
        if was is not None:
            found.append(was)
    return found


async def layers(tx: Transaction, owner: str, revision: int) -> list[Layer]:
    """Every layer of an owner as a revision had it."""
    found = [await layer(tx, owner, part, revision) for part in PARTS]
    return [each for each in found if each is not None]


async def _past(tx: Transaction, id: str, revision: int) -> Past | None:
    """What a record was in a revision: its first predecessor that lasted so long, if it had begun."""
    behind = f"{id}@{revision - 1:09d}" if revision > 0 else ""
    found = await tx.find(Past, prefix=f"{id}@", after=behind, limit=1)
    return found[0] if found and found[0].since <= revision else None


async def _at(tx: Transaction, owner: Model | Battery, at: datetime) -> Event | None:
    before = [each for each in await events(tx, owner) if each.at <= at]
    return before[-1] if before else None


def _first(owner: Model | Battery, kept: list[Event]) -> Event:
    """The step that no record tells of: the first import of a battery, or where history begins in an older database."""
    if owner.made is not None:
        return Event(id=f"{owner.id}@", owner=owner.id, at=owner.made, act="import", status="", revision=1)
    if kept:  # made before history was kept, and written since: what was before nobody knows
        return Event(id=f"{owner.id}@", owner=owner.id, at=kept[0].at, act="import", status=kept[0].status, revision=kept[0].revision - 1)
    return Event(id=f"{owner.id}@", owner=owner.id, at=owner.changed, act="import", status=owner.status, revision=owner.revision)
