"""A consumer that is not ours, quicker or slower than ours would be; and conversations that break where they stand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from connector.errors import Denied
from connector.exchange import offers as standing_offers
from connector.exchange import transfer
from connector.exchange.decide import ProductDecider
from connector.operate import contracts
from connector.ports import Move, Transaction, World
from connector.protocol.vocabulary import HTTP_PULL
from connector.protocol.wire import read_data_address
from connector.records import Agreement, Asset, ContractDefinition, Negotiation, Transfer

from .conftest import introduced
from .nodes import DISMANTLING, End, Pair, Stage
from .scripted import Reply, Scripted, asks, scripted

AGREEMENT, EVENT, START = "ContractAgreementMessage", "ContractNegotiationEventMessage", "TransferStartMessage"


@dataclass
class Foreign:
    """The maker, and a recycler of another make."""

    maker: End
    peer: Scripted
    stage: Stage

    async def opens(self, pid: str = "urn:uuid:theirs") -> str:
        """Ask for what the maker offers; the maker's pid, once its agreement has come."""
        async with self.maker.world.store.transaction() as tx:
            [asset] = await tx.find(Asset)
            definition = await tx.get(ContractDefinition, asset.definitions[0])
            assert definition is not None
            found = await standing_offers.standing(tx, definition, asset, self.maker.world)
        assert found is not None
        status, said = await self.peer.sends(
            self.maker, "/negotiations/request", "ContractRequestMessage",
            consumerPid=pid, callbackAddress=self.peer.me.dsp, offer=found.offer | {"target": asset.id},
        )  # fmt: skip
        assert status == 201, said
        await self.peer.gets(AGREEMENT)
        return str(said["providerPid"])

    async def verifies(self, theirs: str, pid: str = "urn:uuid:theirs") -> None:
        pids = {"consumerPid": pid, "providerPid": theirs}
        path = f"/negotiations/{theirs}/agreement/verification"
        status, said = await self.peer.sends(self.maker, path, "ContractAgreementVerificationMessage", **pids)
        assert status == 200, said

    async def requests(self, pid: str = "urn:uuid:their-transfer") -> tuple[int, Any]:
        agreement = (await self.peer.gets(AGREEMENT)).body["agreement"]["@id"]
        return await self.peer.sends(
            self.maker, "/transfers/request", "TransferRequestMessage",
            consumerPid=pid, agreementId=agreement, format=HTTP_PULL, callbackAddress=self.peer.me.dsp,
        )  # fmt: skip

    async def address(self) -> tuple[str, str]:
        url, token, _ = read_data_address((await self.peer.gets(START)).body["dataAddress"])
        return url, token


@pytest.fixture
async def foreign(stage: Stage) -> AsyncIterator[Foreign]:
    maker = await stage.start("maker")
    await maker.stock(DISMANTLING)
    async with scripted() as peer:
        await peer.known_to(maker)
        yield Foreign(maker, peer, stage)


# --- quicker than our own commits ----------------------------------------------------------------


async def test_a_transfer_request_proves_that_the_finalization_arrived(foreign: Foreign) -> None:
    slow = Reply(held=asyncio.Event())
    foreign.peer.will(200, slow)  # the agreement, then the finalization
    theirs = await foreign.opens()
    await foreign.verifies(theirs)
    await slow.arrived.wait()
    assert (await foreign.maker.negotiation(theirs)).place.state == "VERIFIED"
    status, said = await foreign.requests()
    assert status == 201, said
    settled = await foreign.maker.negotiation(theirs)
    assert settled.place.state == "FINALIZED"
    assert [each.state for each in await foreign.maker.every(Agreement)] == ["FINALIZED"]
    assert slow.held is not None
    slow.held.set()
    await foreign.maker.negotiation_is(theirs, "FINALIZED")
    await foreign.peer.gets(START)


async def _with_start_held(foreign: Foreign) -> tuple[Reply, str]:
    """A transfer whose start message has arrived and is not answered yet: (that answer, the maker's pid)."""
    slow = Reply(held=asyncio.Event())
    foreign.peer.will(200, 200, slow)
    await foreign.verifies(await foreign.opens())
    await foreign.peer.gets(EVENT)
    status, said = await foreign.requests()
    assert status == 201
    await slow.arrived.wait()
    return slow, str(said["providerPid"])


async def test_whoever_holds_the_newest_token_has_got_the_start_message(foreign: Foreign) -> None:
    slow, pid = await _with_start_held(foreign)
    assert (await foreign.maker.transfer(pid)).place.state == "REQUESTED"
    assert (await foreign.maker.pulls(await foreign.address())).status == 200
    assert slow.held is not None
    slow.held.set()
    await foreign.maker.transfer_is(pid, "STARTED")


async def test_retiring_while_a_start_is_on_its_way_closes_the_data_at_once_and_ends_the_transfer_next(foreign: Foreign) -> None:
    slow, pid = await _with_start_held(foreign)
    [agreed] = await foreign.maker.every(Agreement)
    await contracts.retire(foreign.maker.world, agreed.id, "Recalled.")
    refused = await foreign.maker.pulls(await foreign.address())
    assert (refused.status, json.loads(refused.body)["code"]) == (403, "agreement.retired")
    assert slow.held is not None
    slow.held.set()
    told = await foreign.peer.gets("TransferTerminationMessage")
    assert told.body["code"] == "agreement.retired"
    ended = await foreign.maker.transfer_is(pid, "TERMINATED")
    assert (ended.place.code, ended.place.by) == ("agreement.retired", "us")


async def test_a_process_whose_opening_is_not_answered_yet_tells_no_state(stage: Stage) -> None:
    end = await stage.start("solo")
    async with scripted() as peer:
        slow = Reply(201, held=asyncio.Event())
        peer.will(slow)
        pid = (await asks(end, await peer.known_to(end))).id
        await slow.arrived.wait()
        status, said = await peer.reads(end, f"/negotiations/{pid}")
        assert (status, said["@type"]) == (503, "ContractNegotiationError")
        assert slow.held is not None
        slow.held.set()
        await end.negotiation_is(pid, "REQUESTED")
        status, said = await peer.reads(end, f"/negotiations/{pid}")
        assert (status, said["state"]) == (200, "REQUESTED")


# --- a wish that waits ---------------------------------------------------------------------------


async def test_a_negotiation_that_is_ended_before_it_was_acknowledged_ends_on_both_sides(pair: Pair) -> None:
    door = pair.maker.wire.closes("ContractRequestMessage")
    asked = await pair.recycler.asks(pair.maker)
    await door.arrived.wait()
    await contracts.terminate(pair.recycler.world, asked.id, "On second thoughts.")
    door.open.set()
    ours = await pair.recycler.negotiation_is(asked.id, "TERMINATED")
    theirs = await pair.maker.negotiation_is(ours.peer_pid, "TERMINATED")
    assert ours.place.reason == theirs.place.reason == ("On second thoughts.",)


async def test_a_wish_to_end_outlives_the_process(stage: Stage) -> None:
    """It is stored with the conversation: whoever reads the answer later says it."""
    end = await stage.start("solo")
    async with scripted() as peer:
        peer.will(503, 201)
        pid = (await asks(end, await peer.known_to(end))).id
        await contracts.terminate(end.world, pid, "Too slow.")
        kept = await end.negotiation(pid)
        assert kept.ending == {"code": "operator.terminated", "reason": ["Too slow."]}
        await end.negotiation_is(pid, "TERMINATED")
        assert peer.heard()[-1] == "ContractNegotiationTerminationMessage"
        assert peer.calls[-1].body["providerPid"] == f"their:{pid}"


# --- what breaks ---------------------------------------------------------------------------------


class Broken(ProductDecider):
    """A decider with a bug that strikes a few times."""

    def __init__(self, times: int) -> None:
        self.times = times

    async def negotiation(self, world: World, tx: Transaction, process: Negotiation) -> Move:
        if process.place.state == "REQUESTED" and self.times:
            self.times -= 1
            raise ZeroDivisionError("a bug")
        return await super().negotiation(world, tx, process)


async def test_a_broken_turn_is_tried_again_and_keeps_no_other_waiting(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    maker = await stage.start("maker", decider=Broken(2))
    pair = await introduced(stage, maker, await stage.start("recycler"))
    agreed = await asyncio.gather(*(pair.recycler.agrees(maker) for _ in range(3)))
    assert len({each.id for each in agreed}) == 3
    assert caplog.text.count("ZeroDivisionError: a bug") == 2


async def test_an_agreement_with_more_transfers_than_a_page_is_retired_whole(pair: Pair) -> None:
    agreed = await pair.recycler.agrees(pair.maker)
    started = await pair.recycler.starts(pair.maker, agreed)
    theirs = await pair.maker.transfer(started.peer_pid)
    done = replace(theirs, version=0, place=replace(theirs.place, state="COMPLETED"))
    async with pair.maker.world.store.transaction() as tx:
        for n in range(1001):
            tx.put(replace(done, id=f"aaa:{n:04d}"))  # before every urn:uuid:
    await contracts.retire(pair.maker.world, agreed.id, "")
    await pair.recycler.transfer_is(started.id, "TERMINATED")


# --- where data may lie --------------------------------------------------------------------------


async def test_a_start_message_may_name_any_address_and_only_the_call_is_refused(stage: Stage) -> None:
    end = await stage.start("solo")
    async with scripted() as peer:
        pid = (await asks(end, await peer.known_to(end))).id
        await end.negotiation_is(pid, "REQUESTED")
        await peer.agrees(end, pid)
        await end.negotiation_is(pid, "VERIFIED")
        await peer.finalizes(end, pid)
        started = await transfer.request(end.world, f"their-agreement-{pid}")
        await end.transfer_is(started.id, "REQUESTED")
        address = {"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpoint": "http://127.0.0.1:9/data"}
        status, said = await peer.sends(
            end, f"/transfers/{started.id}/start", START, **peer.pids(started.id), dataAddress=address
        )  # fmt: skip
        assert (status, said["state"]) == (200, "STARTED")
        url, token, origins = await transfer.endpoint(end.world, started.id)
        assert url == address["endpoint"]
        with pytest.raises(Denied, match="not called"):
            await end.world.data.fetch(url, authorization=token, origins=origins)
        assert [each.place.state for each in await end.every(Transfer)] == ["STARTED"]
