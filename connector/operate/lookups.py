"""From an identifier that a person has (a serial number, the address in a QR code) to the datasets a peer has of that battery.

Asks peers' discovery and registry with our token, so that what comes back is what they show us.  What they say is only a
pointer: an offer is read from the catalog and a grant is checked, as with any dataset.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.addresses import read_address
from connector.errors import Denied, Hidden, Malformed, PeerRefused, PeerUnreachable
from connector.operate import names
from connector.operate.all_of import all_of
from connector.operate.shapes import title
from connector.ports import Answer, Transaction, World
from connector.protocol.plain import read_json
from connector.protocol.vocabulary import DSP_VERSION
from connector.records import Json, Peer
from connector.text import clean
from submodels import twin

ASKED = 20  # peers that are asked when none is named
SHELLS = 5  # of one answer


@dataclass(frozen=True, slots=True)
class Located:
    """One dataset that holds something of the battery: its id, which parts, the view's name as far as its id says it."""

    dataset: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One battery at one peer; `battery` is the peer's id of it ('' when it did not say one)."""

    peer: Peer
    shell: str
    battery: str
    ids: Mapping[str, str]
    datasets: tuple[Located, ...]
    notes: tuple[str, ...] = field(default=())


async def find(world: World, peer: str, identifier: str) -> list[Found]:
    """The batteries that `identifier` names and the datasets with something of them, to pull from.

    `peer` is a peer's name, id, or an address of it; '' asks the peers whose card has the identifier's own origin, else every
    peer, and returns what the first one to know it says.  `identifier`: serial number, product identifier (the text of a QR
    code), passport id, or the peer's id of the battery.  Usually one; several when a serial number is used twice.  The next step
    is `pulls.pull(world, Wish(peer=found.peer.name, what=<view or dataset>, battery=found.battery or identifier))`.

    Raises Hidden when nobody shows us such a battery, PeerUnreachable when the named peer does not answer, PeerRefused when it
    refuses, Malformed for an identifier that is none.
    """
    identifier = identifier.strip()
    if not identifier or len(identifier) > 2048:
        raise Malformed("That is no identifier.", next="Give a serial number, or the address in the QR code.", code="input.invalid")
    async with world.store.transaction() as tx:
        asked = [await _named(tx, peer)] if peer else _likely(await all_of(tx, Peer), identifier)
    silent: list[str] = []
    for each in asked[:ASKED]:
        try:
            found = await at(world, each, identifier)
        except (PeerUnreachable, PeerRefused, Denied) as error:
            if peer:
                raise
            silent.append(f"{each.name}: {error.what}")
            continue
        if found:
            return found
    who = asked[0].name if peer else f"Of {len(asked)} peers none"
    more = f" Not asked to the end: {'; '.join(silent[:3])}." if silent else ""
    raise Hidden(f"{who} shows us no battery {clean(identifier, 200)!r}.{more}", "saltbridge peer list")


async def at(world: World, peer: Peer, identifier: str) -> list[Found]:
    """The same at one peer; empty when it shows no such battery."""
    for name in _names_for(identifier):
        body = json.dumps([{"name": name, "value": identifier}]).encode()
        answer = await world.courier.post(_root(peer), "/lookup/shellsByAssetLink", body, peer.id, peer.origins)
        shells = _list(_read(world, peer, answer), "result")
        if shells:
            return [await _descriptor(world, peer, str(each)) for each in shells[:SHELLS]]
    return []


async def battery_of(world: World, peer: Peer, identifier: str) -> str:
    """The peer's id of the battery, where it tells exactly one; otherwise the identifier as it is (its data endpoint may know it)."""
    try:
        found = await at(world, peer, identifier)
    except (PeerUnreachable, PeerRefused, Denied, Malformed, Hidden):
        return identifier
    return found[0].battery if len(found) == 1 and found[0].battery else identifier


def shown(identifier: str, found: Sequence[Found]) -> Json:
    """What was found, as the operator API tells it."""
    return {
        "identifier": identifier,
        "found": [
            {
                "peer": each.peer.name,
                "peer_id": each.peer.id,
                "shell": each.shell,
                "battery": each.battery,
                "ids": dict(each.ids),
                "datasets": [{"dataset": one.dataset, "title": title(one.dataset), "parts": list(one.parts)} for one in each.datasets],
                "notes": list(each.notes),
            }
            for each in found
        ],
    }


# --- whom to ask, and for what -------------------------------------------------------------------


def _likely(peers: Sequence[Peer], identifier: str) -> list[Peer]:
    """Those whose card has the identifier's origin; all of them when none has."""
    own = [each for each in peers if not each.blocked and _origin(identifier) in each.origins]
    return own or [each for each in peers if not each.blocked]


async def _named(tx: Transaction, peer: str) -> Peer:
    """A peer by name or id, or by an address that its card has."""
    known = [each for each in await all_of(tx, Peer) if _origin(peer) in each.origins] if _origin(peer) else []
    return known[0] if len(known) == 1 else await names.peer(tx, peer)


def _origin(text: str) -> str:
    try:
        return read_address(text).origin if text.startswith(("https://", "http://")) else ""
    except Malformed:
        return ""


def _names_for(identifier: str) -> tuple[str, ...]:
    """Under which names to look for it, the likeliest first."""
    if ":" in identifier or "/" in identifier:
        return (twin.GLOBAL, twin.PASSPORT, twin.SERIAL)
    return (twin.SERIAL, twin.BATTERY, twin.GLOBAL) if "." not in identifier else (twin.BATTERY, twin.SERIAL, twin.GLOBAL)


def _root(peer: Peer) -> str:
    return peer.address.removesuffix(f"/dsp/{DSP_VERSION}")


# --- what is answered ----------------------------------------------------------------------------


async def _descriptor(world: World, peer: Peer, shell: str) -> Found:
    path = f"/shell-descriptors/{base64.urlsafe_b64encode(shell.encode()).rstrip(b'=').decode()}"
    told = _read(world, peer, await world.courier.get(_root(peer), path, peer.id, peer.origins))
    ids = {clean(each["name"], 100): clean(each["value"], 300) for each in _list(told, "specificAssetIds") if _is_pair(each)}
    product = told.get(twin.GLOBAL)
    ids = ({twin.GLOBAL: clean(product, 300)} if isinstance(product, str) else {}) | ids
    parts: dict[str, list[str]] = {}
    elsewhere: set[str] = set()
    for each in _list(told, "submodelDescriptors"):
        part = twin.part_named(each) if isinstance(each, dict) else ""
        for dataset, control in _datasets(each):
            if control != peer.address:
                elsewhere.add(clean(control, 200))
            elif part:
                parts.setdefault(dataset, []).append(part)
    notes = tuple(f"A dataset at {each} is not {peer.name}'s own; not followed." for each in sorted(elsewhere))
    located = tuple(Located(dataset, tuple(dict.fromkeys(parts[dataset]))) for dataset in parts)
    return Found(peer, shell, ids.get(twin.BATTERY, ""), ids, located, notes)


def _datasets(descriptor: Any) -> Iterable[tuple[str, str]]:
    for endpoint in _list(descriptor, "endpoints"):
        protocol = endpoint.get("protocolInformation") if isinstance(endpoint, dict) else None
        body = protocol.get("subprotocolBody") if isinstance(protocol, dict) and protocol.get("subprotocol") == "DSP" else None
        dataset, control = twin.dataset_of(body) if isinstance(body, str) else ("", "")
        if dataset:
            yield dataset, control


def _is_pair(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("name"), str) and isinstance(found.get("value"), str)


def _list(found: Any, name: str) -> list[Any]:
    held = found.get(name) if isinstance(found, dict) else None
    return held if isinstance(held, list) else []


def _read(world: World, peer: Peer, answer: Answer) -> dict[str, Any]:
    """The answer's object; a peer without a registry has none of what is looked for."""
    if answer.status in (404, 405):
        return {}
    if answer.status >= 500:
        raise PeerUnreachable(f"{peer.name}'s registry answered {answer.status}.", next="Try again later.", code="peer.failing")
    if answer.status != 200:
        raise PeerRefused(
            "your look-up", _why(answer) or f"its registry answered {answer.status}", f"saltbridge peer ping {peer.name}",
            code=f"http.{answer.status}", by=peer.name,
        )  # fmt: skip
    found = read_json(answer.body, world.limits)
    if not isinstance(found, dict):
        raise Malformed(f"What {peer.name}'s registry sent cannot be read.", "It is no object.", code="data.unreadable")
    return found


def _why(answer: Answer) -> str:
    try:
        messages = _list(json.loads(answer.body), "messages")
    except (ValueError, RecursionError):
        return ""
    return clean(" ".join(str(each.get("text", "")) for each in messages[:3] if isinstance(each, dict)), 300)
