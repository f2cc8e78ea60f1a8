"""A peer's catalog is read with care: its links stay at home, its grants hash to their ids, its terms are judged for us."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from catalog.asset import view_asset_id
from catalog.publish import offer_for
from connector.errors import Hidden, Malformed, PeerRefused, PeerUnreachable
from connector.operate import catalogs, fit
from connector.ports import Answer, World
from connector.records import Json, Peer
from policies.evaluate import Outcome
from submodels.grant import AttributeGrant, make_grant

from .conftest import Holder

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
ROOT = "https://maker.example"
EVERYONE = {"permission": [{"action": "use"}]}


def constrained(operand: str, operator: str, right: Any) -> Json:
    name = operand if ":" in operand else f"https://w3id.org/saltbridge/v1/{operand}"
    return {"permission": [{"action": "use", "constraint": [{"leftOperand": name, "operator": operator, "rightOperand": right}]}]}


@dataclass
class Maker:
    """A counterparty: answers by path, and remembers what it was asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def post(self, address: str, path: str, body: bytes, audience: str, origins: Iterable[str]) -> Answer:
        return self._answer("POST", address + path)

    async def get(self, address: str, path: str, audience: str, origins: Iterable[str]) -> Answer:
        return self._answer("GET", address + path)

    def _answer(self, method: str, url: str) -> Answer:
        self.asked.append((method, url))
        return self.answers.get(url, Answer(404, b"{}"))

    def page(self, url: str, *datasets: Json, link: str = "", participant: str = "did:web:maker.example") -> None:
        body = {"@context": CONTEXT, "@id": "c", "@type": "Catalog", "participantId": participant, "dataset": list(datasets)}
        self.answers[url] = Answer(200, json.dumps(body).encode(), {"link": link} if link else {})


FIRST = f"{ROOT}/dsp/2025-1/catalog/request"
GRANT = make_grant(["circularity/**", "materials/BatteryMaterials/*/BatteryMaterialName"], ["dismantling-manual"], "contract")


def dataset(
    terms: Json = EVERYONE, grant: AttributeGrant = GRANT, scope: str = "model.EV-72", view: str = "dismantling", named: str = ""
) -> Json:
    id = view_asset_id(scope, grant.digest)
    offer = offer_for("d1", id, terms, named or grant.digest)
    return {
        "@id": id,
        "@type": "Dataset",
        "http://purl.org/dc/terms/title": f"{view} · {scope.replace('.', ' ', 1)}",
        "hasPolicy": [offer],
        "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": "s"}],
    }


@dataclass
class Consumer:
    world: World
    peer: Peer
    maker: Maker


@pytest.fixture
async def consumer(holder: Holder) -> Consumer:
    await holder.know("maker")
    maker = Maker()
    maker.answers[f"{ROOT}/grants/{GRANT.digest}"] = Answer(200, GRANT.canonical().encode())
    me = replace(holder.world.me, id="did:web:recycler.example", name="recycler", wishes={"role": ("recycler",)})
    world = replace(holder.world, me=me, courier=maker)
    async with holder.store.transaction() as tx:
        peer = await tx.get(Peer, "did:web:maker.example")
    assert peer is not None
    return Consumer(world, peer, maker)


async def test_pages_are_followed_within_the_peers_origins(consumer: Consumer) -> None:
    consumer.maker.page(FIRST, dataset(), link=f'<{FIRST}?cursor=2>; rel="next"')
    consumer.maker.page(f"{FIRST}?cursor=2", dataset(scope="battery.EV-72.000017"), link=f'<{FIRST}>; rel="prev"')
    listing = await catalogs.fetch(consumer.world, consumer.peer)
    assert [each.scope for each in listing.datasets] == ["model.EV-72", "battery.EV-72.000017"]
    assert listing.not_followed == ()


async def test_a_link_elsewhere_is_reported_and_not_followed(consumer: Consumer) -> None:
    consumer.maker.page(FIRST, dataset(), link='<https://evil.example/dsp/2025-1/catalog/request>; rel="next"')
    shown = await catalogs.catalog(consumer.world, consumer.peer)
    assert shown["not_followed"] == ["https://evil.example/dsp/2025-1/catalog/request"]
    assert not [url for _, url in consumer.maker.asked if "evil" in url]


async def test_a_link_to_itself_ends_the_walk(consumer: Consumer) -> None:
    consumer.maker.page(FIRST, dataset(), link=f'<{FIRST}>; rel="next"')
    assert len((await catalogs.fetch(consumer.world, consumer.peer)).datasets) <= 2


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("", ""),
        ('<https://a.example/x?c=1>; rel="next"', "https://a.example/x?c=1"),
        ("<https://a.example/y>; rel=next", "https://a.example/y"),
        ('<https://a.example/p>; rel="prev", <https://a.example/n>; rel="next"', "https://a.example/n"),
        ('<?cursor=2>; rel="next"', "https://a.example/catalog/request?cursor=2"),
        ('<https://a.example/x>; title="next"', ""),
        ("nonsense", ""),
    ],
)
def test_link_headers(header: str, target: str) -> None:
    assert catalogs.next_link(header, "https://a.example/catalog/request") == target


async def test_the_grant_is_fetched_once_and_held_against_the_id(consumer: Consumer) -> None:
    id = view_asset_id("model.EV-72", GRANT.digest)
    assert await catalogs.grant(consumer.world, consumer.peer, id) == GRANT.canonical()
    assert await catalogs.grant(consumer.world, consumer.peer, id) == GRANT.canonical()
    assert len(consumer.maker.asked) == 1


async def test_a_grant_that_does_not_hash_to_its_id_is_never_negotiated(consumer: Consumer) -> None:
    other = make_grant(["circularity/**"], [], "contract")
    consumer.maker.answers[f"{ROOT}/grants/{GRANT.digest}"] = Answer(200, other.canonical().encode())
    consumer.maker.page(FIRST, dataset())
    shown = await catalogs.catalog(consumer.world, consumer.peer)
    assert "do not hash" in shown["datasets"][0]["problem"]
    assert shown["datasets"][0]["for_you"]["outcome"] == "no"
    broken = await catalogs.find(consumer.world, consumer.peer, "dismantling")
    with pytest.raises(Malformed):
        catalogs.best_offer(consumer.world, broken)


async def test_an_offer_that_names_another_grant_is_never_negotiated(consumer: Consumer) -> None:
    consumer.maker.page(FIRST, dataset(named="A" * 43))
    found = await catalogs.find(consumer.world, consumer.peer, "dismantling")
    with pytest.raises(Malformed, match="cannot be negotiated"):
        catalogs.best_offer(consumer.world, found)


async def test_contents_are_told_in_words(consumer: Consumer) -> None:
    consumer.maker.page(FIRST, dataset())
    [row] = (await catalogs.catalog(consumer.world, consumer.peer))["datasets"]
    assert row["content"] == "Circularity, Material Composition, 1 document"
    assert (row["title"], row["view"]) == ("dismantling · model EV-72", "dismantling")


@pytest.mark.parametrize(
    ("terms", "outcome", "text"),
    [
        (EVERYONE, Outcome.YES, "yes"),
        (constrained("purpose", "eq", "dismantling"), Outcome.YES, "yes"),
        (constrained("role", "eq", "recycler"), Outcome.UNDECIDED, "yes, if maker confirms role=recycler"),
        (constrained("role", "isAnyOf", ["recycler", "oem"]), Outcome.UNDECIDED, "yes, if maker confirms role=recycler"),
        (constrained("role", "eq", "second-life"), Outcome.NO, "no: role must be second-life"),
        (constrained("role", "isAnyOf", ["oem"]), Outcome.NO, "no: role must be oem"),
        (constrained("odrl:dateTime", "lteq", "2020-01-01T00:00:00Z"), Outcome.NO, "no: dateTime was over at 2020-01-01T00:00:00Z"),
        ({"permission": "nonsense"}, Outcome.NO, "no: its terms cannot be read"),
    ],
)
async def test_an_offer_is_judged_for_us(consumer: Consumer, terms: Json, outcome: Outcome, text: str) -> None:
    judged = fit.for_you(consumer.world, "maker", terms)
    assert judged.outcome is outcome
    assert judged.text.startswith(text)


async def test_the_offer_that_is_most_for_us_is_taken(consumer: Consumer) -> None:
    both = dataset(constrained("role", "eq", "oem"))
    both["hasPolicy"] += dataset(constrained("role", "eq", "recycler"))["hasPolicy"]
    consumer.maker.page(FIRST, both)
    found = await catalogs.find(consumer.world, consumer.peer, "dismantling")
    assert "recycler" in json.dumps(catalogs.best_offer(consumer.world, found))


def test_a_purpose_narrows_the_offer_and_nothing_else_does() -> None:
    offer = constrained("purpose", "isAnyOf", ["dismantling", "recycling"]) | {"@id": "o"}
    narrowed = fit.narrow(offer, ["recycling"])
    assert narrowed["permission"][0]["constraint"][0]["rightOperand"] == "recycling"
    assert narrowed["@id"] == "o"
    with pytest.raises(Malformed, match="not for audit"):
        fit.narrow(offer, ["audit"])


async def test_a_view_with_two_scopes_must_be_told_apart(consumer: Consumer) -> None:
    consumer.maker.page(FIRST, dataset(), dataset(scope="battery.EV-72.000017"))
    with pytest.raises(Malformed, match="more than one dataset"):
        await catalogs.find(consumer.world, consumer.peer, "dismantling")
    with pytest.raises(Hidden):
        await catalogs.find(consumer.world, consumer.peer, "nothing")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"{}", PeerRefused),
        (404, b"{}", PeerRefused),
        (400, b'{"code": "c\\u001b[31m", "reason": ["no \\u202e"]}', PeerRefused),
        (500, b"<html>", PeerUnreachable),
        (200, b"<html>", Malformed),
        (200, b'{"@context": [], "@type": "Catalog"}', Malformed),
    ],
)
async def test_whatever_a_peer_answers_becomes_an_error_with_clean_text(
    consumer: Consumer, status: int, body: bytes, kind: type[Exception]
) -> None:
    consumer.maker.answers[FIRST] = Answer(status, body)
    with pytest.raises(kind) as raised:
        await catalogs.fetch(consumer.world, consumer.peer)
    assert not {"\x1b", "\u202e"} & set(str(raised.value))


async def test_a_catalog_of_somebody_else_is_noted(consumer: Consumer) -> None:
    consumer.maker.page(FIRST, dataset(), participant="did:web:other.example")
    assert "not of did:web:maker.example" in (await catalogs.catalog(consumer.world, consumer.peer))["notes"][0]
