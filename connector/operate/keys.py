"""Rotation of this node's signing key with an overlap: announce the next key on the card, let peers read it, then turn.

A peer that has read the announcement takes both keys, so nothing is interrupted.  Data tokens have a key of their own, which
stays: what was started goes on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from connector.errors import Clash
from connector.exchange.conversation import transact
from connector.ports import Transaction, World
from connector.records import Json, Note
from connector.text import utc


class Ring(Protocol):
    """The identity adapter's signing keys."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def next_fingerprint(self) -> str: ...
    @property
    def made(self) -> datetime: ...
    @property
    def announced(self) -> datetime | None: ...
    def announce(self, now: datetime) -> bool: ...
    def turn(self) -> None: ...


def show(world: World, ring: Ring, good_for: timedelta) -> Json:
    """The present key with the days until it should be rotated, and the announced one."""
    return {
        "fingerprint": ring.fingerprint,
        "made": utc(ring.made),
        "days_left": days_left(ring, good_for, world.clock.now()),
        "next_fingerprint": ring.next_fingerprint,
        "announced": utc(ring.announced) if ring.announced else "",
    }


def days_left(ring: Ring, good_for: timedelta, now: datetime) -> float:
    return (ring.made + good_for - now) / timedelta(days=1)


async def announce(world: World, ring: Ring, good_for: timedelta) -> Json:
    """Show the next key on the card; the same one again as long as it is not in use.  `changed`: whether it is new."""
    changed = ring.announce(world.clock.now())
    if changed:
        await _note(world, "keys.announced", {"key": ring.fingerprint, "next": ring.next_fingerprint})
    return show(world, ring, good_for) | {"changed": changed}


async def rotate(world: World, ring: Ring, good_for: timedelta) -> Json:
    """Sign with the announced key from now on; Clash when none is announced."""
    if not ring.next_fingerprint:
        raise Clash(
            "No next key is announced.", "Peers would refuse a key that they have never seen.",
            "saltbridge peer card --next; and rotate once they have read the card.", code="key.unannounced",
        )  # fmt: skip
    before = ring.fingerprint
    ring.turn()
    await _note(world, "keys.rotated", {"key": ring.fingerprint, "was": before})
    return show(world, ring, good_for) | {"was": before}


async def _note(world: World, event: str, data: Json) -> None:
    async def work(tx: Transaction) -> None:
        tx.note(Note(event=event, subject=world.me.id, data=data))

    await transact(world, work)
