"""From what a person types to the record that is meant: a name, an id, or any unique beginning of one.

Every operator function that takes a peer, a process, an agreement or a decision asks here, so that names work
wherever ids do.  Nothing is guessed: two records with the same beginning are an error that lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from connector.errors import Hidden, Malformed
from connector.ports import Record, Transaction
from connector.records import Agreement, Battery, Decision, Negotiation, Peer, Transfer
from connector.text import clean
from submodels.links import names_in

R = TypeVar("R", bound=Record)

_URN = "urn:uuid:"
SHOWN = 4  # candidates that an ambiguous name lists

# What each kind is called, and the command that lists it.
_KINDS: dict[str, tuple[str, str]] = {
    "peer": ("peer", "saltbridge peer list"),
    "negotiation": ("negotiation", "saltbridge contract list"),
    "agreement": ("agreement", "saltbridge contract list --agreements"),
    "transfer": ("transfer", "saltbridge transfer list"),
    "decision": ("decision", "saltbridge audit show"),
    "battery": ("battery", "saltbridge passport list"),
}


async def peer(tx: Transaction, text: str) -> Peer:
    """The peer of this name, participant id, or unique beginning of either; Hidden when there is none."""
    named = await tx.find(Peer, name=text, limit=2)
    if len(named) == 1:
        return named[0]
    if not named and (exact := await tx.get(Peer, text)):
        return exact
    known = await tx.find(Peer)
    return _only("peer", text, [each for each in known if each.name.startswith(text) or each.id.startswith(text)], _peer_label)


async def counter_party(tx: Transaction, id: str, address: str) -> Peer:
    """The known peer that a client means by a participant id and its DSP address (either may be ''); Malformed otherwise."""
    found = await tx.get(Peer, id) if id else None
    if found is None and not id and address:
        listed = await tx.find(Peer, address=address.rstrip("/"), limit=2)
        found = listed[0] if len(listed) == 1 else None
    if found is None:
        raise Malformed(
            f"{clean(id or address, 200) or 'Nobody'} is no peer of this node.",
            "Messages go only to nodes whose card the operator trusts.",
            "saltbridge peer add",
            code="peer.unknown",
            where="counterPartyId" if id else "counterPartyAddress",
        )
    if address and address.rstrip("/") != found.address:
        raise Malformed(
            f"{clean(address, 200)} is not the address of {found.name}.",
            f"Its card says {found.address}.",
            "Send that address, or add its new card: saltbridge peer add",
            code="peer.address",
            where="counterPartyAddress",
        )
    return found


async def negotiation(tx: Transaction, text: str) -> Negotiation:
    return await resolve(tx, Negotiation, text)


async def agreement(tx: Transaction, text: str) -> Agreement:
    return await resolve(tx, Agreement, text)


async def transfer(tx: Transaction, text: str) -> Transfer:
    return await resolve(tx, Transfer, text)


async def decision(tx: Transaction, text: str) -> Decision:
    """A decision by id; `51f0` and `d-51f0` mean the same."""
    return await resolve(tx, Decision, text if text.startswith("d-") else f"d-{text}")


async def battery(tx: Transaction, text: str) -> Battery:
    """A battery of ours by id, any of its identifiers, or a unique beginning of its id."""
    for name in (text, *(names_in(text, "") if ":" in text else ())):
        aliased = await tx.find(Battery, alias=name, limit=2)
        if len(aliased) == 1:
            return aliased[0]
    return await resolve(tx, Battery, text)


async def resolve(tx: Transaction, kind: type[R], text: str) -> R:
    """The record of this id or of the only one that begins so; `urn:uuid:` may be left out."""
    exact = await tx.get(kind, text) if text else None
    if exact is not None:
        return exact
    found: dict[str, R] = {}
    for prefix in (text, _URN + text):
        if text:
            found |= {each.id: each for each in await tx.find(kind, prefix=prefix, limit=SHOWN + 1)}
    return _only(kind.kind, text, found.values(), lambda each: each.id)


async def peer_name(tx: Transaction, participant: str) -> str:
    """What we call a participant; its id when it is no peer (any more)."""
    known = await tx.get(Peer, participant)
    return known.name if known else participant


def _only(kind: str, text: str, found: Iterable[R], label: Callable[[R], str]) -> R:
    candidates = list(found)
    noun, lister = _KINDS.get(kind, (kind, "saltbridge --help"))
    if not candidates:
        raise Hidden(f"There is no {noun} {clean(text, 120)!r} here.", lister)
    if len(candidates) > 1:
        shown = [label(each) for each in candidates[:SHOWN]]
        raise Malformed(
            f"More than one {noun} begins with {clean(text, 120)!r}.",
            f"{', '.join(shown)}{' ...' if len(candidates) > SHOWN else ''}",
            "Give more of it.",
            code="name.ambiguous",
        )
    return candidates[0]


def _peer_label(each: Peer) -> str:
    return f"{each.name} ({each.id})"
