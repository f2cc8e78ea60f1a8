"""Where a label leads: from the text of its code to the peer that holds the battery, and the battery's id there.

    1  a link at an address of a peer of ours     that peer; what the link does not say itself its resolver says
    2  any other https link                       one guarded GET a step, no token, three steps at most, as long as no peer is reached
    3  still none, and the link names an item     our peers are asked for it, as `lookup` does
    4  nobody                                     refused: what, why, next

A host that is no peer of ours gets no more than that GET, and whatever it answers only names another address.  Nothing is
believed of the battery: the peer's offer, its grant and what it sends are checked as in any pull.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urljoin

from catalog.asset import in_scope
from connector.errors import Hidden, Malformed, PeerRefused, PeerUnreachable, SaltbridgeError
from connector.operate import catalogs, lookups
from connector.operate.all_of import all_of
from connector.operate.pulls import Wish, pull
from connector.operate.reading import reading
from connector.ports import Answer, World
from connector.records import Json, Peer
from connector.text import clean
from submodels.errors import Invalid
from submodels.links import Kind, Link, read_link

STEPS = 3
LINKSET = "application/linkset+json"
PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Lead:
    """Whom to ask for which battery; `via` are the addresses that led there."""

    link: Link
    peer: Peer
    battery: str
    via: tuple[str, ...]


async def pull_scanned(world: World, text: str, wish: Wish) -> Json:
    """Pull the battery that a label names: `wish.what` is a view's name, or '' for the only one that is offered of it."""
    lead = await follow(world, text)
    what = wish.what or await _only_view(world, lead)
    asked = Wish(peer=lead.peer.name, what=what, battery=lead.battery, purpose=wish.purpose, path=wish.path)
    told = await pull(world, asked)
    return told | {"scanned": {"link": lead.link.text, "kind": lead.link.kind.value, "battery": lead.battery, "via": list(lead.via)}}


async def follow(world: World, text: str) -> Lead:
    """Who holds the battery of a label.  Malformed for what is no link, Hidden where nobody is known to hold it."""
    with reading("The label"):
        link = first = read_link(text)
    async with world.store.transaction() as tx:
        peers = [each for each in await all_of(tx, Peer) if not each.blocked]
    via: list[str] = []
    why = ""
    for _ in range(STEPS):
        via.append(link.text)
        peer = _peer_at(peers, link)
        if peer is not None:
            return Lead(first, peer, await _battery_at(world, peer, link), tuple(via))
        onward, why = await _step(world, link)
        if not onward:
            break
        try:
            link = read_link(onward)
        except Invalid as error:
            why = f"the resolver of {clean(link.origin, 120)} leads to what is no address: {error.what}"
            break
    return await _asked(world, first, via, why)


# --- steps ---------------------------------------------------------------------------------------


def _peer_at(peers: list[Peer], link: Link) -> Peer | None:
    """The peer that lives where the link points; a DID says no scheme."""
    if link.kind is Kind.DID:
        host = link.origin.partition("://")[2]
        return next((each for each in peers if host in {one.partition("://")[2] for one in each.origins}), None)
    return next((each for each in peers if link.origin in each.origins), None)


async def _battery_at(world: World, peer: Peer, link: Link) -> str:
    """The peer's id of the battery: the link says it, or the peer's resolver; else the link itself, which its data endpoint may know."""
    if link.battery:
        return link.battery
    answer = await world.data.fetch(link.text, origins=peer.origins, accept=LINKSET)
    target = _target(link.text, answer)
    if target:
        with reading(f"What {peer.name} answers"):
            led = read_link(target)
        if led.battery and led.origin in peer.origins:
            return led.battery
    battery = await lookups.battery_of(world, peer, link.text)
    if answer.status == 404 and battery == link.text:
        raise Hidden(f"{peer.name} knows no battery by {clean(link.text, 200)}.", f"saltbridge lookup {peer.name} SERIAL")
    return battery


async def _step(world: World, link: Link) -> tuple[str, str]:
    """(the address a stranger's resolver leads to, why there is none).  Only https, only public addresses, no token."""
    if not link.text.startswith("https://"):
        return "", f"{clean(link.origin, 120)} is no peer, and strangers are asked by https only"
    try:
        answer = await world.data.fetch(link.text, accept=LINKSET)
    except SaltbridgeError as error:
        return "", f"{clean(link.origin, 120)} is no peer, and its resolver did not answer: {error.why or error.what}"
    target = _target(link.text, answer)
    if not target or target == link.text:
        return "", f"{clean(link.origin, 120)} is no peer, and its answer ({answer.status}) leads nowhere"
    return target, ""


def _target(asked: str, answer: Answer) -> str:
    """Where a resolver leads: its redirect, or the default link of its linkset; '' for neither."""
    if answer.status in (301, 302, 303, 307, 308):
        place = answer.headers.get("location", "")
        return urljoin(asked, place) if place and len(place) <= 2000 else ""
    if answer.status != 200 or LINKSET not in answer.headers.get("content-type", ""):
        return ""
    try:
        contexts = json.loads(answer.body)["linkset"]
        links = [link for context in contexts for name, links in context.items() if name.endswith(("defaultLink", "dpp")) for link in links]
        return next((str(each["href"]) for each in links if str(each["href"]).startswith(("https://", "http://"))), "")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return ""


async def _asked(world: World, link: Link, via: list[str], why: str) -> Lead:
    """An item that its link names on any host may be known to a peer; anything else leads to nobody."""
    if link.key:
        try:
            found = await lookups.find(world, "", link.text)
        except (Hidden, PeerRefused, PeerUnreachable):
            found = []
        if len(found) == 1:
            return Lead(link, found[0].peer, found[0].battery or link.text, tuple(via))
    raise Malformed(
        f"Nobody is known who holds the battery of {clean(link.text, 200)}.",
        why or f"After {STEPS} steps no peer was reached.",
        f"Ask its operator for the card and add it (saltbridge peer add {clean(link.origin, 120)}), then scan again.",
        code="scan.unknown",
    )


async def _only_view(world: World, lead: Lead) -> str:
    """The one dataset that the peer offers us of this battery, besides what is public anyway."""
    listing = await catalogs.fetch(world, lead.peer)
    of_it = [each for each in listing.datasets if each.scope and each.view != PUBLIC and _covers(each.scope, lead.battery)]
    if len(of_it) == 1:
        return of_it[0].id
    if not of_it:
        raise Hidden(f"{lead.peer.name} offers us nothing of {clean(lead.battery, 120)}.", f"saltbridge catalog {lead.peer.name}")
    raise Malformed(
        f"{lead.peer.name} offers several views of {clean(lead.battery, 120)}.",
        ", ".join(sorted({clean(each.view or each.id, 80) for each in of_it})),
        "Name one: saltbridge pull --scan FILE VIEW.",
        code="input.missing",
    )


def _covers(scope: str, battery: str) -> bool:
    """Whether a dataset is of this battery, as far as ids tell: those of a model's items begin with it."""
    model = scope.removeprefix("model.") if scope.startswith("model.") else ""
    return in_scope(scope, battery, model if model and battery.startswith(f"{model}.") else "")
