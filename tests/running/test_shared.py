"""A node on PostgreSQL as its operator meets it: backed up, restored, moved from a file and back, and its database away."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from connector.operate import audit, contracts
from connector.records import Agreement, Negotiation
from connector.storage.chain import verify
from connector.storage.postgres import PostgresStore
from tests.store.server import PostgresServer, running_server, why_not

from .stage import Pair, Run, Said, Stage, introduced, types
from .test_backup import waiting


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as server:
        yield server


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    return postgres.url(await postgres.new_schema())


@pytest.fixture
async def shared(stage: Stage, url: str) -> AsyncIterator[Pair]:
    """The pair, its maker on PostgreSQL."""
    yield await introduced(stage, await stage.start("maker", {"STORE__URL": url}), await stage.start("recycler"))


async def typed(home: Path, url: str, *words: str) -> Said:
    """A command typed where the environment names the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALTBRIDGE_STORE__URL", url)
        return await asyncio.to_thread(types, home, *words)


async def chain_holds(run: Run) -> None:
    told = await audit.verified(run.world, lambda entries: verify(entries, all_chains=True))
    assert told["holds"], told


async def signed(pair: Pair) -> dict[str, str]:
    """What the recycler sends with a call to the maker."""
    return {"Authorization": await pair.recycler.world.identity.token(pair.maker.id)}


async def test_a_node_on_postgresql_is_backed_up_while_it_serves_and_goes_on_from_it(shared: Pair, url: str, tmp_path: Path) -> None:
    ours, file = await waiting(shared), tmp_path / "maker.tar"
    said = await shared.maker.types("backup", str(file), "--with-keys", "--json")
    assert said.code == 0, said.err
    home = shared.maker.home
    refused = await typed(home, url, "restore", str(file), "--yes")
    assert refused.code == 1 and "is in use" in refused.err and "Stop every process" in refused.err
    later = await shared.recycler.agrees(shared.maker)  # after the backup: gone with it
    await shared.stage.stop("maker")
    shutil.rmtree(home)
    said = await typed(home, url, "restore", str(file))
    assert said.code == 2 and "--yes" in said.err  # what is there is not replaced without a word
    said = await typed(home, url, "restore", str(file), "--yes")
    assert said.code == 0, said.err
    assert "the audit chain holds" in said.out and "_before_restore_" in said.err and "keys: from the backup" in said.out
    assert not [path.name for path in home.iterdir() if "restoring" in path.name or path.name.startswith("saltbridge.db")]

    again = await shared.stage.start("maker", {"STORE__URL": url})
    assert isinstance(again.world.store, PostgresStore)
    await contracts.approve(again.world, ours.peer_pid)
    await shared.recycler.until(Negotiation, ours.id, lambda it: it.place.state == "FINALIZED" and not it.place.waiting)
    assert later.id not in {each.id for each in await again.every(Agreement)}
    await chain_holds(again)
    assert "store.restored" in [entry.event for entry in await again.world.store.chains()]


async def test_a_node_moves_from_its_file_to_postgresql_and_back(stage: Stage, url: str, tmp_path: Path) -> None:
    pair = await introduced(stage, await stage.start("maker"), await stage.start("recycler"))
    first = await pair.recycler.agrees(pair.maker)
    home = pair.maker.home
    for turn, (place, settings) in enumerate(((url, {"STORE__URL": url}), ("sqlite:saltbridge.db", {}))):
        file = tmp_path / f"{turn}.tar"
        assert (await stage.runs["maker"].types("backup", str(file))).code == 0
        await stage.stop("maker")
        said = await typed(home, place, "restore", str(file), "--yes", "--json")
        assert said.code == 0, said.err
        assert bool(said.json["kept"]) is (turn == 1)  # the file that was left when the node moved away
        maker = await stage.start("maker", settings)
        second = await pair.recycler.agrees(maker)
        assert {first.id, second.id} <= {each.id for each in await maker.every(Agreement)}
        await chain_holds(maker)
        assert maker.id == pair.maker.id


async def test_while_the_database_is_away_everybody_is_told_to_come_back(shared: Pair, postgres: PostgresServer) -> None:
    maker = shared.maker
    asked = await shared.recycler.agrees(shared.maker)
    assert asked.state == "FINALIZED"
    status, _ = await maker.asks("/health/ready", token="")
    assert status == 200
    await postgres.stop("immediate")
    try:
        await asyncio.sleep(0.2)
        async with (
            ClientSession() as session,
            session.get(f"http://{maker.node.config.operator.listen}/health/ready") as answer,
            session.post(f"{maker.url}/dsp/2025-1/catalog/request", json={}, headers=await signed(shared)) as told,
        ):
            for each in (answer, told):
                assert each.status == 503
                assert int(each.headers["Retry-After"]) > 0
                body = await each.text()
                assert "127.0.0.1" not in body  # nothing of ours to a stranger
            assert "not ready" in await answer.text()
        status, text = await maker.asks("/management/saltbridge/negotiations")
        assert status == 503 and "store.unavailable" in text and "connects again by itself" in text
        status, _ = await maker.asks("/health", token="")
        assert status == 200  # it lives
    finally:
        await postgres.start()
    async with asyncio.timeout(20):
        while (await maker.asks("/health/ready", token=""))[0] != 200:
            await asyncio.sleep(0.05)
    await shared.recycler.agrees(maker)
    await chain_holds(maker)
