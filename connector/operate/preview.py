"""What a receiver would get of one battery, and why the rest stays: the same selection as a pull, nothing sent.

Elements are told by name with their Annex XIII points, never by value.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import Hidden
from connector.exchange import release
from connector.operate import names, policies, views
from connector.operate.all_of import all_of
from connector.ports import Transaction, World
from connector.records import Asset, ContractDefinition, Json, PolicyDefinition
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.operands import GRANT, ROLE, ROLES
from submodels import table
from submodels.audience import PUBLIC_GRANT, may_see
from submodels.documents import KINDS, PassportDocument
from submodels.grant import AttributeGrant
from submodels.table import PARTS, Element
from submodels.view import NOT_IN_VIEW, Redacted, Withheld, walk

GIVEN, WITHHELD, PUBLIC = "given", "withheld", "public"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A standing offer of the view, as its two policies."""

    definition: str
    access: Json
    contract: Json
    grant: str


async def preview(world: World, view: str, battery: str, receiver: str = "") -> Json:
    """`elements` given, `public_anyway` more without a contract, and a line for every element that the battery has.

    `receiver` is a ready role or a peer (name or id); with it, `offers` says under which standing offers of the view
    this receiver would get a contract, and why not.
    """
    async with world.store.transaction() as tx:
        found = await names.battery(tx, battery)
        _, grant = await views.named(tx, view)
        scopes = (f"battery.{found.id}", f"model.{found.model}")
        offers = [each for scope in scopes for each in await _offers(tx, view, scope)] if receiver else []
    facts = await facts_as(world, receiver) if receiver else Facts()
    seen = await release.preview(world, found.id, grant, receiver)
    public = await release.preview(world, found.id, PUBLIC_GRANT, receiver)
    lines = _lines(grant, seen, public)
    return {
        "battery": found.id,
        "view": view,
        "as": receiver,
        "elements": seen.elements,
        "public_anyway": sum(line["mark"] == PUBLIC for line in lines),
        "parts": [
            {"part": part, "title": table.submodel(part).title, "lines": [line for line in lines if line["part"] == part]}
            for part in PARTS
            if any(line["part"] == part for line in lines)
        ],
        "documents": _documents(grant, seen, public),
        "offers": [_judged(world, each, facts) for each in offers],
    }


async def facts_as(world: World, receiver: str) -> Facts:
    """What would be known of a made-up participant with a ready role, or is known of a peer."""
    if receiver in ROLES:
        return Facts().with_fact(ROLE, receiver, source="made up")
    try:
        return await policies.facts_of(world, receiver)
    except Hidden as error:
        raise Hidden(f"There is no role and no peer {receiver!r}.", f"Roles are {', '.join(ROLES)}; or: saltbridge peer list") from error


# --- elements ------------------------------------------------------------------------------------


def _lines(grant: AttributeGrant, seen: Redacted, public: Redacted) -> list[Json]:
    """One line per element with a value, in table order: given, public anyway, or withheld with the reason."""
    given, anyway = _templates(seen), _templates(public)
    lines = {key: _line(each, GIVEN) for key, each in given.items()}
    lines |= {key: _line(each, PUBLIC, "needs no contract") for key, each in anyway.items() if key not in given}
    for each in seen.withheld:
        key = (each.part, each.path)
        # Handover entries travel with their document and are told there.
        if each.part in ("documents", "handover"):
            continue
        if key not in lines:
            lines[key] = _withheld(grant, each)
        elif lines[key]["mark"] == GIVEN:
            lines[key]["note"] = f"{each.count} more withheld: {each.reason}"
    place = {(each.part, each.pointer): number for number, each in enumerate(table.every_element())}
    return [lines[key] for key in sorted(lines, key=lambda key: (place.get(key, len(place)), key))]


def _templates(redacted: Redacted) -> dict[tuple[str, str], Element]:
    """The elements that have a value, by part and pointer; handover entries count as documents."""
    return {
        (part, element.pointer): element
        for part, tree in redacted.parts.items()
        for _, element, _ in walk(part, tree)
        if element is not None and part != "handover"
    }


def _line(element: Element, mark: str, reason: str = "") -> Json:
    note = "" if element.public_when is None or mark == PUBLIC else f"public where {views.condition(element)}"
    return {
        "part": element.part,
        "path": element.pointer[1:],
        "mark": mark,
        "annex": list(element.annex),
        "reason": reason,
        "note": note,
    }


def _withheld(grant: AttributeGrant, each: Withheld) -> Json:
    allowed = each.reason == NOT_IN_VIEW and may_see(grant.ceiling, each.audience)
    return {
        "part": each.part,
        "path": each.path.removeprefix("/"),
        "mark": WITHHELD,
        "annex": list(each.annex),
        "reason": each.reason,
        "note": "the law would allow it" if allowed else "",
        "count": each.count,
    }


# --- documents -----------------------------------------------------------------------------------


def _documents(grant: AttributeGrant, seen: Redacted, public: Redacted) -> list[Json]:
    """Documents are granted whole, and the preview says so."""
    held = {each.id for each in seen.documents}
    lines = [_document(each, GIVEN, "given whole") for each in seen.documents]
    lines += [_document(each, PUBLIC, "needs no contract") for each in public.documents if each.id not in held]
    shown = {line["kind"] for line in lines if line["kind"]}
    lines += [
        {"document": "", "title": "", "size": 0, "kind": each.path} | _withheld(grant, each)
        for each in seen.withheld
        if each.part == "documents" and each.path not in shown
    ]
    return lines


def _document(document: PassportDocument, mark: str, reason: str) -> Json:
    annex = KINDS[document.kind].annex if document.kind in KINDS else ()
    return {
        "document": document.id,
        "title": document.title,
        "size": document.size,
        "kind": document.kind,
        "mark": mark,
        "annex": list(annex),
        "reason": reason,
    }


# --- offers --------------------------------------------------------------------------------------


async def _offers(tx: Transaction, view: str, scope: str) -> list[_Standing]:
    found = []
    for asset in await all_of(tx, Asset, view=view, scope=scope):
        for id in asset.definitions:
            definition = await tx.get(ContractDefinition, id)
            access = await tx.get(PolicyDefinition, definition.access_policy) if definition else None
            contract = await tx.get(PolicyDefinition, definition.contract_policy) if definition else None
            if access and contract:
                found.append(_Standing(id, access.policy, contract.policy, asset.grant))
    return found


def _judged(world: World, standing: _Standing, facts: Facts) -> Json:
    """Whether a receiver with these facts would see the offer and get a contract under it."""
    known = facts.with_fact(GRANT, f"sha-256:{standing.grant}", source="the dataset")
    now = world.clock.now()
    access = evaluate(policies.read(standing.access), known, now)
    contract = evaluate(policies.read(standing.contract), known, now)
    decisive = contract if access.allowed else access
    return {
        "definition": standing.definition,
        "sees_it": access.allowed,
        "outcome": decisive.outcome.value,
        "reasons": [reason.public for reason in decisive.reasons],
    }
