"""A release made ready to send: which bytes, under which name, with which headers.

Serialises `Redacted` values only.  Each parcel of a contract carries a random receipt id; the audit chain keeps the
digest of receipt and bytes together, so that it proves what left without letting anyone guess what it was.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.errors import Hidden
from connector.ports import Transaction, World
from connector.records import Json, Note
from submodels.documents import PassportDocument
from submodels.errors import Invalid
from submodels.table import PARTS, elements
from submodels.value import write_json
from submodels.view import Redacted, at, part_json, parts_json

from . import release
from .conversation import transact

ITEMS = 1000  # batteries that a manifest lists; it says when there are more


@dataclass(frozen=True, slots=True)
class Parcel:
    """What an exit sends; `filename` is set for documents only."""

    body: bytes
    media_type: str = "application/json"
    filename: str = ""
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


async def pull(world: World, permit: release.Permit, path: tuple[str, ...], battery: str = "", at: datetime | None = None) -> Parcel:
    """Answer a pull that is authorised: `path` is what follows `/data`, `battery` and `at` the query's.  Select, then bytes."""
    kind, _, only = permit.scope.partition(".")
    named = battery or (path[0] if path else only if kind == "battery" else "")
    rest = path if battery else path[1:]
    if not named:
        return sealed(world, permit.agreement.id, write_json(await _manifest(world, permit)))
    await _check_path(world, permit, rest)
    redacted = await release.for_battery(world, permit, named, at)
    if rest == ("documents",):
        parcel = sealed(world, permit.agreement.id, json.dumps(_listing(redacted)).encode())
    elif rest[:1] == ("documents",):
        body, document = await _document(world, redacted, rest[1:])
        parcel = sealed(world, permit.agreement.id, body, document)
    else:
        parcel = sealed(world, permit.agreement.id, _body(redacted, rest))
    return await receipted(world, permit, redacted, parcel)


async def public(world: World, battery: str, path: tuple[str, ...] = (), at: datetime | None = None) -> Parcel:
    """The public view, or one of its documents; `at` an instant the version that stood then.

    It says no revision: that counts changes of what is not public, too.
    """
    redacted = await release.public(world, battery, at)
    if path[:1] == ("documents",):
        body, document = await _document(world, redacted, path[1:])
        return sealed(world, "public", body, document)
    if path:
        raise Hidden("No such address here.", "Ask for /passports/{battery} or one of its documents.")
    listing = json.dumps(_listing(redacted))
    head = (
        f'{{"battery":{json.dumps(redacted.battery)},"model":{json.dumps(redacted.model)},{_ties(redacted)}"documents":{listing},"parts":'
    )
    return replace(sealed(world, "public", head.encode() + parts_json(redacted) + b"}"), headers=_links(redacted))


def _ties(redacted: Redacted) -> str:
    """Members of the public answer that say where the passport stands; none while it is simply published."""
    told: Json = {"status": redacted.ties.status} if redacted.ties.status not in ("", "published") else {}
    told |= {"successor": redacted.ties.successor} if redacted.ties.successor else {}
    told |= {"predecessors": list(redacted.ties.predecessors)} if redacted.ties.predecessors else {}
    return "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in told.items())


def _links(redacted: Redacted) -> dict[str, str]:
    """RFC 5829: the passports before and after, as addresses."""
    after = [f'<{redacted.ties.successor}>; rel="successor-version"'] if redacted.ties.successor else []
    links = [*after, *(f'<{each}>; rel="predecessor-version"' for each in redacted.ties.predecessors)]
    return {"Link": ", ".join(links)} if links else {}


async def _manifest(world: World, permit: release.Permit) -> Json:
    answer = release.manifest(world, permit)
    if any(path == "/digitalProductPassportId" for path in permit.grant.parts.get("metadata", ())):
        items = await release.batteries(world, permit, limit=ITEMS + 1)
        answer |= {"items": items[:ITEMS], "itemsComplete": len(items) <= ITEMS}
    return answer


async def _check_path(world: World, permit: release.Permit, rest: tuple[str, ...]) -> None:
    """Decided from path template and grant alone: a leaf must be granted, a container must hold something granted."""
    if not rest or rest == ("documents",):
        return
    part, *inner = rest
    if part == "documents":
        return
    inner = inner[:-1] if inner[-1:] == ["$value"] else inner
    if part not in PARTS:
        raise Hidden("No such part.", f"Parts: {', '.join(PARTS)}.")
    below = [element for element in elements(part) if _under(element.path, inner)]
    if not any(permit.grant.allows(part, element.path) for element in below):
        await release.refuse_path(world, permit, "/".join((part, *("*" if step.isdigit() else step for step in inner))))


def _under(path: tuple[str, ...], inner: list[str]) -> bool:
    return len(inner) <= len(path) and all(
        step == want or (step == "*" and (want == "*" or want.isdigit())) for step, want in zip(path, inner, strict=False)
    )


def _body(redacted: Redacted, rest: tuple[str, ...]) -> bytes:
    rest = rest[:-1] if rest[-1:] == ("$value",) else rest
    if not rest:
        return parts_json(redacted)
    part, *inner = rest
    if part not in redacted.parts:
        raise Hidden("Nothing of this part is here.", "It is granted, but the passport has no value there.")
    if not inner:
        return part_json(redacted, part)
    try:
        return write_json(at(redacted, part, "/" + "/".join(inner)))
    except (Invalid, LookupError) as error:
        raise Hidden("Nothing is at this path.", "It is granted, but the passport has no value there.") from error


def _listing(redacted: Redacted) -> list[dict[str, object]]:
    return [
        {
            "id": document.id,
            "identifier": document.identifier,
            "kind": document.kind,
            "title": document.title,
            "mediaType": document.media_type,
            "language": document.language,
            "size": document.size,
            "sha256": document.sha256,
        }
        for document in redacted.documents
    ]


async def _document(world: World, redacted: Redacted, rest: tuple[str, ...]) -> tuple[bytes, PassportDocument]:
    if len(rest) != 1:
        raise Hidden("No such document.", "Ask for documents/{id}.")
    for document in redacted.documents:
        if document.id == rest[0]:
            async with world.store.transaction() as tx:
                body = await tx.blob(document.sha256)
            if body is not None:
                return body, document
    raise Hidden("No such document.", "The view's answer lists the documents it grants.")


def sealed(world: World, agreement: str, body: bytes, document: PassportDocument | None = None) -> Parcel:
    """ETag is an HMAC over agreement and bytes: equal bytes under two agreements cannot be compared."""
    etag = hmac.new(world.secret, agreement.encode() + b"\0" + body, hashlib.sha256).hexdigest()[:32]
    if document is None:
        return Parcel(body, etag=etag)
    return Parcel(body, document.media_type, document.filename, etag)


async def receipted(world: World, permit: release.Permit, redacted: Redacted, parcel: Parcel, more: Sequence[Redacted] = ()) -> Parcel:
    """One audit entry for each pull: counts and a digest, no value.  A list shows `more` than one battery: its subject is the scope."""
    receipt = f"r-{secrets.token_hex(12)}"
    digest = hashlib.sha256(receipt.encode() + b"\0" + parcel.body).hexdigest()
    shown = (redacted, *more)
    data = {
        "agreement": permit.agreement.id, "peer": permit.agreement.peer, "transfer": permit.transfer,
        "elements": sum(each.elements for each in shown), "documents": sum(len(each.documents) for each in shown),
        "bytes": len(parcel.body), "revision": "" if more else redacted.revision, "digest": digest,
    }  # fmt: skip
    withheld: Counter[str] = Counter()
    for each in shown:
        withheld.update(each.withheld_by_class)
    subject = permit.scope if more else redacted.battery

    async def work(tx: Transaction) -> None:
        tx.note(Note(event="pull", subject=subject, data=data, beside={"withheld": dict(withheld)}))

    await transact(world, work)
    about = {} if more else {"Saltbridge-Revision": redacted.revision, "Saltbridge-Battery": redacted.battery, **_links(redacted)}
    return Parcel(parcel.body, parcel.media_type, parcel.filename, parcel.etag, {"Saltbridge-Receipt": receipt, **about})
