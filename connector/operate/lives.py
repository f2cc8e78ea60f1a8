"""Steps in the life of a passport, as records: judged by the table, put down as events, ids never given twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from connector.errors import Clash
from connector.ports import Transaction
from connector.records import Battery, Event, Model, Used
from submodels.errors import Invalid
from submodels.lifecycle import Act, State, after, standing

Owner = Model | Battery


def state_of(model: Model, battery: Battery | None = None) -> State:
    """Where a model, or one of its batteries, stands."""
    return standing(model.status, battery.status if battery else "")


def next_state(id: str, status: str | None, act: Act) -> str:
    """The status after an act; Clash when the table has none."""
    try:
        return after(State(status) if status else None, act, id).value
    except Invalid as error:
        raise Clash(f"{error.where} {error.what}.", next=error.next, code="passport.state") from error


def check_takes_batteries(model: Model) -> None:
    """Clash when no battery can be added to a model any more."""
    if model.status in (State.SUPERSEDED, State.ARCHIVED, State.CEASED):
        raise Clash(
            f"{model.id} is {model.status} and takes no more batteries.", next="Import them under another model.", code="passport.state"
        )


def tell(tx: Transaction, owner: Owner, act: Act, *, parts: Sequence[str] = (), why: str = "", at: datetime | None = None) -> None:
    """Put down the step that led to a record as `tx.put` returned it."""
    tx.put(
        Event(
            id=f"{owner.id}@{owner.version:09d}",
            owner=owner.id,
            at=at or owner.changed,
            act=act.value,
            status=owner.status,
            revision=owner.revision,
            parts=tuple(parts),
            why=why,
        )
    )


async def check_unused(tx: Transaction, ids: Iterable[str]) -> None:
    """Clash when an id was given before, to something that is gone: an identifier is never given twice (EN 18219)."""
    for id in ids:
        used = await tx.get(Used, id)
        if used is not None:
            raise Clash(
                f"{id} was given to {used.of}, which is gone.", "An identifier is never given twice.", "Give another one.", code="id.used"
            )
