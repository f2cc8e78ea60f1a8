"""Every exit of a passport: who may have what, as of now (grants.md 11).

token -> transfer STARTED -> agreement FINALIZED and not retired -> target = scope and digest = constraint -> battery
within scope -> agreed policy with the clock and the peer's facts -> Release -> select -> send.  Only this module and
`submodels.audience` make a Release; nothing else opens a passport.  A refusal of a path is decided from the path and
the grant alone, never from the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from catalog.asset import in_scope
from catalog.publish import grant_digest_of
from connector.errors import Denied, Hidden, Unauthenticated
from connector.ports import Transaction, World
from connector.protocol.transfer import Message as T
from connector.protocol.transfer import State as S
from connector.records import Agreement, Asset, Battery, Decision, Document, Json, Layer, Model, Transfer
from policies.errors import Invalid
from policies.odrl import parse_policy
from policies.terms import grants_named
from submodels.audience import Release, public_release
from submodels.documents import PassportDocument
from submodels.grant import AttributeGrant, parse_grant
from submodels.lifecycle import ANSWERED, State, standing
from submodels.links import names_in
from submodels.passport import Passport, Ties, merge
from submodels.table import PARTS
from submodels.twin import IDENTITY
from submodels.value import read_json
from submodels.view import Redacted, select

from . import versions
from .ceased import gone
from .conversation import transact
from .facts import allowed, decision, file, gather, judge, refusal
from .offers import scope_of
from .retired import RETIRED, sentence
from .versions import Version

EVERYTHING = AttributeGrant(parts=dict.fromkeys(PARTS, ("/**",)), documents=(), ceiling="contract")  # the operator's own reading

@dataclass(frozen=True, slots=True)
class Permit:
    """A pull that is authorised: whose, under what, for which batteries."""

    transfer: str
    agreement: Agreement
    grant: AttributeGrant
    scope: str
    day: date = date.min  # as of when


@dataclass(frozen=True, slots=True)
class Whole:
    """A pull of a plain asset that is authorised: all of it, there is no attribute grant."""

    transfer: str
    agreement: Agreement
    asset: Asset


# --- under a contract ----------------------------------------------------------------------------


async def authorise(world: World, authorization: str) -> Permit | Whole:
    """Steps 1 to 4 and 6 of the chain; Unauthenticated or Denied (with a decision on record) when one fails."""
    now = world.clock.now()
    transfer_id, generation, consumer = world.tokens.read(authorization, now)
    async with world.store.transaction() as tx:
        process = await tx.get(Transfer, transfer_id)
        agreement = await tx.get(Agreement, process.agreement) if process else None
    if process is None or agreement is None or process.peer != consumer or process.side != "provider":
        raise Unauthenticated("no such transfer")
    about = f"pull {process.id}"
    if agreement.retired is not None:
        await _deny(world, refusal(
            world, about, consumer, "agreement", RETIRED, _retired(world, agreement, now)
        ), "Negotiate a new agreement.")  # fmt: skip
    # the newest token travels in a start message only: whoever holds it has got that message, answered or not
    started = process.place.state == S.STARTED or process.place.sent == T.START
    if process.generation != generation or not started:
        state = process.place.state if process.place.state != S.STARTED else "STARTED with a newer token"
        await _deny(world, refusal(
            world, about, consumer, "transfer", "transfer.not.started", f"The transfer is {state}."
        ), "Request a new transfer, or use the newest start message.")  # fmt: skip
    if agreement.state != "FINALIZED":
        await _deny(world, refusal(
            world, about, consumer, "agreement", "agreement.not.in.force", f"The agreement is {agreement.state}."
        ), "Negotiate a new agreement.")  # fmt: skip
    if not agreement.scope:
        asset = await _plain(world, about, agreement)
        await _still_allowed(world, about, agreement, "", now)
        return Whole(process.id, agreement, asset)
    grant = await _bound(world, about, agreement)
    await _still_allowed(world, about, agreement, grant.digest, now)
    return Permit(process.id, agreement, grant, agreement.scope, now.date())


async def _plain(world: World, about: str, agreement: Agreement) -> Asset:
    """The plain asset that is the agreement's target; neither side may have named a grant, and the operator must allow it."""
    async with world.store.transaction() as tx:
        asset = await tx.get(Asset, agreement.dataset)
    whole = agreement.policy.get("target") == agreement.dataset and not agreement.grant and not _names_grant(agreement)
    if asset is None or asset.form != "plain" or not whole or world.sources is None:
        gone = "It is served no more." if whole else "Its agreement names an attribute grant, and it has none."
        refused = refusal(world, about, agreement.peer, "asset", "asset.gone" if whole else "grant.mismatch", gone)
        await _deny(world, refused, "Ask for the catalog again.")
    assert asset is not None  # noqa: S101 - _deny raised
    return asset


def _names_grant(agreement: Agreement) -> bool:
    try:
        return bool(grants_named(parse_policy(agreement.policy)))
    except Invalid:
        return True


async def _bound(world: World, about: str, agreement: Agreement) -> AttributeGrant:
    """Target, constraint and stored grant must name one digest."""
    key = ("bound", agreement.id, agreement.version)  # nothing but the agreement decides it
    kept: AttributeGrant | None = world.views.get(key)
    if kept is not None:
        return kept
    try:
        grant = parse_grant(agreement.grant)
        constraint = grant_digest_of(parse_policy(agreement.policy))
        fits = agreement.dataset == f"{agreement.scope}.{grant.digest}" and constraint == grant.digest
        fits = fits and scope_of(str(agreement.policy.get("target"))) == agreement.scope != ""
    except (Invalid, ValueError, TypeError, LookupError) as error:
        raise Denied("The agreement's grant cannot be read.", type(error).__name__, "Negotiate a new one.", code="grant.broken") from error
    if not fits:
        broken = refusal(world, about, agreement.peer, "grant", "grant.mismatch", "Target, constraint and grant of the agreement differ.")
        await _deny(world, broken, "Negotiate a new agreement.")
    held: AttributeGrant = world.views.hold(key, grant)
    return held


async def _still_allowed(world: World, about: str, agreement: Agreement, grant: str, now: datetime) -> None:
    caller = await world.identity.caller(agreement.peer)
    if caller is None:
        unknown = refusal(world, about, agreement.peer, "identity", "peer.blocked", "You are no longer a trusted peer of this node.")
        await _deny(world, unknown, "Ask its operator.")
        return
    facts = gather(caller, grant=grant)
    if not allowed(agreement.policy, facts, now, agreement.signed):
        verdict = judge(agreement.policy, facts, now, agreement.signed)
        await _deny(
            world,
            decision(world, about, agreement.peer, "agreed policy", agreement.policy, facts, verdict, agreement.signed),
            "Negotiate a new agreement.",
        )


async def for_battery(world: World, permit: Permit, name: str, at: datetime | None = None) -> Redacted:
    """The granted part of one battery's passport, of the version that stood `at` an instant where one is asked for.

    A battery outside the scope and an unknown one look the same; Gone when the passport has ceased.  An earlier version goes
    through the grant and the classes as they are now.
    """
    async with world.store.transaction() as tx:
        battery = await find_battery(tx, name, world.me.public_url, permit.scope.removeprefix("model."))
        if battery is None or not in_scope(permit.scope, battery.id, battery.model):
            raise Hidden("No such battery under this agreement.", "Ask for one that its dataset covers.")
        release = Release(battery.id, permit.grant, permit.agreement.peer, permit.agreement.id, permit.day)
        redacted = await _released(world, tx, battery, release, at)
    if redacted is None:
        raise Hidden("No such battery under this agreement.", "Ask for one that its dataset covers.")
    return redacted


async def _released(world: World, tx: Transaction, battery: Battery, release: Release, at: datetime | None = None) -> Redacted | None:
    """The published passport through a release; None when it is not published (or was not, `at` that instant), Gone when it has ceased.

    Kept at hand by what it depends on: every change of a layer or document writes the battery or the model anew (`revision`),
    and a grant is its digest; the day decides which points are pending.  Whether it may leave is asked at every pull, before.
    """
    model = await tx.get(Model, battery.model)
    if model is None:
        return None
    state = standing(model.status, battery.status)
    if state is State.CEASED:
        raise gone(world, model, battery)
    if state not in ANSWERED:
        return None
    if at is not None:
        version = await versions.stood(tx, model, battery, at)
        passport = await load(tx, battery, published=False, version=version) if version and version.state in ANSWERED else None
        return select(passport, release) if passport else None
    key = (battery.id, battery.version, model.id, model.version, release.grant.digest, release.day)
    kept: Redacted | None = world.views.get(key)
    if kept is None and (passport := await load(tx, battery, published=True)) is not None:
        kept = world.views.hold(key, select(passport, release))
    return kept


async def batteries(world: World, permit: Permit, after: str = "", limit: int = 1000) -> list[str]:
    """The ids of the batteries an agreement covers (for the manifest, where the grant names `items`)."""
    kind, _, name = permit.scope.partition(".")
    if kind == "battery":
        return [name]
    found: list[str] = []
    async with world.store.transaction() as tx:
        model = await tx.get(Model, name)
        while model and len(found) < limit and (page := await tx.find(Battery, model=name, after=after, limit=limit)):
            found += [battery.id for battery in page if standing(model.status, battery.status) in ANSWERED]
            after = page[-1].id
    return found[:limit]


async def refuse_path(world: World, permit: Permit, wanted: str) -> None:
    """403 `grant.path`, with a decision on record."""
    view = permit.agreement.view or permit.agreement.dataset
    refused = refusal(
        world, f"pull {permit.transfer}", permit.agreement.peer, "grant", "grant.path", f'{wanted} is not in "{view}".'
    )
    await _deny(world, refused, "Ask for a path of your view, or negotiate another view (your catalog command lists them).")


async def _deny(world: World, refused: Decision, next: str) -> None:
    async def work(tx: Transaction) -> None:
        file(tx, refused)

    await transact(world, work)
    raise Denied("The data is not released.", "; ".join(refused.reasons), next, code=refused.code, decision=refused.id)


def _retired(world: World, agreement: Agreement, now: datetime) -> str:
    by = world.me.name if agreement.retired_by == world.me.id else agreement.retired_by
    return sentence(agreement, by, now)


# --- without one ---------------------------------------------------------------------------------


async def public(world: World, name: str, at: datetime | None = None) -> Redacted:
    """The public view of a published passport: what the law shows to everyone; Gone when it has ceased."""
    async with world.store.transaction() as tx:
        battery = await find_battery(tx, name, world.me.public_url)
        redacted = await _released(world, tx, battery, public_release(battery.id, world.clock.now().date()), at) if battery else None
    if redacted is None:
        raise Hidden("No such passport here.")
    return redacted


async def named(tx: Transaction, battery: Battery, *, published: bool = True) -> Redacted | None:
    """What identifies a battery, as far as its class is public; None when it is not published.  Reads no more than that."""
    model = await tx.get(Model, battery.model)
    if model is None or (published and standing(model.status, battery.status) not in ANSWERED):
        return None
    parts = {}
    for part in IDENTITY.parts:
        layers = [await tx.get(Layer, f"{owner}/{part}") for owner in battery.owners]
        stack = [read_json(layer.content) for layer in layers if layer]
        if stack:
            parts[part] = merge(stack)
    passport = Passport(
        battery=battery.id, model=model.id, category=model.category, revision=f"{model.revision}.{battery.revision}", parts=parts
    )
    return select(passport, Release(battery=battery.id, grant=IDENTITY, receiver="public"))


async def preview(world: World, name: str, grant: AttributeGrant, receiver: str, day: date | None = None) -> Redacted:
    """What a grant would release to somebody, today or on another day, for the operator's eyes (drafts too)."""
    passport, battery = await _operators(world, name)
    return select(passport, Release(battery=battery, grant=grant, receiver=receiver, day=day or world.clock.now().date()))


async def operator(world: World, name: str, at: datetime | Version | None = None) -> Redacted:
    """The operator's own whole passport, or a version of it or the one that stood `at` an instant (operator listener only)."""
    passport, battery = await _operators(world, name, at)
    return select(passport, Release(battery=battery, grant=EVERYTHING, receiver=world.me.id, operator=True))


async def _operators(world: World, name: str, at: datetime | Version | None = None) -> tuple[Passport, str]:
    version = at if isinstance(at, Version) else None
    async with world.store.transaction() as tx:
        battery = await find_battery(tx, name, world.me.public_url)
        model = await tx.get(Model, battery.model) if battery else None
        if battery is not None and model is not None and isinstance(at, datetime):
            version = await versions.stood(tx, model, battery, at)
            if version is None:
                raise Hidden(f"No version of {battery.id} stood at {at.isoformat()}.", f"saltbridge passport history {battery.id}")
        passport = await load(tx, battery, published=False, version=version) if battery else None
    if battery is None or passport is None:
        raise Hidden(f"No battery {name} here.", "See passport list.")
    return passport, battery.id


# --- a model by itself -----------------------------------------------------------------------------


async def model(world: World, id: str, permit: Permit | None = None, *, operator: bool = False) -> Redacted:
    """What all batteries of a model share, as the public, an agreement over the model or the operator may see it; Hidden otherwise.

    Handover entries and documents are the operator's alone here: whose they are is decided beside a battery's own values.
    """
    if permit is not None and permit.scope != f"model.{id}":
        raise Hidden("No such model under this agreement.", "Ask for one that its dataset covers.")
    async with world.store.transaction() as tx:
        stored = await tx.get(Model, id)
        if stored is None or not (operator or stored.status in ANSWERED):
            raise Hidden("No such model here.")
        theirs = permit and Release(id, permit.grant, permit.agreement.peer, permit.agreement.id, permit.day)
        held = theirs or public_release(id, world.clock.now().date())
        release = Release(id, EVERYTHING, world.me.id, operator=True) if operator else held
        key = ("model", id, stored.version, release.grant.digest, operator, release.day)
        kept: Redacted | None = world.views.get(key)
        return kept or world.views.hold(key, select(await _model_passport(tx, stored, operator), release))


async def _model_passport(tx: Transaction, model: Model, operator: bool) -> Passport:
    layers = [layer for layer in await tx.find(Layer, owner=model.id) if operator or layer.part != "handover"]
    documents = await tx.find(Document, owner=model.id) if operator else []
    return Passport(
        battery=model.id, model=model.id, category=model.category, revision=str(model.revision), identifiers=dict(model.identifiers),
        parts={layer.part: read_json(layer.content) for layer in layers}, documents=tuple(document_of(each) for each in documents),
    )  # fmt: skip


# --- opening a passport --------------------------------------------------------------------------


async def find_battery(tx: Transaction, name: str, home: str = "", model: str = "") -> Battery | None:
    """A battery by its id, any other identifier of it, or an identification link; None when the name is not exactly one battery's.

    A link that names an id counts where `home` is its origin; a GTIN and serial number count on any host.  Of batteries that share
    a serial number the one of `model` is meant.
    """
    battery = await tx.get(Battery, name)
    if battery is not None:
        return battery
    for each in (name, *(names_in(name, home) if ":" in name else ())):
        named = await tx.find(Battery, alias=each, limit=2)
        if len(named) > 1 and model:
            named = await tx.find(Battery, alias=each, model=model, limit=2)
        if len(named) == 1:
            return named[0]
    return None


async def load(tx: Transaction, battery: Battery, *, published: bool, version: Version | None = None) -> Passport | None:
    """The passport as it stands, or stood: item over batch over model, part by part; None when it must be answered and is not."""
    model = await tx.get(Model, battery.model)
    if model is None or (published and standing(model.status, battery.status) not in ANSWERED):
        return None
    if version is None:
        layers = [layer for owner in battery.owners for layer in await tx.find(Layer, owner=owner)]
        documents = await tx.find(Document, owner=model.id) + await tx.find(Document, owner=battery.id)
    else:
        of = battery.owners_at(version.model, version.battery)
        layers = [each for owner, revision in of for each in await versions.layers(tx, owner, revision)]
        documents = [each for owner, revision in of for each in await versions.documents(tx, owner, revision)]
    parts = {}
    for part in PARTS:
        stack = [read_json(layer.content) for layer in layers if layer.part == part]
        if stack:
            parts[part] = merge(stack)
    return Passport(
        battery=battery.id, model=model.id, category=model.category, revision=str(version or f"{model.revision}.{battery.revision}"),
        identifiers=dict(model.identifiers), parts=parts, documents=tuple(document_of(document) for document in documents),
        ties=ties(model, battery),
    )  # fmt: skip


def ties(model: Model, battery: Battery) -> Ties:
    """Where a battery's passport stands, what it follows and what follows it."""
    state = standing(model.status, battery.status)
    return Ties(state, battery.successor or model.successor, battery.predecessors)


def document_of(document: Document) -> PassportDocument:
    return PassportDocument(
        id=document.id, identifier=document.identifier, kind=document.document_kind, title=document.title, filename=document.filename,
        media_type=document.media_type, language=document.language, size=document.size, sha256=document.sha256,
    )  # fmt: skip


def manifest(world: World, permit: Permit) -> Json:
    """What a pull over a wider scope answers first: what there is to ask for, no names of batteries."""
    return {
        "dataset": permit.agreement.dataset,
        "grant": permit.grant.digest,
        "parts": sorted(permit.grant.parts),
        "documents": sorted(permit.grant.documents),
        "next": f"{world.me.data}/{{battery}}",
        "at": world.clock.now().astimezone(UTC).isoformat(),
    }


__all__ = [
    "Asset", "Permit", "Whole", "authorise", "batteries", "find_battery", "for_battery", "load", "manifest", "named", "operator",
    "preview", "public",
]  # fmt: skip
