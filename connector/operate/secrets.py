"""Secrets that plain assets' sources want: written and replaced, never read back by anybody but the data plane.

EDC's API returns a secret's value to whoever holds the operator's token; this one does not.
"""

from __future__ import annotations

from dataclasses import replace

from connector.errors import Clash, Hidden, Malformed
from connector.exchange.conversation import transact
from connector.exchange.whole import about_secret
from connector.ports import Transaction, World
from connector.records import Note, Secret
from connector.seal import seal

LONGEST = 255
MOST = 64 * 1024  # bytes of a value


async def create(world: World, id: str, value: str) -> Secret:
    """A new secret; Clash when the id is taken."""
    _check(id, value)

    async def work(tx: Transaction) -> Secret:
        if await tx.get(Secret, id) is not None:
            raise Clash(f"There is a secret {id} already.", next="Replace it with PUT, or choose another id.")
        tx.note(Note(event="secret.changed", subject=id, data={}))
        return tx.put(Secret(id=id, sealed=seal(world.secret, about_secret(id), value), created=world.clock.now()))

    return await transact(world, work)


async def update(world: World, id: str, value: str) -> None:
    """Another value; the next pull uses it.  Hidden when there is none of this id."""
    _check(id, value)

    async def work(tx: Transaction) -> None:
        tx.put(replace(await _known(tx, id), sealed=seal(world.secret, about_secret(id), value)))
        tx.note(Note(event="secret.changed", subject=id, data={}))

    await transact(world, work)


async def delete(world: World, id: str) -> None:
    """Forget a secret; assets that name it are served no more."""

    async def work(tx: Transaction) -> None:
        await _known(tx, id)
        tx.delete(Secret, id)
        tx.note(Note(event="secret.deleted", subject=id, data={}))

    await transact(world, work)


async def get(world: World, id: str) -> Secret:
    async with world.store.transaction() as tx:
        return await _known(tx, id)


async def _known(tx: Transaction, id: str) -> Secret:
    found = await tx.get(Secret, id)
    if found is None:
        raise Hidden(f"There is no secret {id}.")
    return found


def _check(id: str, value: str) -> None:
    if not id or len(id) > LONGEST or not id.isprintable():
        raise Malformed("A secret has an id of printable text.", f"At most {LONGEST} characters.", code="input.invalid", where="@id")
    if not value or len(value.encode()) > MOST or any(char in value for char in "\r\n\0"):
        # It becomes the value of a header: a line break would begin another one.
        raise Malformed("A secret has a value of one line.", f"At most {MOST} bytes.", code="input.invalid", where="value")
