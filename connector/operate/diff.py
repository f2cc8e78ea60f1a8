"""What changes between two views or two participants, and for whom: elements gained and lost, told by name, never by value.

What the law makes public needs no contract, so nobody gains or loses it.  Who may have what is asked of the standing offers,
with the same policies and facts as a negotiation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from connector.errors import Malformed
from connector.exchange import offers
from connector.operate import policies, preview, views
from connector.operate.all_of import all_of
from connector.ports import Transaction, World
from connector.records import Agreement, Asset, ContractDefinition, Grant, Json, Peer, PolicyDefinition
from policies.evaluate import Outcome, evaluate
from policies.facts import Facts
from policies.operands import GRANT
from submodels.audience import PUBLIC_GRANT
from submodels.documents import KINDS
from submodels.grant import AttributeGrant, parse_grant
from submodels.table import Element, every_element

_ORDER = (Outcome.YES, Outcome.UNDECIDED, Outcome.NO)


async def of_views(world: World, before: str, after: str) -> Json:
    """Elements and documents that leave under one view and not under the other."""
    async with world.store.transaction() as tx:
        (_, one), (_, other) = await views.named(tx, before), await views.named(tx, after)
    return {"before": before, "after": after, **_changes(lets(one), lets(other)), "same": one.digest == other.digest}


async def over_peers(world: World, before: str, after: str = "", policy: str = "") -> Json:
    """For every peer: what it would gain and lose if `after` (or the view as it is now) took the place of what is offered of `before`.

    `policy` stands for the terms of a view that is not on offer, or instead of those it is offered under.  Agreements that were
    made stay as they are: `agreements` counts them.
    """
    async with world.store.transaction() as tx:
        _, new = await views.named(tx, after or before)
        standing = await _standing(world, tx, view=before)
        peers = sorted(await all_of(tx, Peer), key=lambda each: each.name)
        agreed = [each for each in await all_of(tx, Agreement, side="provider", state="FINALIZED") if each.retired is None]
    terms: Json = (await policies.get(world, policy))["rules"] if policy else {}
    if not standing and not policy:
        raise Malformed(
            f"The view {before} is not on offer.", "So there are no terms that say who would get it.",
            f"saltbridge view diff {before} --peers --policy NAME", code="view.unoffered",
        )  # fmt: skip
    rows = []
    for peer in peers:
        facts = await policies.facts_of(world, peer.id)
        now = _admitted(world, standing, facts)
        then = [replace(each, grant=new, terms=terms or each.terms) for each in standing] or [_Offered("", new, {}, terms)]
        would = _admitted(world, then, facts)
        standing_agreements = sum(each.peer == peer.id and each.view == before for each in agreed)
        about = {"peer": peer.name, "id": peer.id, "before": str(now.outcome), "outcome": str(would.outcome), "why": list(would.why)}
        rows.append(about | _changes(now.gets, would.gets) | {"agreements": standing_agreements})
    return {"before": before, "after": after or before, "policy": policy, "peers": rows}


async def of_participants(world: World, one: str, other: str) -> Json:
    """What the first would get under all standing offers and the second would not, and the other way round (roles or peers)."""
    async with world.store.transaction() as tx:
        standing = await _standing(world, tx)
    first = _admitted(world, standing, await preview.facts_as(world, one))
    second = _admitted(world, standing, await preview.facts_as(world, other))
    return {"before": one, "after": other, **_changes(first.gets, second.gets)}


def lets(grant: AttributeGrant) -> frozenset[str]:
    """What leaves under a grant and not in public: templates, and `documents/kind`; handover entries count as their documents.

    An element that is public where a sibling says so counts when the grant lets it out everywhere.
    """
    public = {each.element.template for each in views.reach(PUBLIC_GRANT) if not each.when}
    held = {each.element.template for each in views.reach(grant) if not each.when and each.element.part != "handover"}
    return frozenset(held - public | {f"{views.DOCUMENTS}{kind}" for kind in grant.kinds - PUBLIC_GRANT.kinds})


def _changes(before: frozenset[str], after: frozenset[str]) -> Json:
    return {"gains": _in_order(after - before), "loses": _in_order(before - after)}


def _in_order(names: frozenset[str]) -> list[Json]:
    """In the order of the table, documents last."""
    place = {name: number for number, name in enumerate(_elements())}
    return [_about(name) for name in sorted(names, key=lambda name: (place.get(name, len(place)), name))]


def _about(name: str) -> Json:
    if name.startswith(views.DOCUMENTS):
        kind = KINDS[name.removeprefix(views.DOCUMENTS)]
        return {"path": name, "class": kind.audience.value, "annex": list(kind.annex)}
    element = _elements()[name]
    return {"path": name, "class": element.audience.value if element.audience else "", "annex": list(element.annex)}


@cache
def _elements() -> Mapping[str, Element]:
    return {each.template: each for each in every_element()}


# --- who gets what -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Offered:
    """A grant under two policies, as one standing offer has them."""

    definition: str
    grant: AttributeGrant
    access: Json
    terms: Json


@dataclass(frozen=True, slots=True)
class _Admitted:
    """The best outcome of some offers for a participant, why not better, and what it would get."""

    outcome: Outcome
    why: tuple[str, ...]
    gets: frozenset[str]


async def _standing(world: World, tx: Transaction, **keys: str) -> list[_Offered]:
    found = []
    for asset in await all_of(tx, Asset, form="view", **keys):
        grant = await tx.get(Grant, asset.grant)
        for id in asset.definitions:
            definition = await tx.get(ContractDefinition, id)
            stands = await offers.standing(tx, definition, asset, world) if definition else None
            terms = await tx.get(PolicyDefinition, definition.contract_policy) if definition else None
            if stands is not None and grant is not None and terms is not None:
                found.append(_Offered(id, parse_grant(grant.content), stands.access, terms.policy))
    return found


def _admitted(world: World, offered: Iterable[_Offered], facts: Facts) -> _Admitted:
    found = [(*_outcome(world, each, facts), each.grant) for each in offered]
    outcome, why, _ = min(found, key=lambda each: _ORDER.index(each[0]), default=(Outcome.NO, ("nothing is offered to it",), None))
    gets = frozenset().union(*(lets(grant) for each, _, grant in found if each is Outcome.YES))
    return _Admitted(outcome, () if outcome is Outcome.YES else why, gets)


def _outcome(world: World, offered: _Offered, facts: Facts) -> tuple[Outcome, tuple[str, ...]]:
    """As a negotiation would be decided now."""
    known, now = facts.with_fact(GRANT, f"sha-256:{offered.grant.digest}", source="the dataset"), world.clock.now()
    if offered.access:
        access = evaluate(policies.read(offered.access), known, now)
        if not access.allowed:
            return access.outcome, ("the offer is hidden from it",)
    contract = evaluate(policies.read(offered.terms), known, now)
    return contract.outcome, tuple(reason.public for reason in contract.reasons)
