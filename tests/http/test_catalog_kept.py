"""Pages of the catalog are kept at hand: never longer than they are true, never for anybody else than those they are true for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.asset import view_asset_id
from connector.exchange import browse
from connector.ports import Caller, World
from connector.protocol import wire
from connector.protocol.messages import CatalogRequest
from connector.records import Asset, ContractDefinition, Grant, PolicyDefinition
from connector.storage.sqlite import SqliteStore
from policies.facts import Facts
from policies.operands import GRANT, ROLE
from policies.profiles import ready
from submodels.views import ready_view

DIGEST = ready_view("dismantling")[1].digest


@dataclass
class ManualClock:
    at: datetime = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


def rules(*constraints: tuple[str, str, str]) -> dict[str, Any]:
    named = [{"leftOperand": left, "operator": operator, "rightOperand": right} for left, operator, right in constraints]
    return {"permission": [{"action": "use", "constraint": named}]}


def caller(*roles: str) -> Caller:
    return Caller(participant="did:web:peer", origins=(), facts=Facts().with_fact(ROLE, *roles, source="us") if roles else Facts())


RECYCLER = caller("recycler")


@pytest.fixture
async def world(world: World) -> World:
    """Three datasets for recyclers, one for everybody, a page holds ten; terms are only for recyclers."""
    _, grant = ready_view("dismantling")
    async with world.store.transaction() as tx:
        tx.put(Grant(id=grant.digest, content=grant.canonical()))
        tx.put(PolicyDefinition(id="recycler", policy=ready("recycler")))
        tx.put(PolicyDefinition(id="any", policy=ready("any-peer")))
        for name in ("recycler", "any"):
            tx.put(ContractDefinition(id=name, access_policy=name, contract_policy="recycler"))
        for number in range(4):
            tx.put(asset(number, "any" if number == 3 else "recycler"))
    return replace(world, clock=ManualClock(), limits=replace(world.limits, page=10))


def asset(number: int, *definitions: str, **more: Any) -> Asset:
    scope = f"model.M{number}"
    return Asset(
        id=view_asset_id(scope, DIGEST), form="view", scope=scope, grant=DIGEST, definitions=definitions, title=f"M{number}", **more
    )


async def shown(world: World, who: Caller = RECYCLER) -> list[str]:
    page, _ = await browse.catalog(world, who, CatalogRequest())
    body = wire.read_json(page.body, wire.ANSWER)
    assert len(page.body) == page.size
    return [dataset["@id"].split(".")[1] for dataset in body.get("dataset", [])]


async def change(world: World, *records: Any) -> None:
    async with world.store.transaction() as tx:
        for record in records:
            stored = await tx.get(type(record), record.id)
            tx.put(replace(record, version=stored.version if stored else 0))


@pytest.fixture
def asked(world: World) -> Iterator[list[str]]:
    """The statements that the database was asked."""
    statements: list[str] = []
    assert isinstance(world.store, SqliteStore)
    world.store._connection.set_trace_callback(statements.append)
    yield statements
    world.store._connection.set_trace_callback(None)


async def test_the_same_page_is_made_once(world: World, asked: list[str]) -> None:
    assert await shown(world) == ["M0", "M1", "M2", "M3"]
    asked.clear()
    assert await shown(world) == ["M0", "M1", "M2", "M3"]
    assert not asked


async def test_each_caller_sees_its_own_whoever_asked_before(world: World) -> None:
    for _ in range(2):
        assert await shown(world, RECYCLER) == ["M0", "M1", "M2", "M3"]
        assert await shown(world, caller("oem")) == ["M3"]
        assert await shown(world, caller()) == ["M3"]


async def test_a_caller_that_loses_its_role_loses_the_page_at_once(world: World) -> None:
    assert len(await shown(world, RECYCLER)) == 4
    ended = Facts().with_fact(ROLE, "recycler", source="us", until=world.clock.now() + timedelta(hours=1))
    passing = replace(RECYCLER, facts=ended)
    assert len(await shown(world, passing)) == 4
    world.clock.at += timedelta(hours=2)  # type: ignore[attr-defined]
    assert await shown(world, passing) == ["M3"]


async def test_a_policy_of_time_opens_and_closes_with_the_clock(world: World) -> None:
    noon = world.clock.now()
    await change(world, PolicyDefinition(id="any", policy=rules(("odrl:dateTime", "gteq", (noon + timedelta(hours=1)).isoformat()))))
    assert await shown(world) == ["M0", "M1", "M2"]
    world.clock.at = noon + timedelta(hours=1)  # type: ignore[attr-defined]
    assert await shown(world) == ["M0", "M1", "M2", "M3"]
    world.clock.at = noon  # type: ignore[attr-defined]
    assert await shown(world) == ["M0", "M1", "M2"]


CHANGES = {
    "a new dataset": ([asset(9, "recycler")], ["M0", "M1", "M2", "M3", "M9"]),
    "a dataset is withdrawn": ([asset(1, "recycler", withdrawn=True)], ["M0", "M2", "M3"]),
    "a dataset goes to another definition": ([asset(1)], ["M0", "M2", "M3"]),
    "who may see it": ([PolicyDefinition(id="recycler", policy=ready("recycler") | rules((ROLE, "eq", "oem")))], ["M3"]),
    "another access policy": ([ContractDefinition(id="recycler", access_policy="nobody", contract_policy="recycler")], ["M3"]),
    "another definition": ([ContractDefinition(id="new", access_policy="any", contract_policy="recycler"), asset(8, "new")], None),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_every_change_is_on_the_next_page(world: World, name: str) -> None:
    records, expected = CHANGES[name]
    assert await shown(world) == ["M0", "M1", "M2", "M3"]
    await change(world, *records)
    assert await shown(world) == (expected or ["M0", "M1", "M2", "M3", "M8"])


async def test_new_terms_are_on_the_next_page(world: World) -> None:
    before = (await browse.catalog(world, RECYCLER, CatalogRequest()))[0].body
    await change(
        world,
        PolicyDefinition(id="recycler", policy=rules((ROLE, "isAnyOf", "recycler"), ("odrl:dateTime", "lteq", "2030-01-01T00:00:00Z"))),
    )
    after = (await browse.catalog(world, RECYCLER, CatalogRequest()))[0].body
    assert b"2030-01-01" in after and b"2030-01-01" not in before


async def test_a_policy_that_turns_on_the_grant_is_asked_for_every_dataset_every_time(world: World) -> None:
    """Such a policy cannot be judged for a page as a whole, so nothing of it is kept."""
    other = ready_view("supplier")[1]
    foreign = Asset(
        id=view_asset_id("model.M7", other.digest), form="view", scope="model.M7", grant=other.digest, definitions=("recycler",), title="M7"
    )
    turning = PolicyDefinition(id="mine", policy=rules((ROLE, "eq", "recycler"), (GRANT, "eq", f"sha-256:{DIGEST}")))
    mine = ContractDefinition(id="mine", access_policy="mine", contract_policy="recycler")
    await change(world, Grant(id=other.digest, content=other.canonical()), foreign, turning, mine, asset(1, "recycler", "mine"))
    page, _ = await browse.catalog(world, RECYCLER, CatalogRequest())
    offers = {dataset["@id"].split(".")[1]: len(dataset["hasPolicy"]) for dataset in _datasets(page)}
    assert offers == {"M0": 1, "M1": 2, "M2": 1, "M3": 1, "M7": 1}
    assert not [key for key in world.pages._held if len(key) > 2], "no page is kept"


def _datasets(page: browse.Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wire.read_json(page.body, wire.ANSWER)["dataset"]
    return found
