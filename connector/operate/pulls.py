"""The whole way from a wish to checked, stored data: agreement, transfer, fetch, keep, complete.

Whatever stands already is used again; each step is told with its duration.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from catalog.asset import split_view_asset_id
from connector.errors import Malformed, PeerRefused, PeerUnreachable, SaltbridgeError
from connector.exchange import transfer
from connector.exchange.conversation import transact
from connector.exchange.retired import RETIRED, own_reason
from connector.operate import catalogs, contracts, lookups, names, transfers
from connector.operate.fetching import Source, fetch, grant_of, one_place
from connector.operate.received import DOCUMENT, keep, row, why_over
from connector.operate.shapes import title
from connector.ports import Transaction, World
from connector.protocol.transfer import Message as T
from connector.protocol.transfer import State as S
from connector.records import Agreement, Json, Note, Peer, Transfer
from connector.text import clean, utc

COMPLETION_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; `what` is a view's name or a dataset id, `path` a place in the passport (then nothing is kept)."""

    peer: str
    what: str
    battery: str = ""
    purpose: Sequence[str] = ()
    path: str = ""


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


async def pull(world: World, wish: Wish) -> Json:
    """Find or negotiate the agreement, start or re-use a transfer, fetch, check, keep, complete.

    Raises PeerRefused where the peer says no, Malformed (`grant.exceeded`) when it sends more than the grant names:
    then nothing is kept.
    """
    story = Story()
    async with world.store.transaction() as tx:
        peer = await names.peer(tx, wish.peer)
    if any(mark in wish.battery for mark in ":/"):  # an address or URN says nothing of the peer's models: ask its registry
        wish = replace(wish, battery=await lookups.battery_of(world, peer, wish.battery))
        story.tell("lookup", battery=wish.battery)
    agreement = await _agreement(world, peer, wish, story)
    try:
        process = await _transfer(world, agreement, story)
        answer = await _answer(world, peer, agreement, process, wish, story)
    except PeerRefused as error:
        if error.code != RETIRED:
            raise
        raise _taken_back(peer, wish, await _mark_retired(world, agreement, error), error.decision) from error
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


async def _answer(world: World, peer: Peer, agreement: Agreement, process: Transfer, wish: Wish, story: Story) -> Json:
    """What the data endpoint gives.  A pull that fails there leaves no transfer open, but for one that a retry can use."""
    try:
        url, token, origins = await transfer.endpoint(world, process.id)
        source = Source(world, peer, agreement, process, url, token, origins)
        return await (_place(source, wish, story) if wish.path else _whole(world, source, wish, story))
    except (PeerRefused, Malformed) as error:
        if error.code != RETIRED:  # then the provider ends it
            with suppress(SaltbridgeError):  # it moved meanwhile: ended or suspended by the peer
                await transfer.act(world, process.id, T.COMPLETE)
        raise


async def _place(source: Source, wish: Wish, story: Story) -> Json:
    """One place of one battery's passport."""
    value, size = await one_place(source, wish.path, wish.battery or _battery_of(source.agreement.scope))
    story.tell("fetch", bytes=size)
    return {"value": value}


async def _whole(world: World, source: Source, wish: Wish, story: Story) -> Json:
    """Everything the grant gives for one battery, checked and kept."""
    battery = wish.battery or _battery_of(source.agreement.scope)
    if not battery:
        raise Malformed(
            "Which battery?",
            f"The agreement covers {title(source.agreement.dataset, source.agreement.view)}.",
            "Give --battery ID.",
            code="input.missing",
        )
    grant = grant_of(source.agreement)
    fetched = await fetch(source, battery, grant)
    parts, documents = len(fetched.parts), len(fetched.documents)
    story.tell("fetch", parts=parts, documents=documents)
    kept = await keep(world, source, fetched)
    story.tell("verify and store", elements=fetched.elements)
    return {
        "battery": fetched.battery,
        "parts": [row(each) for each in kept if each.part != DOCUMENT],
        "documents": [row(each) for each in kept if each.part == DOCUMENT],
        "elements": fetched.elements,
        "bytes": sum(each.size for each in kept),
        "receipt": fetched.receipt,
        "revision": fetched.revision,
        "grant": grant.digest,
    }


async def _agreement(world: World, peer: Peer, wish: Wish, story: Story) -> Agreement:
    """One of ours that stands and covers the battery, else a new one."""
    async with world.store.transaction() as tx:
        ours = await tx.find(Agreement, peer=peer.id, side="consumer", state="FINALIZED")
    meant = [each for each in ours if _means(each, wish.what) and _may_cover(each, wish.battery)]
    usable = [each for each in meant if not why_over(world, each)]
    if wish.battery and "." not in wish.battery and len({each.scope for each in usable}) > 1:  # a serial number says no model
        battery = await lookups.battery_of(world, peer, wish.battery)
        usable = [each for each in usable if _may_cover(each, battery)]
    if usable:
        # The widest first: a model's agreement serves all its batteries.
        chosen = min(usable, key=lambda each: (not each.scope.startswith("model."), -each.signed.timestamp()))
        story.reused["agreement"] = True
        story.tell("agreement", id=chosen.id, reused=True, signed=utc(chosen.signed))
        return chosen
    ended = [each for each in meant if each.retired is not None and each.retired_by == peer.id]
    if ended:  # the provider took it back: asking for it again is the operator's step, not a pull's
        raise _taken_back(peer, wish, max(ended, key=lambda each: each.signed))
    dataset = await _dataset(world, peer, wish)
    story.tell("catalog", dataset=dataset)
    process = await contracts.open(world, peer.name, dataset, purpose=wish.purpose)
    concluded = await contracts.concluded(world, process)
    if concluded["state"] != "FINALIZED":
        async with world.store.transaction() as tx:
            raise contracts.still_running(await names.negotiation(tx, process.id))
    async with world.store.transaction() as tx:
        agreed = await names.agreement(tx, concluded["agreement"])
    story.tell("negotiation", id=process.id, state=concluded["state"], reused=False)
    return agreed


def _taken_back(peer: Peer, wish: Wish, agreement: Agreement, decision: str = "") -> PeerRefused:
    return PeerRefused(
        f'your pull of "{title(agreement.dataset, agreement.view)}"',
        f"retired by {peer.name}: {clean(agreement.retired_why) or 'no reason given'}",
        f"ask for a new one: saltbridge negotiate {peer.name} {wish.what}",
        code=RETIRED,
        decision=decision,
        by=peer.name,
        process_kind="negotiation",
        process=agreement.negotiation,
    )


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
    """A started transfer of the agreement: one that stands, else one that is under way, else a new one."""
    async with world.store.transaction() as tx:
        ours = await tx.find(Transfer, agreement=agreement.id, side="consumer", limit=10_000)
    standing = [each for each in ours if each.place.state == S.STARTED and not each.place.waiting and each.data_address]
    if standing:
        story.reused["transfer"] = True
        story.tell("transfer", id=standing[-1].id, reused=True)
        return standing[-1]
    under_way = [each for each in ours if each.place.state in ("", S.REQUESTED)]
    asked = await (transfers.hurry(world, under_way[-1]) if under_way else transfer.request(world, agreement.id))
    process = await transfers.started(world, asked)
    if process.place.state != S.STARTED:
        raise await _not_started(world, process)
    story.tell("transfer", id=process.id, reused=False)
    return process


async def _not_started(world: World, process: Transfer) -> PeerUnreachable:
    async with world.store.transaction() as tx:
        tried = [letter.last_error for letter in await tx.letters(process.id) if letter.last_error]
        peer = await names.peer_name(tx, process.peer)
    return PeerUnreachable(
        f"{peer} has not started the transfer.",
        f"{clean(tried[0], 200).rstrip('.') if tried else 'No answer so far'}; it is tried again in the background.",
        f"saltbridge peer ping {peer}, or later the same pull again",
        code="peer.slow",
    )


async def _mark_retired(world: World, agreement: Agreement, error: PeerRefused) -> Agreement:
    """Believe the other party that it retired the agreement: the next pull negotiates anew, what was kept is closed."""

    async def work(tx: Transaction) -> Agreement:
        now = await tx.get(Agreement, agreement.id)
        if now is None or now.retired is not None:
            return now or agreement
        tx.note(Note(event="agreement.retired", subject=agreement.id, data={"by": agreement.peer}))
        return tx.put(replace(now, retired=world.clock.now(), retired_by=agreement.peer, retired_why=clean(own_reason(error.why), 300)))

    return await transact(world, work)


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
