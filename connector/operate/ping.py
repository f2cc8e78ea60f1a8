"""Can we talk to a peer?  Layer by layer, so that the answer names the one that fails.

One call through the guarded client shows dns, tcp, tls and version: its error says how far it came.  identity asks for a
catalog with our signed token and compares the card the peer shows; policy looks whether anything is on offer for us.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

from connector.addresses import read_address
from connector.errors import PeerUnreachable, SaltbridgeError
from connector.operate import catalogs, names
from connector.operate.peers import WELL_KNOWN, Cards
from connector.ports import World
from connector.protocol import wire
from connector.protocol.messages import CatalogRequest
from connector.protocol.plain import read_json
from connector.protocol.vocabulary import DSP_VERSION
from connector.records import Json, Peer
from connector.text import clean

DRIFT = 5.0  # seconds that two clocks may differ
REACHING = ("dns", "tcp", "tls")  # layers below HTTP, in the order in which a call meets them
LAYERS = (*REACHING, "version", "identity", "policy")


class _Failed(Exception):
    """A layer does not hold: why, and what to do next."""

    def __init__(self, layer: str, why: str, next: str) -> None:
        super().__init__(why)
        self.layer = layer
        self.why = why
        self.next = next


class _Doubtful(_Failed):
    """A layer that works, and shows that something is still to be done."""


async def ping(world: World, cards: Cards, text: str) -> Json:
    """Each layer ok, failed, skipped or a warning, with what was found and how long it took; `failed` names the first to fail."""
    async with world.store.transaction() as tx:
        peer = await names.peer(tx, text)
    walk = _Walk(world, cards, peer)
    rows: dict[str, Json] = {layer: {"layer": layer, "status": "skipped", "found": "", "next": "", "seconds": 0.0} for layer in LAYERS}
    failed = ""
    steps: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("version", walk.version),
        ("identity", walk.identity),
        ("policy", walk.policy),
    )
    for layer, step in steps:
        began = time.perf_counter()
        try:
            found: Json = {"status": "ok", "found": await step()}
        except _Doubtful as error:
            found = {"status": "warning", "found": error.why, "next": error.next}
        except _Failed as error:
            failed = error.layer or layer
            found = {"status": "failed", "found": error.why, "next": error.next}
        rows[failed or layer] |= found | {"seconds": time.perf_counter() - began}
        if failed:
            break
    _reached(rows, failed, peer)
    return {"peer": peer.name, "id": peer.id, "address": peer.address, "ok": not failed, "failed": failed, "layers": list(rows.values())}


def _reached(rows: dict[str, Json], failed: str, peer: Peer) -> None:
    """The layers below HTTP, as far as the call came."""
    address = read_address(peer.address)
    found = {"dns": address.host, "tcp": f"port {address.port} answers", "tls": "the certificate is trusted"}
    for layer in REACHING[: REACHING.index(failed)] if failed in REACHING else REACHING:
        plain = layer == "tls" and address.scheme == "http"
        rows[layer] |= {"status": "skipped", "found": "plain http"} if plain else {"status": "ok", "found": found[layer]}


class _Walk:
    """The calls of one ping."""

    def __init__(self, world: World, cards: Cards, peer: Peer) -> None:
        self.world = world
        self.cards = cards
        self.peer = peer
        self.root = catalogs.root(peer)

    async def version(self) -> str:
        try:
            answer = await self.world.data.fetch(
                f"{self.root}/.well-known/dspace-version", origins=self.peer.origins, accept="application/json"
            )
        except PeerUnreachable as error:
            layer = error.where if error.where in REACHING else "tcp" if error.where == "timeout" else ""
            raise _Failed(layer, clean(error.why or error.what, 300), error.next) from error
        except SaltbridgeError as error:  # our own guard
            raise _Failed("", clean(f"{error.what} {error.why}", 300), error.next) from error
        if answer.status != 200:
            raise _Failed("", f"It answered {answer.status} to the version request.", "Is the address on its card the root of a DSP node?")
        try:
            spoken = [entry.version for entry in wire.read_version(answer.body)]
        except SaltbridgeError as error:
            raise _Failed("", clean(f"{error.what} {error.why}", 300), error.next) from error
        if DSP_VERSION not in spoken:
            raise _Failed("", f"It speaks {clean(', '.join(spoken), 100)}, not {DSP_VERSION}.", "Ask its operator for DSP 2025-1.")
        drift = _drift(answer.headers.get("date", ""), self.world.clock.now())
        late = f" · its clock differs by {drift:.0f} s: set both by NTP" if abs(drift) > DRIFT else ""
        return f"DSP {DSP_VERSION}{late}"

    async def identity(self) -> str:
        """Does it show the key we trust, and does it take our token?"""
        if self.peer.blocked:
            raise _Failed("", f"We block it: {self.peer.blocked}.", "saltbridge peer add CARD --confirm-key takes its new key.")
        try:
            shown = await self.world.data.fetch(f"{self.root}{WELL_KNOWN}", origins=self.peer.origins, accept="application/json")
            if shown.status == 200:
                card = self.cards.read_card(read_json(shown.body, self.world.limits))
                if card.id != self.peer.id or card.key not in (self.peer.key, self.peer.next_key):
                    raise _Failed(
                        "", "It shows a card with another key than the one we trust.", f"Look at it: saltbridge peer add {self.root}"
                    )
            body = wire.write(CatalogRequest())
            answer = await self.world.courier.post(self.peer.address, "/catalog/request", body, self.peer.id, self.peer.origins)
        except SaltbridgeError as error:
            raise _Failed("", clean(f"{error.what} {error.why}", 300), error.next) from error
        if answer.status == 401:
            raise _Failed("", "It does not know us, or not this key of ours.", "Give its operator our card: saltbridge peer card")
        return "we trust its key, it trusts ours" if shown.status == 200 else "it trusts our key"

    async def policy(self) -> str:
        try:
            count = len((await catalogs.fetch(self.world, self.peer)).datasets)
        except SaltbridgeError as error:
            raise _Failed("", clean(f"{error.what} {error.why}", 300), error.next) from error
        if not count:
            raise _Doubtful("", "It shows us no dataset yet.", "Ask its operator to offer one, or to vouch for us (peer add ... --claim).")
        return f"{count} dataset{'' if count == 1 else 's'} on offer for us"


def _drift(date: str, now: datetime) -> float:
    """Seconds by which a Date header is ahead of us; 0 when there is none."""
    try:
        return (parsedate_to_datetime(date) - now).total_seconds() if date else 0.0
    except (TypeError, ValueError):
        return 0.0
