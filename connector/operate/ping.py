"""Can we talk to a peer?  Layer by layer, so that the answer names the one that fails.

dns, tcp and tls are tried by this module's own short connections, which send nothing; version, identity and policy are
real calls through the guarded client.  A layer that does not apply (tls over http) is skipped; after a failure the rest is.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

from connector.addresses import read_address
from connector.errors import SaltbridgeError
from connector.operate import catalogs, names
from connector.operate.peers import WELL_KNOWN, Cards
from connector.ports import World
from connector.protocol import wire
from connector.protocol.messages import CatalogRequest
from connector.protocol.plain import read_json
from connector.protocol.vocabulary import DSP_VERSION
from connector.records import Json, Peer
from connector.text import clean

SECONDS = 5.0  # for each connection of ours
DRIFT = 5.0  # seconds that two clocks may differ
LAYERS = ("dns", "tcp", "tls", "version", "identity", "policy")


class _Failed(Exception):  # noqa: N818 - the end of the walk, not an error of the program
    """A layer does not hold: why, and what to do next."""

    def __init__(self, why: str, next: str) -> None:
        super().__init__(why)
        self.why = why
        self.next = next


async def ping(world: World, cards: Cards, text: str) -> Json:
    """Each layer with ok, failed or skipped, what was found, and how long it took; `failed` names the first that does not hold."""
    async with world.store.transaction() as tx:
        peer = await names.peer(tx, text)
    walk = _Walk(world, cards, peer)
    layers: list[Json] = []
    failed = ""
    for layer in LAYERS:
        began = time.perf_counter()
        status, found, next = "skipped", "", ""
        if not failed:
            status, found, next = await walk.try_layer(layer)
            failed = layer if status == "failed" else ""
        layers.append({"layer": layer, "status": status, "found": found, "next": next, "seconds": time.perf_counter() - began})
    return {"peer": peer.name, "id": peer.id, "address": peer.address, "ok": not failed, "failed": failed, "layers": layers}


class _Walk:
    def __init__(self, world: World, cards: Cards, peer: Peer) -> None:
        self.world = world
        self.cards = cards
        self.peer = peer
        self.address = read_address(peer.address)
        self.steps: dict[str, Callable[[], Awaitable[str]]] = {
            "dns": self.dns,
            "tcp": self.tcp,
            "tls": self.tls,
            "version": self.version,
            "identity": self.identity,
            "policy": self.policy,
        }

    async def try_layer(self, layer: str) -> tuple[str, str, str]:
        """(status, what was found or why not, what to do next)."""
        if layer == "tls" and self.address.scheme == "http":
            return "skipped", "plain http", ""
        try:
            return "ok", await self.steps[layer](), ""
        except _Failed as error:
            return "failed", error.why, error.next
        except SaltbridgeError as error:
            return "failed", clean(f"{error.what} {error.why}".strip(), 300), error.next or "Ask its operator."

    async def dns(self) -> str:
        try:
            async with asyncio.timeout(SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError) as error:
            raise _Failed(f"{self.address.host} has no address: {_said(error)}", "Check the name on its card and our DNS.") from error
        return ", ".join(dict.fromkeys(str(each[4][0]) for each in found))

    async def tcp(self) -> str:
        await self._connect(None, f"Nobody answers at port {self.address.port}", "Is the peer up? Is a firewall between us?")
        return f"port {self.address.port} is open"

    async def tls(self) -> str:
        await self._connect(ssl.create_default_context(), "No TLS", "Its certificate must fit its name and a known authority.")
        return "certificate is valid"

    async def _connect(self, tls: ssl.SSLContext | None, why: str, next: str) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                _, writer = await asyncio.open_connection(self.address.host, self.address.port, ssl=tls)
        except (OSError, TimeoutError) as error:
            raise _Failed(f"{why}: {_said(error)}", next) from error
        writer.close()

    async def version(self) -> str:
        answer = await self.world.data.fetch(
            f"{catalogs.root(self.peer)}/.well-known/dspace-version", origins=self.peer.origins, accept="application/json"
        )
        if answer.status != 200:
            raise _Failed(f"It answered {answer.status} to the version request.", "Is its address on the card the root of a DSP node?")
        spoken = [entry.version for entry in wire.read_version(answer.body)]
        if DSP_VERSION not in spoken:
            raise _Failed(f"It speaks {clean(', '.join(spoken), 100)}, not DSP {DSP_VERSION}.", "Ask its operator.")
        drift = _drift(answer.headers.get("date", ""), self.world.clock.now())
        if abs(drift) > DRIFT:
            raise _Failed(f"Its clock differs from ours by {drift:.0f} s.", "Signed calls hold 5 minutes: set both clocks by NTP.")
        return f"DSP {DSP_VERSION}"

    async def identity(self) -> str:
        if self.peer.blocked:
            raise _Failed(f"We block it: {self.peer.blocked}.", f"saltbridge peer add CARD --confirm-key, or: peer remove {self.peer.name}")
        shown = await self.world.data.fetch(f"{catalogs.root(self.peer)}{WELL_KNOWN}", origins=self.peer.origins, accept="application/json")
        if shown.status == 200:
            card = self.cards.read_card(read_json(shown.body, self.world.limits))
            if card.id != self.peer.id or card.key not in (self.peer.key, self.peer.next_key):
                raise _Failed(
                    "The card it shows has another key than the one we trust.", f"Add its new card: peer add {catalogs.root(self.peer)}"
                )
        answer = await self._ask()
        if answer == 401:
            raise _Failed("It does not know us, or our key.", "Give its operator our card: saltbridge peer card")
        return "we trust its key, it trusts ours"

    async def policy(self) -> str:
        listing = await catalogs.fetch(self.world, self.peer)
        count = len(listing.datasets)
        if not count:
            raise _Failed("It shows us no dataset.", "Ask its operator to offer one, or to vouch for us (peer add ... --claim).")
        return f"{count} dataset{'' if count == 1 else 's'} on offer for us"

    async def _ask(self) -> int:
        body = wire.write(CatalogRequest())
        answer = await self.world.courier.post(self.peer.address, "/catalog/request", body, self.peer.id, self.peer.origins)
        return answer.status


def _drift(date: str, now: datetime) -> float:
    """Seconds by which a Date header is ahead of us; 0 when there is none."""
    try:
        return (parsedate_to_datetime(date) - now).total_seconds() if date else 0.0
    except (TypeError, ValueError):
        return 0.0


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS:.0f} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "certificate not accepted"
    return clean(getattr(error, "strerror", "") or str(error) or type(error).__name__, 200).lower()
