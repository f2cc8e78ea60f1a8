"""What pulls have brought: kept in one transaction, readable as long as its agreement stands, and no longer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from connector.errors import Denied, Hidden, SaltbridgeError
from connector.exchange.conversation import transact
from connector.operate import fit, names
from connector.operate.fetching import Fetched, Source
from connector.ports import Transaction, World
from connector.records import Agreement, Json, Note, Received
from connector.text import clean, utc

DOCUMENT = "document"


async def keep(world: World, source: Source, fetched: Fetched) -> list[Received]:
    """Store parts and documents in one transaction, over what an earlier pull brought."""
    rows: list[tuple[str, str, Json, bytes]] = [(part, part, {}, body) for part, body in fetched.parts.items()]
    rows += [(f"{DOCUMENT}:{about['id']}", DOCUMENT, about, body) for about, body in fetched.documents]

    async def work(tx: Transaction) -> list[Received]:
        kept = []
        for key, part, about, body in rows:
            id = f"{source.agreement.id}|{fetched.battery}|{key}"
            before = await tx.get(Received, id)
            kept.append(
                tx.put(
                    Received(
                        id=id,
                        version=before.version if before else 0,
                        agreement=source.agreement.id,
                        peer=source.peer.id,
                        battery=fetched.battery,
                        part=part,
                        document=about,
                        size=len(body),
                        sha256=tx.keep(body),
                        at=world.clock.now(),
                        receipt=about.get("receipt") or fetched.receipt,
                        revision=fetched.revision,
                    )
                )
            )
        counts = {"parts": len(fetched.parts), "documents": len(fetched.documents), "elements": fetched.elements}
        about = {"peer": source.peer.id, "transfer": source.process.id, "receipt": fetched.receipt, "digest": _digest(rows)}
        tx.note(Note(event="received", subject=source.agreement.id, data=about | counts))
        return kept

    return await transact(world, work)


async def list_received(world: World, *, agreement: str = "", battery: str = "", peer: str = "") -> list[Json]:
    """What earlier pulls brought, and whether it may still be read."""
    async with world.store.transaction() as tx:
        asked = {
            "agreement": (await names.agreement(tx, agreement)).id if agreement else "",
            "peer": (await names.peer(tx, peer)).id if peer else "",
            "battery": battery,
        }
        found = await tx.find(Received, limit=10_000, **{key: value for key, value in asked.items() if value})
        over = {}
        for id in {each.agreement for each in found}:
            stands = await tx.get(Agreement, id)
            over[id] = why_over(world, stands, await names.peer_name(tx, stands.retired_by)) if stands else "the agreement is gone"
        return [row(each) | {"peer": await names.peer_name(tx, each.peer), "over": over[each.agreement]} for each in found]


async def content(world: World, id: str) -> tuple[bytes, str]:
    """(bytes, media type) of one received part or document; Denied once its agreement is retired or has run out."""
    async with world.store.transaction() as tx:
        found = await tx.get(Received, id)
        if found is None:
            raise Hidden(f"Nothing of this name was received: {clean(id, 200)}", "saltbridge pull ...")
        agreement = await tx.get(Agreement, found.agreement)
        body = await tx.blob(found.sha256)
        by = await names.peer_name(tx, agreement.retired_by) if agreement else ""
    over = why_over(world, agreement, by) if agreement else "the agreement is gone"
    if over:
        raise Denied("This may not be read any more.", over, "Negotiate a new agreement.", code="agreement.over")
    if body is None or hashlib.sha256(body).hexdigest() != found.sha256:
        raise SaltbridgeError("The stored bytes are gone or damaged.", next="Pull them again.", code="blob.lost")
    return body, found.document.get("media_type", "application/json") if found.part == DOCUMENT else "application/json"


def why_over(world: World, agreement: Agreement, by: str = "") -> str:
    """Why an agreement no longer serves; '' while it does.  `by` is our name for who retired it."""
    if agreement.retired is not None:
        by = world.me.name if agreement.retired_by == world.me.id else by or agreement.retired_by
        return f"retired by {by}: {agreement.retired_why or 'no reason given'}"
    if agreement.state != "FINALIZED":
        return f"it is {agreement.state}"
    return "its terms have run out" if fit.expired(world, agreement.policy, agreement.signed) else ""


def row(each: Received) -> Json:
    return {
        "id": each.id,
        "agreement": each.agreement,
        "battery": each.battery,
        "part": each.part,
        "document": each.document,
        "size": each.size,
        "sha256": each.sha256,
        "at": utc(each.at),
        "receipt": each.receipt,
        "revision": each.revision,
    }


def _digest(rows: Sequence[tuple[str, str, Json, bytes]]) -> str:
    """One digest over everything that was kept, in order."""
    whole = hashlib.sha256()
    for key, _, _, body in rows:
        whole.update(key.encode() + b"\0" + hashlib.sha256(body).digest())
    return whole.hexdigest()
