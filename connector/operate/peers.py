"""Peers: which other nodes we trust, with which key, and what we vouch for.

A card is trusted once, by its fingerprint, which a person compares.  A card that comes again with another key blocks
the peer until somebody confirms it, unless the old card announced that key.  What a card says of itself is a wish.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from connector.addresses import read_address
from connector.errors import Clash, Malformed, PeerUnreachable, SaltbridgeError
from connector.exchange.conversation import transact
from connector.operate import names
from connector.operate.reading import checked_name
from connector.ports import Transaction, World
from connector.protocol.plain import read_json
from connector.records import Agreement, Json, Negotiation, Note, Peer, Transfer
from connector.text import clean, utc
from policies.operands import ROLES

WELL_KNOWN = "/.well-known/did.json"

Claims = Mapping[str, tuple[str, ...]]

_CLAIM = re.compile(r"[A-Za-z0-9._~:/#-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A peer card as the identity adapter read and checked it."""

    id: str
    name: str
    address: str  # DSP base URL, no trailing slash
    origins: tuple[str, ...]
    key: Json
    fingerprint: str
    next_key: Json | None = None
    next_fingerprint: str = ""
    wishes: Claims = field(default_factory=dict)
    document: Json = field(default_factory=dict)


class Cards(Protocol):
    """The identity adapter's way with cards; the skin hands it in (`connector.identity.static` is one)."""

    def read_card(self, json: object) -> Card: ...
    def fingerprint(self, jwk: Mapping[str, Any]) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the operator says about a card: who vouches for what, under which name."""

    card: Json
    fingerprint: str
    name: str = ""
    claims: Claims | None = None  # None keeps what is vouched for
    data_origins: tuple[str, ...] | None = None
    confirm_key: bool = False


def own(world: World, cards: Cards, document: Mapping[str, Any]) -> Json:
    """Our own card to give away, and the fingerprint to tell by another way."""
    card = cards.read_card(dict(document))
    return {
        "card": card.document,
        "fingerprint": card.fingerprint,
        "next_fingerprint": card.next_fingerprint,
        "id": world.me.id,
        "name": card.name,
    }


async def fetch(world: World, cards: Cards, url: str) -> Json:
    """A card from an address (its did.json, or the root of a node), and what adding it would do; nothing is trusted yet."""
    read = read_address(url)
    address = url if read.path.endswith(".json") else url.rstrip("/") + WELL_KNOWN
    answer = await world.data.fetch(address, origins=(read.origin,), accept="application/did+json, application/json")
    if answer.status != 200:
        raise PeerUnreachable(
            f"{address} answered {answer.status}.", "A card was expected there.", "Ask for the card as a file.", code="peer.card"
        )
    return await look(world, cards, read_json(answer.body, world.limits))


async def look(world: World, cards: Cards, document: Json) -> Json:
    """What adding this card would do: its fingerprint to compare, and whether the key of a known peer changes."""
    card = cards.read_card(document)
    async with world.store.transaction() as tx:
        known = await tx.get(Peer, card.id)
    return {
        "id": card.id,
        "name": _slug(known.name if known else card.name),
        "address": card.address,
        "origins": list(card.origins),
        "fingerprint": card.fingerprint,
        "wishes": _lists(card.wishes),
        "key": _key_is(known, card),
        "known_fingerprint": cards.fingerprint(known.key) if known else "",
        "card": document,
    }


async def add(world: World, cards: Cards, wish: Wish) -> Json:
    """Trust a card, or bring a known peer up to date; `changed` is false when nothing did.

    Raises Malformed when the fingerprint is not the card's, Clash when the name is another peer's.  A changed key that
    is not confirmed blocks the peer: the answer says so in `blocked`.
    """
    card = cards.read_card(wish.card)
    if card.id == world.me.id:
        raise Malformed("This is our own card.", next="Give it to the other operator, and add theirs here.", code="peer.self")
    if not same_fingerprint(wish.fingerprint, card.fingerprint):
        raise Malformed(
            "The fingerprint is not that of the card." if wish.fingerprint else "A card is trusted by its fingerprint.",
            f"The card has {card.fingerprint}.",
            "Ask the other operator, by another way, which one is right.",
            code="peer.fingerprint",
        )
    claims = checked_claims(wish.claims) if wish.claims is not None else None

    async def work(tx: Transaction) -> Json:
        known = await tx.get(Peer, card.id)
        name = await _free_name(tx, wish.name or (known.name if known else card.name), card.id)
        peer = _merged(world, known, card, replace(wish, name=name, claims=claims))
        changed = peer != known
        if changed:
            peer = tx.put(peer)
            event = "peer.added" if known is None else "peer.blocked" if peer.blocked and not known.blocked else "peer.changed"
            tx.note(
                Note(event=event, subject=peer.id, data={"name": peer.name, "claims": _lists(peer.claims), "fingerprint": card.fingerprint})
            )
        return row(peer) | {"changed": changed, "new": known is None, "fingerprint": card.fingerprint}

    return await transact(world, work)


async def refresh(world: World, cards: Cards, text: str) -> Json:
    """Read a peer's card again, and take what it says if a key that we trust signs it: an announced key, a new address.

    `found` is unchanged, changed, or refused with `why`: a card under a key that nobody announced is not taken, and blocks nobody.
    """
    async with world.store.transaction() as tx:
        known = await names.peer(tx, text)
    origin = read_address(known.address).origin
    answer = await world.data.fetch(origin + WELL_KNOWN, origins=known.origins, accept="application/did+json, application/json")
    why = f"it answered {answer.status}"
    if answer.status == 200:
        card = cards.read_card(read_json(answer.body, world.limits))
        why = _not_taken(known, card)
    if why:
        return {"peer": known.name, "found": "refused", "why": why}
    wish = Wish(card=card.document, fingerprint=card.fingerprint, name=known.name)
    added = await add(world, cards, wish)
    return {"peer": known.name, "found": "changed" if added["changed"] else "unchanged", "why": ""}


async def refresh_all(world: World, cards: Cards) -> list[Json]:
    """The same for every peer, one after the other; who cannot be reached now is asked another time."""
    rows = []
    for each in await list_peers(world):
        try:
            rows.append(await refresh(world, cards, each["id"]))
        except SaltbridgeError as error:
            rows.append({"peer": each["name"], "found": "refused", "why": f"{error.what} {error.why}".strip()})
    return rows


def _not_taken(known: Peer, card: Card) -> str:
    if known.blocked:
        return f"it is blocked: {known.blocked}"
    if card.id != known.id:
        return f"it shows the card of {clean(card.id, 200)}"
    return "it shows a card under another key, which it never announced" if _key_is(known, card) == "changed" else ""


def _key_is(known: Peer | None, card: Card) -> str:
    """new | same | announced (by the card before) | changed."""
    if known is None:
        return "new"
    return "same" if known.key == card.key else "announced" if known.next_key == card.key else "changed"


def _merged(world: World, known: Peer | None, card: Card, wish: Wish) -> Peer:
    """The peer as it stands after this card; an unconfirmed key only blocks, nothing of the new card is taken."""
    told: dict[str, Any] = {
        "name": wish.name,
        "address": card.address,
        "origins": card.origins,
        "key": card.key,
        "next_key": card.next_key,
        "wishes": card.wishes,
        "card": wish.card,
    }
    told |= {"claims": wish.claims} if wish.claims is not None else {}
    told |= {"data_origins": wish.data_origins} if wish.data_origins is not None else {}
    if known is None:
        return Peer(id=card.id, added=world.clock.now(), **told)
    if _key_is(known, card) == "changed" and not wish.confirm_key:
        return replace(known, blocked="its card came with another key, which nobody has confirmed")
    return replace(known, blocked="", **told)


async def list_peers(world: World) -> list[Json]:
    """All peers by name."""
    async with world.store.transaction() as tx:
        return [row(peer) for peer in sorted(await tx.find(Peer, limit=10_000), key=lambda each: each.name)]


async def show(world: World, cards: Cards, text: str) -> Json:
    """One peer with its key's fingerprint, what it claims and we vouch for, and what runs with it."""
    async with world.store.transaction() as tx:
        peer = await names.peer(tx, text)
        running = {kind.kind: await tx.count(kind, peer=peer.id) for kind in (Negotiation, Agreement, Transfer)}
    announced = cards.fingerprint(peer.next_key) if peer.next_key else ""
    return row(peer) | {"fingerprint": cards.fingerprint(peer.key), "next_fingerprint": announced, "with": running, "card": peer.card}


async def remove(world: World, text: str, *, dry_run: bool = False) -> Json:
    """Trust a peer no longer: its messages and pulls are refused at once; agreements and records stay as evidence."""

    async def work(tx: Transaction) -> Json:
        peer = await names.peer(tx, text)
        standing = [each for each in await tx.find(Agreement, peer=peer.id, state="FINALIZED", limit=10_000) if each.retired is None]
        about = {"peer": peer.name, "id": peer.id, "agreements": len(standing)}
        if dry_run:
            return about | {"would": "remove the peer"}
        tx.delete(Peer, peer.id)
        tx.note(Note(event="peer.removed", subject=peer.id, data={"name": peer.name, "agreements": len(standing)}))
        return about | {"did": "removed the peer"}

    return await transact(world, work)


def checked_claims(claims: Mapping[str, Sequence[str]]) -> Claims:
    """Claims that can be vouched for; Malformed for what could never match a policy."""
    kept: dict[str, tuple[str, ...]] = {}
    for name, values in claims.items():
        for text in (name, *values):
            if not _CLAIM.fullmatch(text):
                raise Malformed(
                    f"This is no claim: {clean(f'{name}={text}', 200)}", next="Write it like role=recycler.", code="claim.invalid"
                )
        strange = [value for value in values if name == "role" and value not in ROLES]
        if strange:
            raise Malformed(
                f"There is no role {strange[0]}.", f"Roles are {', '.join(ROLES)}.", "Vouch for one of these.", code="claim.role"
            )
        if values:
            kept[name] = tuple(dict.fromkeys(values))
    return kept


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints are equal however they were typed; an empty or shortened one equals nothing."""
    typed, known = (re.sub(r"[\s:-]", "", text).lower() for text in (one, other))
    return typed == known and re.fullmatch(r"[0-9a-f]{64}", known) is not None


# --- inside --------------------------------------------------------------------------------------


async def _free_name(tx: Transaction, wanted: str, id: str) -> str:
    name = checked_name("The peer", _slug(wanted))
    taken = [each for each in await tx.find(Peer, name=name, limit=2) if each.id != id]
    if taken:
        raise Clash(f"Another peer is called {name}.", f"It is {taken[0].id}.", "Give this one another: --name", code="peer.name")
    return name


def _slug(text: str) -> str:
    """A name of ours from what a card calls itself, or from the host in a did:web."""
    host = re.sub(r"%3[Aa]\d+", "", text.removeprefix("did:web:")).split(":")[0] if text.startswith("did:") else text
    return re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")[:64] or "peer"


def _lists(claims: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in claims.items()}


def row(peer: Peer) -> Json:
    return {
        "name": peer.name,
        "id": peer.id,
        "address": peer.address,
        "origins": list(peer.origins),
        "data_origins": list(peer.data_origins),
        "claims": _lists(peer.claims),
        "wishes": {clean(name, 100): [clean(value, 100) for value in values] for name, values in peer.wishes.items()},
        "blocked": peer.blocked,
        "added": utc(peer.added),
    }
