"""What a pull brings: the whole way from a wish to stored, checked data, and reading it afterwards.

An agreement is found or negotiated, a transfer started, the data fetched and each leaf held against the agreement's
grant before anything is kept.  What is kept can be read as long as its agreement stands, and no longer.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from catalog.asset import split_view_asset_id
from connector.errors import Denied, Hidden, Malformed, PeerRefused, PeerUnreachable, SaltbridgeError
from connector.exchange import transfer
from connector.exchange.conversation import transact
from connector.operate import catalogs, contracts, names, transfers
from connector.operate.shapes import title
from connector.ports import Answer, Transaction, World
from connector.protocol import wire
from connector.protocol.transfer import Message as T
from connector.protocol.transfer import State as S
from connector.records import Agreement, Json, Note, Peer, Received, Transfer
from connector.text import clean, utc
from submodels.documents import MEDIA_TYPES
from submodels.errors import Invalid
from submodels.grant import AttributeGrant, parse_grant
from submodels.table import PARTS
from submodels.value import read_json, walk, write_json

DOCUMENT = "document"
RETIRED = "agreement.retired"  # the code by which a provider says so, in a termination and at the data endpoint
COMPLETION_SECONDS = 5.0
MAX_DOCUMENTS = 100  # of one battery
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,100}")


@dataclass(slots=True)
class Story:
    """The steps of one pull as they happen, with their durations, and what could be re-used."""

    began: float = field(default_factory=time.perf_counter)
    steps: list[Json] = field(default_factory=list)
    reused: Json = field(default_factory=lambda: {"agreement": False, "transfer": False})

    def tell(self, step: str, **more: Any) -> None:
        now = time.perf_counter()
        self.steps.append({"step": step, "seconds": round(now - self.began, 6), **more})
        self.began = now


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; `what` is a view's name or a dataset id, `path` a place in the passport (then nothing is kept)."""

    peer: str
    what: str
    battery: str = ""
    purpose: Sequence[str] = ()
    path: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came for one battery, checked: part key -> bytes, and documents."""

    battery: str
    parts: Mapping[str, bytes]
    documents: Sequence[tuple[Json, bytes]]
    elements: int
    receipt: str
    revision: str
    source: str


async def pull(world: World, wish: Wish) -> Json:
    """Find or negotiate the agreement, start or re-use a transfer, fetch, check, keep, complete.

    Raises PeerRefused where the peer says no, Malformed (`grant.exceeded`) when it sends more than the grant names:
    then nothing is kept.
    """
    story = Story()
    async with world.store.transaction() as tx:
        peer = await names.peer(tx, wish.peer)
    agreement = await _agreement(world, peer, wish, story)
    try:
        process = await _transfer(world, agreement, story)
        url, token, origins = await transfer.endpoint(world, process.id)
        source = _Source(world, peer, agreement, process, url, token, origins)
        answer: Json = {"value": await _one_place(source, wish, story)} if wish.path else await _whole(world, source, wish, story)
    except PeerRefused as error:
        if error.code == RETIRED:
            await _mark_retired(world, agreement, error)
        raise
    await transfer.act(world, process.id, T.COMPLETE)
    ended = await transfers.settled(world, process.id, S.COMPLETED, seconds=COMPLETION_SECONDS)
    story.tell("complete", state=ended.place.state)
    return {
        "peer": peer.name,
        "peer_id": peer.id,
        "agreement": agreement.id,
        "negotiation": agreement.negotiation,
        "title": title(agreement.dataset, agreement.view),
        "transfer": process.id,
        "reused": story.reused,
        "steps": story.steps,
        **answer,
    }


# --- the agreement and the transfer --------------------------------------------------------------


async def _agreement(world: World, peer: Peer, wish: Wish, story: Story) -> Agreement:
    """One of ours that stands and covers the battery, else a new one."""
    async with world.store.transaction() as tx:
        ours = await tx.find(Agreement, peer=peer.id, side="consumer", state="FINALIZED")
    usable = [each for each in ours if _means(each, wish.what) and _may_cover(each, wish.battery) and not _why_over(world, each)]
    if usable:
        # The widest first: a model's agreement serves all its batteries.
        chosen = min(usable, key=lambda each: (not each.scope.startswith("model."), -each.signed.timestamp()))
        story.reused["agreement"] = True
        story.tell("agreement", id=chosen.id, reused=True, signed=utc(chosen.signed))
        return chosen
    dataset = await _dataset(world, peer, wish)
    story.tell("catalog", dataset=dataset)
    process = await contracts.open(world, peer.name, dataset, purpose=wish.purpose)
    ended = await contracts.concluded(world, process)
    if ended["state"] != "FINALIZED":
        async with world.store.transaction() as tx:
            raise contracts.still_running(await names.negotiation(tx, process.id))
    async with world.store.transaction() as tx:
        agreed = await names.agreement(tx, ended["agreement"])
    story.tell("negotiation", id=process.id, state=ended["state"], reused=False)
    return agreed


async def _dataset(world: World, peer: Peer, wish: Wish) -> str:
    """The dataset to negotiate: by id, or by view name, where the scope tells two of one view apart."""
    if split_view_asset_id(wish.what) is not None:
        return wish.what
    listing = await catalogs.fetch(world, peer)
    named = [each for each in listing.datasets if each.view == wish.what] or [
        each for each in listing.datasets if each.id.startswith(wish.what)
    ]
    if len(named) > 1 and wish.battery:
        exact = [each for each in named if _battery_of(each.scope) and _same_battery(_battery_of(each.scope), wish.battery)]
        model = [each for each in named if _model_of(each.scope) and wish.battery.startswith(f"{_model_of(each.scope)}.")]
        # A battery named by its serial only does not say its model: the single model on offer is meant.
        named = model or exact or [each for each in named if _model_of(each.scope)]
    return catalogs.only(peer, wish.what, named).id


async def _transfer(world: World, agreement: Agreement, story: Story) -> Transfer:
    """A started transfer of the agreement, re-used when one stands."""
    async with world.store.transaction() as tx:
        running = await tx.find(Transfer, agreement=agreement.id, side="consumer", state=str(S.STARTED))
    standing = [each for each in running if not each.place.waiting and each.data_address]
    if standing:
        story.reused["transfer"] = True
        story.tell("transfer", id=standing[-1].id, reused=True)
        return standing[-1]
    process = await transfers.started(world, await transfer.request(world, agreement.id))
    if process.place.state != S.STARTED:
        raise PeerUnreachable(
            f"The transfer is {process.place.state or 'not answered yet'} after {transfers.PATIENCE:.0f} s.",
            "It goes on in the background.",
            f"saltbridge transfer timeline {process.id}",
            code="peer.slow",
        )
    story.tell("transfer", id=process.id, reused=False)
    return process


async def _mark_retired(world: World, agreement: Agreement, error: PeerRefused) -> None:
    """Believe the other party that it retired the agreement: the next pull negotiates anew, what was kept is closed."""

    async def work(tx: Transaction) -> None:
        now = await tx.get(Agreement, agreement.id)
        if now is None or now.retired is not None:
            return
        tx.put(replace(now, retired=world.clock.now(), retired_by=agreement.peer, retired_why=clean(error.why, 300)))
        tx.note(Note(event="agreement.retired", subject=agreement.id, data={"by": agreement.peer}))

    await transact(world, work)


def _means(agreement: Agreement, what: str) -> bool:
    return what in (agreement.view, agreement.dataset) or (len(what) >= 8 and agreement.dataset.startswith(what))


def _may_cover(agreement: Agreement, battery: str) -> bool:
    """False only when the battery is surely outside; what a short name means is the provider's to say."""
    if not battery or not agreement.scope:
        return True
    if own := _battery_of(agreement.scope):
        return _same_battery(own, battery)
    model = _model_of(agreement.scope)
    return "." not in battery or battery.startswith(f"{model}.") or ":" in battery


def _battery_of(scope: str) -> str:
    return scope.removeprefix("battery.") if scope.startswith("battery.") else ""


def _model_of(scope: str) -> str:
    return scope.removeprefix("model.") if scope.startswith("model.") else ""


def _same_battery(id: str, asked: str) -> bool:
    return asked == id or id.endswith(f".{asked}")


def _why_over(world: World, agreement: Agreement) -> str:
    """Why an agreement no longer serves; '' while it does."""
    if agreement.retired is not None:
        return f"retired by {agreement.retired_by}: {agreement.retired_why or 'no reason given'}"
    if agreement.state != "FINALIZED":
        return f"it is {agreement.state}"
    return "its terms have run out" if catalogs.expired(world, agreement.policy, agreement.signed) else ""


# --- fetching and checking -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    """A started transfer's data address and everything needed to read it."""

    world: World
    peer: Peer
    agreement: Agreement
    process: Transfer
    url: str
    token: str
    origins: tuple[str, ...]

    async def get(self, path: str, what: str) -> Answer:
        """One answer of the data endpoint; PeerRefused with the peer's reasons for anything but 200."""
        answer = await self.world.data.fetch(f"{self.url.rstrip('/')}{path}", authorization=self.token, origins=self.origins)
        if answer.status == 200:
            return answer
        if answer.status >= 500:
            raise PeerUnreachable(
                f"{self.peer.name}'s data endpoint answered {answer.status}.", next="Try again later.", code="peer.failing"
            )
        raise _refused_pull(self, answer, what)


def _refused_pull(source: _Source, answer: Answer, what: str) -> PeerRefused:
    code, reasons = wire.read_error(answer.body)
    decision = ""
    texts = [clean(text, 400) for text in reasons]
    try:
        said = json.loads(answer.body)
        decision = clean(said.get("decision", ""), 60) if isinstance(said, dict) else ""
    except (ValueError, RecursionError):
        pass
    texts = [text for text in texts if text != f"decision {decision}"]
    whys = texts[1:-1] if len(texts) >= 3 else texts[:1]
    return PeerRefused(
        what,
        whys[0] if whys else f"Its data endpoint answered {answer.status}.",
        texts[-1] if len(texts) >= 2 else f"saltbridge catalog {source.peer.name}",
        code=clean(code, 120) or f"http.{answer.status}",
        decision=decision,
        details=whys[1:],
        by=source.peer.name,
        process_kind="transfer",
        process=source.process.id,
    )


async def _one_place(source: _Source, wish: Wish, story: Story) -> Any:
    """One place of the passport as JSON text; shown, not kept."""
    place = "/".join(quote(step, safe="$") for step in wish.path.strip("/").split("/"))
    battery = quote(wish.battery or _battery_of(source.agreement.scope), safe="-._~:")
    answer = await source.get(f"/{place}?battery={battery}" if battery else f"/{place}", f"{wish.path} of {wish.battery or 'the battery'}")
    story.tell("fetch", bytes=len(answer.body))
    return json.loads(write_json(_tree(answer.body, source.peer)))


async def _whole(world: World, source: _Source, wish: Wish, story: Story) -> Json:
    """Everything the grant gives for one battery, checked and kept."""
    battery = wish.battery or _battery_of(source.agreement.scope)
    if not battery:
        raise Malformed(
            "Which battery?",
            f"The agreement covers {title(source.agreement.dataset, source.agreement.view)}.",
            "Give --battery ID.",
            code="input.missing",
        )
    grant = _grant(source.agreement)
    fetched = await _fetch(source, battery, grant)
    parts, documents = len(fetched.parts), len(fetched.documents)
    story.tell("fetch", parts=parts, documents=documents)
    kept = await _keep(world, source, fetched)
    story.tell("verify and store", elements=fetched.elements)
    return {
        "battery": fetched.battery,
        "parts": [_row(each) for each in kept if each.part != DOCUMENT],
        "documents": [_row(each) for each in kept if each.part == DOCUMENT],
        "elements": fetched.elements,
        "bytes": sum(each.size for each in kept),
        "receipt": fetched.receipt,
        "revision": fetched.revision,
        "grant": grant.digest,
    }


async def _fetch(source: _Source, battery: str, grant: AttributeGrant) -> Fetched:
    answer = await source.get(f"?battery={quote(battery, safe='-._~:')}", f"battery {battery}")
    tree = _tree(answer.body, source.peer)
    if not isinstance(tree, dict) or not set(tree) <= set(PARTS):
        raise _exceeded(source, ["the answer is no set of passport parts"])
    elements, outside = check(grant, tree)
    if outside:
        raise _exceeded(source, outside)
    named = answer.headers.get("saltbridge-battery", "") or battery
    listed = [text for text in answer.headers.get("saltbridge-documents", "").split(",") if text][:MAX_DOCUMENTS]
    documents = [await _document(source, battery, id) for id in listed]
    return Fetched(
        battery=clean(named, 200),
        parts={part: write_json(value) for part, value in tree.items()},
        documents=documents,
        elements=elements,
        receipt=clean(answer.headers.get("saltbridge-receipt", ""), 80),
        revision=clean(answer.headers.get("saltbridge-revision", ""), 40),
        source=source.url,
    )


async def _document(source: _Source, battery: str, id: str) -> tuple[Json, bytes]:
    answer = await source.get(f"/documents/{quote(id, safe='-._~:')}?battery={quote(battery, safe='-._~:')}", f"document {clean(id, 120)}")
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    about = {
        "id": clean(id, 200),
        "media_type": media_type if media_type in MEDIA_TYPES else "application/octet-stream",
        "filename": _file_name(id, media_type, answer.body),
        "receipt": clean(answer.headers.get("saltbridge-receipt", ""), 80),
    }
    return about, answer.body


def _file_name(id: str, media_type: str, body: bytes) -> str:
    """A copy's name from the document's id where that is in our alphabet, else from its hash; never the peer's file name."""
    stem = id if _STEM.fullmatch(id) and ".." not in id else f"document-{hashlib.sha256(body).hexdigest()[:16]}"
    return stem + MEDIA_TYPES.get(media_type, ".bin")


def check(grant: AttributeGrant, parts: Mapping[str, Any]) -> tuple[int, list[str]]:
    """(how many elements came, which leaves the grant does not name): the second must be empty before anything is kept."""
    elements: set[tuple[str, ...]] = set()
    outside: list[str] = []
    for part, tree in parts.items():
        for path, element, _ in walk(part, tree):
            template = tuple("*" if step.isdigit() else step for step in path)
            if element is None or not element.by_document:  # handover entries count as documents
                elements.add((part, *template))
            if not grant.allows(part, template):
                outside.append("/".join((part, *path)))
    return len(elements), outside


def _exceeded(source: _Source, outside: Sequence[str]) -> Malformed:
    return Malformed(
        f"{source.peer.name} sent what the agreement does not grant; nothing was kept.",
        f"{len(outside)} place(s) outside the grant: {', '.join(clean(path, 120) for path in outside[:3])}",
        f"Tell its operator: transfer {source.process.id}.",
        code="grant.exceeded",
    )


def _grant(agreement: Agreement) -> AttributeGrant:
    try:
        return parse_grant(agreement.grant)
    except Invalid as error:
        raise Malformed("The agreement names no attribute grant.", error.what, "Only views can be pulled.", code="grant.missing") from error


def _tree(body: bytes, peer: Peer) -> Any:
    try:
        return read_json(body)
    except Invalid as error:
        raise Malformed(
            f"What {peer.name} sent cannot be read.", error.what, error.next, where=error.where, code="data.unreadable"
        ) from error


async def _keep(world: World, source: _Source, fetched: Fetched) -> list[Received]:
    """Store parts and documents in one transaction, over what an earlier pull brought."""
    rows: list[tuple[str, str, Json, bytes]] = [(part, part, {}, body) for part, body in fetched.parts.items()]
    rows += [(about["id"], DOCUMENT, about, body) for about, body in fetched.documents]

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


def _digest(rows: Sequence[tuple[str, str, Json, bytes]]) -> str:
    """One digest over everything that was kept, in order."""
    whole = hashlib.sha256()
    for key, _, _, body in rows:
        whole.update(key.encode() + b"\0" + hashlib.sha256(body).digest())
    return whole.hexdigest()


# --- reading what was kept -----------------------------------------------------------------------


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
            over[id] = _why_over(world, stands) if stands else "the agreement is gone"
        return [_row(each) | {"peer": await names.peer_name(tx, each.peer), "over": over[each.agreement]} for each in found]


async def content(world: World, id: str) -> tuple[bytes, str]:
    """(bytes, media type) of one received part or document; Denied once its agreement is retired or has run out."""
    async with world.store.transaction() as tx:
        found = await tx.get(Received, id)
        if found is None:
            raise Hidden(f"Nothing of this name was received: {clean(id, 200)}", "saltbridge pull ...")
        agreement = await tx.get(Agreement, found.agreement)
        body = await tx.blob(found.sha256)
    over = _why_over(world, agreement) if agreement else "the agreement is gone"
    if over:
        raise Denied("This may not be read any more.", over, "Negotiate a new agreement.", code="agreement.over")
    if body is None or hashlib.sha256(body).hexdigest() != found.sha256:
        raise SaltbridgeError("The stored bytes are gone or damaged.", next="Pull them again.", code="blob.lost")
    return body, found.document.get("media_type", "application/json") if found.part == DOCUMENT else "application/json"


def _row(each: Received) -> Json:
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
