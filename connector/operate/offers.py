"""Offers: a view, of which batteries, under which terms, until when, to whom it shows.

One offer is a contract definition named `<view>.<scope>.<policy>`; offering again replaces its terms, and the same
input changes nothing.  Agreements that were made stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from catalog.asset import view_asset_id
from connector.errors import Clash, Hidden, Malformed
from connector.exchange import release
from connector.exchange.conversation import transact
from connector.exchange.whole import WHOLE
from connector.operate import definitions, names, policies, views
from connector.operate.all_of import all_of
from connector.operate.reading import instant
from connector.operate.shapes import title
from connector.ports import Transaction, World
from connector.records import Agreement, Asset, Battery, ContractDefinition, Json, Model, Note, PolicyDefinition, View
from policies.words import NO_CONTRACT, in_words
from submodels.audience import PUBLIC_GRANT
from submodels.grant import AttributeGrant
from submodels.lifecycle import OFFERED, standing

PLAIN = 1000  # plain assets that a list shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an operator wants to offer, as it was typed."""

    view: str
    model: str = ""
    battery: str = ""
    policy: str
    until: str = ""
    visible_to: str = ""  # an access policy; '' shows the offer to every known peer
    confirm: str = "auto"  # auto | ask
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """One row of the list: a contract definition with its dataset; `definition` is None for what needs no contract."""

    definition: ContractDefinition | None
    asset: Asset
    grant: AttributeGrant
    contract: Json
    access: Json
    sample: str = ""  # a battery to count with


async def offer(world: World, wish: Wish) -> Json:
    """Put a view on offer; `changed` is false when it already stood exactly so.

    Raises Hidden for an unknown view, policy or battery, Malformed for input that cannot be meant, and Clash when the
    batteries are not published, an expectation fails, or a restricted view would stand open.
    """
    now = world.clock.now()
    until = instant(wish.until) if wish.until else None
    if until is not None and until <= now:
        raise Malformed(f"{wish.until} is over.", next="Give a day in the future.", code="input.invalid", where="until")
    if wish.confirm not in ("auto", "ask"):
        raise Malformed(f"confirm is auto or ask, not {wish.confirm!r}.", code="input.invalid", where="confirm")

    async def work(tx: Transaction) -> tuple[_Standing, bool]:
        scope = await _scope(tx, wish)
        view, grant = await views.ensure(tx, wish.view)
        views.require(wish.view, views.judge(grant, view.expectations))
        contract = await policies.ensure(tx, wish.policy, until, wish.purposes)
        access = await policies.ensure(tx, wish.visible_to or policies.ANY_PEER)
        before = await tx.get(Asset, view_asset_id(scope, grant.digest))
        id = _definition_id(view.id, scope, wish.policy)
        stored = await tx.get(ContractDefinition, id)
        asset = before or replace(_view_asset(view, scope), created=now)
        after = replace(asset, view=view.id, withdrawn=False)
        after = replace(after, definitions=tuple(sorted({*asset.definitions, id, *await definitions.selecting(tx, after)})))
        definition = ContractDefinition(
            id=id,
            version=stored.version if stored else 0,
            access_policy=access.id,
            contract_policy=contract.id,
            assets=(asset.id,),
            confirm=wish.confirm,
            created=stored.created if stored else now,
        )
        standing = _Standing(definition=definition, asset=after, grant=grant, contract=contract.policy, access=access.policy)
        standing = replace(standing, sample=await _sample(tx, after.scope))
        if definition == stored and after == before:
            return standing, False
        if definition != stored:
            tx.put(definition)
        if after != before:
            tx.put(after)
        await policies.guard_pair(tx, definition, now)
        for other in sorted(set(after.definitions) - set(asset.definitions) - {id}):
            await policies.guard_pair(tx, await _definition(tx, other), now)
        for old in stored.assets if stored else ():
            if old != asset.id:
                await _let_go(tx, old, id)
        tx.note(_note(definition, after))
        return standing, True

    standing, changed = await transact(world, work)
    return await _row(world, standing) | {"changed": changed}


async def withdraw(world: World, dataset: str, policy: str = "") -> Json:
    """Take a dataset off the catalog, or only its offer under one policy.  Agreements stay; `agreements` counts them.

    `dataset` is an id, a unique beginning of one, or a view's name when only one dataset of it is on offer.
    """

    async def work(tx: Transaction) -> Json:
        asset = await _offered(tx, dataset)
        gone = [id for id in asset.definitions if not policy or id == _definition_id(asset.view, asset.scope, policy)]
        if not gone:
            raise Hidden(f"{asset.id} is not offered under {policy}.", "saltbridge view list --offers")
        asset = await take_off(tx, asset, gone)
        agreements = [each for each in await all_of(tx, Agreement, dataset=asset.id, side="provider") if each.retired is None]
        told = {"dataset": asset.id, "view": asset.view, "title": title(asset.id, asset.view)}
        return told | {"withdrawn": gone, "agreements": len(agreements)}

    return await transact(world, work)


async def take_off(tx: Transaction, asset: Asset, gone: Sequence[str]) -> Asset:
    """Take a dataset out of these definitions; one that named nothing else goes with it."""
    for id in gone:
        definition = await tx.get(ContractDefinition, id)
        if definition is None or definitions.names_only(definition, asset.id):
            tx.delete(ContractDefinition, id)
        asset = await _let_go(tx, asset.id, id)
    tx.note(Note(event="view.withdrawn", subject=asset.id, data={"view": asset.view, "definitions": list(gone)}))
    return asset


async def list_offers(world: World) -> list[Json]:
    """Every offer with what is in it, for whom and until when; the public view of each published model first, plain assets last."""

    async def work(tx: Transaction) -> tuple[list[_Standing], list[Json]]:
        found = [await _public(tx, f"model.{model.id}") for model in await all_of(tx, Model, status="published")]
        for asset in await all_of(tx, Asset, form="view"):
            found.extend([await _standing(tx, asset, id) for id in asset.definitions])
        whole = await tx.find(Asset, form="plain", limit=PLAIN) if world.sources is not None else []
        return found, [await _whole(tx, asset, id) for asset in whole for id in asset.definitions]

    standing, whole = await transact(world, work)
    return [*[await _row(world, each) for each in standing], *whole]


# --- inside --------------------------------------------------------------------------------------


async def _scope(tx: Transaction, wish: Wish) -> str:
    """The published batteries that are meant, as a scope."""
    if bool(wish.model) == bool(wish.battery):
        raise Malformed(
            "An offer is about a model or about one battery.", next="Give --model EV-72 or --battery EV-72.000017.", code="input.invalid"
        )
    battery = await names.battery(tx, wish.battery) if wish.battery else None
    model = await tx.get(Model, battery.model if battery else wish.model)
    if model is None:
        raise Hidden(f"There is no model {wish.model}.", "saltbridge passport list")
    state = standing(model.status, battery.status if battery else "")
    if state not in OFFERED:
        id = battery.id if battery else model.id
        raise Clash(f"{id} is not published.", f"It is {state}.", f"saltbridge passport publish {id}", code="model.unpublished")
    return f"battery.{battery.id}" if battery else f"model.{model.id}"


def _definition_id(view: str, scope: str, policy: str) -> str:
    return f"{view}.{scope}.{policy}"


def _view_asset(view: View, scope: str) -> Asset:
    of, _, id = scope.partition(".")
    return Asset(
        id=view_asset_id(scope, view.grant), form="view", scope=scope, grant=view.grant, view=view.id, title=f"{view.id} · {of} {id}"
    )


async def _sample(tx: Transaction, scope: str) -> str:
    of, _, id = scope.partition(".")
    if of == "battery":
        return id
    batteries = await tx.find(Battery, model=id, limit=1)
    return batteries[0].id if batteries else ""


async def _offered(tx: Transaction, text: str) -> Asset:
    """The one dataset on offer that `text` means."""
    exact = await tx.get(Asset, text)
    if exact is not None and exact.definitions:
        return exact
    found = [each for each in await all_of(tx, Asset, view=text) if each.definitions] or [
        each for each in await all_of(tx, Asset, prefix=text) if each.definitions and each.form == "view"
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise Malformed(
            f"{text} is more than one dataset.", next="Give one of them.", code="id.ambiguous", details=[each.id for each in found]
        )
    raise Hidden(f"There is no dataset {text} on offer.", "saltbridge view list --offers")


async def _let_go(tx: Transaction, dataset: str, definition: str) -> Asset:
    """A definition no longer selects a dataset; without any it is withdrawn."""
    asset = await tx.get(Asset, dataset)
    if asset is None:
        raise Hidden(f"There is no dataset {dataset}.")
    return tx.put(definitions.let_go(asset, definition))


async def _definition(tx: Transaction, id: str) -> ContractDefinition:
    definition = await tx.get(ContractDefinition, id)
    if definition is None:
        raise Hidden(f"There is no contract definition {id}.")
    return definition


async def _standing(tx: Transaction, asset: Asset, id: str) -> _Standing:
    definition = await _definition(tx, id)
    contract = await tx.get(PolicyDefinition, definition.contract_policy)
    access = await tx.get(PolicyDefinition, definition.access_policy)
    return _Standing(
        definition=definition,
        asset=asset,
        grant=await views.grant_of(tx, asset.grant),
        contract=contract.policy if contract else {},
        access=access.policy if access else {},
        sample=await _sample(tx, asset.scope),
    )


async def _public(tx: Transaction, scope: str) -> _Standing:
    view = View(id=views.PUBLIC, title=views.PUBLIC, grant=PUBLIC_GRANT.digest)
    sample = await _sample(tx, scope)
    return _Standing(definition=None, asset=_view_asset(view, scope), grant=PUBLIC_GRANT, contract={}, access={}, sample=sample)


async def _whole(tx: Transaction, asset: Asset, id: str) -> Json:
    """A plain asset under one definition: there is nothing to count, it goes as it is."""
    definition = await _definition(tx, id)
    contract = await tx.get(PolicyDefinition, definition.contract_policy)
    return _under(definition, contract.policy if contract else {}) | {
        "dataset": asset.id, "view": "", "scope": "", "grant": "", "elements": 0, "documents": 0, "extent": WHOLE, "address": "",
    }  # fmt: skip


def _under(definition: ContractDefinition, contract: Json) -> Json:
    return {
        "terms": in_words(policies.read(contract)),
        "who": policies.who(contract),
        "until": policies.end_of(contract),
        "definition": definition.id,
        "policy": definition.contract_policy,
        "visible_to": definition.access_policy,
        "confirm": definition.confirm,
    }


async def _row(world: World, standing: _Standing) -> Json:
    """`elements` and `documents` are counted in a battery of the scope; without one, in the element table."""
    asset, definition, grant = standing.asset, standing.definition, standing.grant
    elements, documents = len(views.reach(grant)), len(views.document_kinds(grant))
    if standing.sample:
        seen = await release.preview(world, standing.sample, grant, "")
        elements, documents = seen.elements, len(seen.documents)
    return {
        "dataset": asset.id if definition else "",
        "view": asset.view,
        "scope": asset.scope,
        "grant": asset.grant,
        "elements": elements,
        "documents": documents,
        "extent": "",
        "address": "" if definition else f"{world.me.public_url}/passports/",
    } | (_under(definition, standing.contract) if definition else _PUBLIC)


_PUBLIC: Json = {"terms": NO_CONTRACT, "who": NO_CONTRACT, "until": "", "definition": "", "policy": "", "visible_to": "", "confirm": ""}


def _note(definition: ContractDefinition, asset: Asset) -> Note:
    return Note(
        event="view.offered",
        subject=asset.id,
        data={
            "view": asset.view,
            "definition": definition.id,
            "contract_policy": definition.contract_policy,
            "access_policy": definition.access_policy,
            "confirm": definition.confirm,
        },
    )
