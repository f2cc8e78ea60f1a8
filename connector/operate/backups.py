"""When a backup was last kept: told by whoever has written and checked one, shown in the banner, the status and the metrics."""

from __future__ import annotations

from connector.exchange.conversation import transact
from connector.ports import Transaction, World
from connector.records import Backup, Json, Note
from connector.text import utc

LAST = "last"


async def kept(world: World, *, size: int, sha256: str, keys: bool) -> Json:
    """Put on record that a backup lies somewhere, whole; where is its keeper's business."""

    async def work(tx: Transaction) -> Json:
        before = await tx.get(Backup, LAST)
        made = Backup(id=LAST, version=before.version if before else 0, at=world.clock.now(), size=size, sha256=sha256, with_keys=keys)
        tx.put(made)
        tx.note(Note(event="backup.kept", subject=world.me.id, data={"bytes": size, "sha256": sha256, "keys": keys}))
        return _shown(made)

    return await transact(world, work)


async def last(world: World) -> Json:
    """The last backup on record; empty when there is none."""
    async with world.store.transaction() as tx:
        found = await tx.get(Backup, LAST)
    return _shown(found) if found else {}


async def age(world: World) -> float | None:
    """Seconds since the last backup on record; None when there is none."""
    async with world.store.transaction() as tx:
        found = await tx.get(Backup, LAST)
    return (world.clock.now() - found.at).total_seconds() if found else None


def _shown(backup: Backup) -> Json:
    return {"at": utc(backup.at), "size": backup.size, "sha256": backup.sha256, "keys": backup.with_keys}
