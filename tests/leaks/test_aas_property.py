"""Over random passports and grants: everything that any exit of the AAS API says is within the grant, or public."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import SaltbridgeError
from connector.exchange import packing, repository, twins
from connector.exchange.parcel import Parcel
from connector.exchange.release import Permit
from connector.exchange.repository import Leaf, Look, Wish
from connector.exchange.sight import Sight
from connector.ports import Me, SystemClock, World
from connector.records import Agreement, Battery, Document, Layer, Model
from connector.storage.sqlite import open_sqlite
from submodels.audience import PUBLIC_GRANT, Release
from submodels.errors import Invalid
from submodels.grant import AttributeGrant
from submodels.idshort import parse
from submodels.passport import Passport
from submodels.table import PARTS
from submodels.value import Tree, read_json, write_json
from submodels.view import parts_json, select
from tests.submodels.test_view import BATTERY, Maker, grants, seeds

MARK = re.compile(rb"marker-\d{5}|\d+\.7250")
DAY = date(2026, 11, 25)
FORMS = ("", "metadata", "value", "reference", "path")
LOOKS = [Look(form, core, blobs) for form in FORMS for core in (False, True) for blobs in (False, True)]
ALL = Leaf(1000)


def passport_of(seed: int) -> tuple[Passport, dict[str, bytes]]:
    """A passport whose documents are the files that its handover entries name, each with a content of its own."""
    whole = Maker(seed, keep=0.6, longest=2, junk=False).passport()
    handover: Any = whole.parts["handover"]
    documents, contents = [], {}
    for number, document in enumerate(whole.documents):
        entry = next((each for each in handover["Documents"] if each["DocumentIds"][0]["DocumentIdentifier"] == document.identifier), {})
        named = [file["value"] for version in entry.get("DocumentVersions", []) for file in version.get("DigitalFiles", [])]
        contents[document.id] = f"content marker-{90_000 + number}".encode()
        documents.append((document, named[0] if named else f"marker-{80_000 + number}.pdf"))
    fields = {each: getattr(whole, each) for each in ("battery", "model", "category", "revision", "parts")}
    from dataclasses import replace

    return Passport(**fields, documents=tuple(replace(each, filename=name) for each, name in documents)), contents


async def store(world: World, whole: Passport, contents: dict[str, bytes]) -> None:
    now = world.clock.now()
    async with world.store.transaction() as tx:
        tx.put(Model(id=whole.model, category="ev", status="published", changed=now))
        tx.put(Battery(id=BATTERY, model=whole.model, serial="000017", changed=now))
        for part, tree in whole.parts.items():
            tx.put(Layer(id=f"{BATTERY}/{part}", owner=BATTERY, part=part, content=write_json(tree).decode()))
        for each in whole.documents:
            held = tx.keep(contents[each.id])
            tx.put(
                Document(
                    id=each.id, owner=BATTERY, identifier=each.identifier, document_kind=each.kind, title="T", filename=each.filename,
                    media_type="application/pdf", size=1, sha256=held,
                )
            )  # fmt: skip


def holder(grant: AttributeGrant, scope: str) -> Sight:
    agreement = Agreement(
        id="urn:uuid:a", side="provider", peer="did:web:peer.example", negotiation="n", dataset="d", assigner="a", assignee="b", policy={},
        scope=scope, grant=grant.canonical(), state="FINALIZED", signed=datetime.now(UTC),
    )  # fmt: skip
    return Sight(permit=Permit("t", agreement, grant, scope, DAY))


async def everything(world: World, who: Sight, places: dict[str, list[str]]) -> AsyncIterator[Parcel]:
    """Every answer of every exit: of the battery's ids, of each place of the whole passport, and of the lists."""
    shell = await _shell(world)
    base = shell.removesuffix("#shell")
    for look in LOOKS:
        for asked in (repository.shells(world, who, Wish(), ALL, look), repository.submodels(world, who, Wish(), ALL, look)):
            async for each in _answer(asked):
                yield each
    for form in ("", "reference", "asset-information"):
        async for each in _answer(repository.shell(world, who, shell, form)):
            yield each
    for asked in (repository.submodel_refs(world, who, shell, ALL), repository.thumbnail(world, who, shell)):
        async for each in _answer(asked):
            yield each
    for media in (packing.JSON, packing.XML, packing.AASX, packing.AASX_XML):
        async for each in _answer(packing.serialization(world, who, [shell], [], media=media)):
            yield each
    for part in PARTS:
        for look in LOOKS:
            for asked in (
                repository.submodel(world, who, f"{base}#{part}", look),
                repository.elements(world, who, f"{base}#{part}", look, ALL),
            ):
                async for each in _answer(asked):
                    yield each
        for path in places.get(part, []):
            for form in FORMS:
                async for each in _answer(repository.element(world, who, f"{base}#{part}", parse(path), Look(form))):
                    yield each
            async for each in _answer(repository.attachment(world, who, f"{base}#{part}", parse(path))):
                yield each


async def _shell(world: World) -> str:
    async for each in twins.with_link(world, Sight(), "batteryId", BATTERY):
        return each.id
    raise AssertionError("the battery is not there")


async def _answer(asked: Any) -> AsyncIterator[Parcel]:
    with suppress(SaltbridgeError, Invalid, ValueError):  # a random value need not make valid XML
        yield await asked


def paths(tree: Tree, path: str = "") -> Iterator[str]:
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, inner in below:
        here = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}".removeprefix(".")
        yield here
        yield from paths(inner, here)


def said(parcel: Parcel) -> set[bytes]:
    """The markers in an answer, in the parts of a package too."""
    found = set(MARK.findall(parcel.body)) | set(MARK.findall(parcel.filename.encode()))
    if parcel.body.startswith(b"PK"):
        package = zipfile.ZipFile(io.BytesIO(parcel.body))
        for name in package.namelist():
            found |= set(MARK.findall(name.encode())) | set(MARK.findall(package.read(name)))
    return found


def allowed(whole: Passport, contents: dict[str, bytes], *held: AttributeGrant) -> set[bytes]:
    found: set[bytes] = set()
    for grant in held:
        view = select(whole, Release(BATTERY, grant, "peer", day=DAY))
        found |= set(MARK.findall(parts_json(view)))
        for each in view.documents:
            found |= set(MARK.findall(contents[each.id])) | set(MARK.findall(each.filename.encode()))
    return found


@settings(max_examples=20, deadline=None)
@given(seeds, grants(), st.sampled_from(["battery.EV-72.000017", "model.EV-72"]))
def test_nothing_that_any_exit_says_is_outside_the_grant(seed: int, grant: AttributeGrant, scope: str) -> None:
    whole, contents = passport_of(seed)
    places = {part: list(paths(read_json(write_json(tree))))[::5] for part, tree in whole.parts.items()}

    async def ask() -> dict[str, set[bytes]]:
        store_ = open_sqlite(":memory:", SystemClock())
        nobody = cast("Any", None)
        world = World(
            me=Me(id="did:web:m.example", name="m", public_url="https://m.example"), store=store_, clock=SystemClock(), identity=nobody,
            courier=nobody, data=nobody, tokens=nobody, decider=nobody, secret=b"s" * 32,
        )  # fmt: skip
        await store(world, whole, contents)
        heard: dict[str, set[bytes]] = {}
        for name, who in (("holder", holder(grant, scope)), ("public", Sight())):
            heard[name] = set()
            async for parcel in everything(world, who, places):
                heard[name] |= said(parcel)
        await store_.close()
        return heard

    heard = asyncio.run(ask())
    assert heard["holder"] <= allowed(whole, contents, grant, PUBLIC_GRANT)
    assert heard["public"] <= allowed(whole, contents, PUBLIC_GRANT)
    values = set(MARK.findall(parts_json(select(whole, Release(BATTERY, grant, "peer", day=DAY)))))
    assert values <= heard["holder"], "what is granted is there"
