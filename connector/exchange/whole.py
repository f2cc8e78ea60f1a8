"""A plain asset's exit: authorised by `release`, then proxied from its source, all of it.

What the source is asked and what it answered is not read here.  The audit chain says that something was sent before the
first byte is, and how much it was once it ended.  Where a source lies is told to nobody but this node's log.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from connector import log
from connector.errors import Denied, PeerUnreachable, SaltbridgeError, Unavailable
from connector.ports import Ask, Flow, Transaction, World
from connector.records import Asset, Json, Note, Secret
from connector.seal import unseal
from policies.operands import NS

from .conversation import transact
from .release import Whole

EXTENT = NS + "extent"
WHOLE = "whole asset, no attribute grant"  # how a plain asset is marked wherever it is shown


def about(asset: str) -> str:
    """What an asset's sealed fields are bound to."""
    return f"asset/{asset}"


def about_secret(id: str) -> str:
    """What a secret's sealed value is bound to."""
    return f"secret/{id}"


async def secrets_of(world: World, tx: Transaction, asset: Asset) -> Mapping[str, str]:
    """The secret fields of an asset's address, the one it names in the secrets store (`secretName`) as `authCode`.

    SaltbridgeError when one cannot be read; its text is for the operator only.
    """
    fields: dict[str, str] = json.loads(unseal(world.secret, about(asset.id), asset.sealed)) if asset.sealed else {}
    named = str(asset.data_address.get("secretName", ""))
    if named:
        secret = await tx.get(Secret, named)
        if secret is None:
            raise SaltbridgeError(f"The asset {asset.id} names a secret {named}, which is not here.", code="secret.missing")
        fields["authCode"] = unseal(world.secret, about_secret(named), secret.sealed)
    return fields


@asynccontextmanager
async def pull(world: World, permit: Whole, ask: Ask) -> AsyncIterator[Flow]:
    """The source's answer to what the consumer asks; Unavailable when it does not answer, Refused for what is not passed on."""
    async with AsyncExitStack() as stack:
        try:
            if world.sources is None:
                raise SaltbridgeError("Plain assets are not allowed at this node.")
            async with world.store.transaction() as tx:
                fields = await secrets_of(world, tx, permit.asset)
            flow = await stack.enter_async_context(world.sources.open(permit.asset.data_address, fields, ask))
        except SaltbridgeError as error:
            if error.status < 500 and not isinstance(error, Denied | PeerUnreachable):
                raise  # what the consumer asked is not passed on: it may know why
            log.event("source", asset=permit.asset.id, transfer=permit.transfer, error=str(error)[:500])
            raise Unavailable("The source of this asset does not answer.", next="Try again later.", code="source.unreachable") from error
        receipt = f"r-{secrets.token_hex(12)}"
        about: Json = {"agreement": permit.agreement.id, "peer": permit.agreement.peer, "transfer": permit.transfer, "extent": "whole"}
        await _noted(world, Note(event="pull.opened", subject=permit.asset.id, data=about | {"status": flow.status}))
        headers = dict(flow.headers) | {"Saltbridge-Receipt": receipt}
        yield replace(flow, headers=headers, body=_counted(world, permit, about, receipt, flow.body))


async def _counted(
    world: World, permit: Whole, about: Json, receipt: str, body: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """The body as it comes; its size and digest go on record at its end, also where it broke off."""
    digest = hashlib.sha256(receipt.encode() + b"\0")
    size, whole = 0, False
    try:
        async for piece in body:
            digest.update(piece)
            size += len(piece)
            yield piece
        whole = True
    finally:
        ended = {"elements": 0, "documents": 0, "bytes": size, "digest": digest.hexdigest(), "complete": whole}
        await _noted(world, Note(event="pull", subject=permit.asset.id, data=about | ended))


async def _noted(world: World, note: Note) -> None:
    async def work(tx: Transaction) -> None:
        tx.note(note)

    await transact(world, work)
