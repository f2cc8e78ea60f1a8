"""The same conversations when the provider keeps its records in PostgreSQL, also across an outage of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from connector.errors import Misconfigured, Unavailable
from connector.exchange import transfer
from connector.operate import audit, contracts
from connector.records import Agreement
from connector.storage.chain import verify
from connector.storage.postgres import PostgresStore

from ..store.server import PostgresServer, running_server, why_not
from .conftest import introduced
from .nodes import FIRST, Pair, Stage


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as server:
        yield server


@pytest.fixture
async def shared(stage: Stage, postgres: PostgresServer) -> Pair:
    """The pair, its maker on PostgreSQL."""
    url = postgres.url(await postgres.new_schema())
    maker = await stage.start("maker", settings={"STORE__URL": url, "STORE__SYNCHRONOUS": "FULL"})
    assert isinstance(maker.world.store, PostgresStore)
    return await introduced(stage, maker, await stage.start("recycler"))


async def test_two_nodes_negotiate_and_transfer_when_the_provider_runs_on_postgresql(shared: Pair) -> None:
    maker, recycler = shared.maker, shared.recycler
    agreed = await recycler.agrees(maker, purpose=["dismantling"])
    [theirs] = await maker.every(Agreement)
    assert theirs.policy == agreed.policy
    assert theirs.state == agreed.state == "FINALIZED"
    started = await recycler.starts(maker, agreed)
    endpoint, token, _ = await transfer.endpoint(recycler.world, started.id)
    answer = await recycler.fetches(f"{endpoint}/{FIRST}", token)
    assert answer.status == 200
    assert b"materials" in answer.body
    assert (await audit.verified(maker.world, verify))["holds"]


async def test_many_negotiations_at_once_all_end_finalized(shared: Pair) -> None:
    agreed = await asyncio.gather(*(shared.recycler.agrees(shared.maker) for _ in range(20)))
    assert len({each.id for each in agreed}) == 20
    assert {each.state for each in await shared.maker.every(Agreement)} == {"FINALIZED"}
    assert await shared.maker.world.store.outbox() == (0, None)


async def test_a_negotiation_survives_an_outage_of_the_providers_database(shared: Pair, postgres: PostgresServer) -> None:
    maker, recycler = shared.maker, shared.recycler
    await recycler.agrees(maker)
    asked = await recycler.asks(maker)
    await postgres.stop("immediate")
    try:
        await asyncio.sleep(0.3)
        with pytest.raises(Unavailable):
            await contracts.list_negotiations(maker.world)
    finally:
        await postgres.start()
    async with asyncio.timeout(60):
        while True:
            ended = await recycler.negotiation(asked.id)
            if ended.place.state == "FINALIZED":
                break
            assert ended.place.state != "TERMINATED", ended.place
            await asyncio.sleep(0.05)
    await maker.negotiation_is(ended.peer_pid, "FINALIZED")


async def test_a_node_whose_database_is_not_there_does_not_start_and_says_why(stage: Stage) -> None:
    with pytest.raises(Misconfigured) as refused:
        await stage.start("lost", settings={"STORE__URL": "postgres://user:hidden@127.0.0.1:1/nowhere"})
    assert "127.0.0.1:1/nowhere" in refused.value.what
    assert "hidden" not in str(refused.value)
    assert refused.value.next
