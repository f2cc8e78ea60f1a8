"""Messages that cross on the wire: the stronger stands, both ends come to one state, or the conversation ends.

Both messages have left before either arrives; they are let in one after the other, in both orders.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from connector.operate import contracts, transfers
from connector.protocol.transfer import Message as T
from connector.records import Negotiation, Transfer

from .nodes import PATIENCE, End, Pair, Stage
from .terms import OTHERS
from .test_endings import _standing
from .wire import Door

VERBS = {"suspend": T.SUSPEND, "resume": T.START, "complete": T.COMPLETE, "terminate": T.TERMINATE}
STRONGEST = {"terminate": "TERMINATED", "complete": "COMPLETED", "suspend": "SUSPENDED"}  # in this order


async def _through(door: Door, at: End, type: str, before: int) -> None:
    """Let the message in and wait until it is answered."""
    door.open.set()
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while len([each for each in at.wire.exchanges if each.type.startswith(type)]) == before:
        assert asyncio.get_running_loop().time() < deadline
        await at.world.changes.wait("nothing", 0.01)


async def _cross(pair: Pair, theirs: str, ours: str, *, first: str) -> None:
    """Two messages that are under way are let in, `first` naming whose is heard first."""
    doors = {
        "maker": (pair.recycler.wire.closes(theirs), pair.recycler, theirs),
        "recycler": (pair.maker.wire.closes(ours), pair.maker, ours),
    }
    counts = {name: len([each for each in at.wire.exchanges if each.type.startswith(type)]) for name, (_, at, type) in doors.items()}
    for door, _, _ in doors.values():
        await asyncio.wait_for(door.arrived.wait(), PATIENCE)
    for name in sorted(doors, key=lambda each: each != first):
        door, at, type = doors[name]
        await _through(door, at, type, counts[name])


@pytest.mark.parametrize("first", ["maker", "recycler"])
@pytest.mark.parametrize("consumer", ["suspend", "complete", "terminate"])
@pytest.mark.parametrize("provider", ["resume", "suspend", "complete", "terminate"])
async def test_both_ends_of_a_transfer_come_to_one_state(pair: Pair, provider: str, consumer: str, first: str) -> None:
    started = await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker))
    theirs, ours = str(VERBS[provider]), str(VERBS[consumer])
    pair.recycler.wire.closes(theirs)
    pair.maker.wire.closes(ours)
    await transfers.move(pair.maker.world, started.peer_pid, provider)
    await transfers.move(pair.recycler.world, started.id, consumer)
    await _cross(pair, theirs, ours, first=first)
    state = next(STRONGEST[verb] for verb in STRONGEST if verb in (provider, consumer))
    if (provider, consumer) == ("resume", "suspend"):
        state = "TERMINATED"  # the one race that no rule settles: the states differ, so it ends
    here = await pair.recycler.until(started.id, lambda it: it.place.state == state and not it.place.waiting, Transfer)
    there = await pair.maker.until(started.peer_pid, lambda it: it.place.state == state and not it.place.waiting, Transfer)
    if (provider, consumer) == ("resume", "suspend"):
        assert here.place.code == there.place.code == "state.crossed"
        assert any("SUSPENDED" in text and "STARTED" in text for text in here.place.reason)
    if state == "SUSPENDED":
        assert (here.suspended_by, there.suspended_by) == ("peer", "us"), "on a tie the provider's stands"
    for end, pid in ((pair.recycler, here.id), (pair.maker, there.id)):
        assert [letter for letter in await end.letters(pid) if letter.purpose == "send"] == []


@pytest.mark.parametrize("first", ["maker", "recycler"])
async def test_what_crossed_and_agreed_goes_on(pair: Pair, first: str) -> None:
    """Both suspend at once; then the provider resumes and the data flows."""
    started = await pair.recycler.starts(pair.maker, await pair.recycler.agrees(pair.maker))
    for end in (pair.recycler, pair.maker):
        end.wire.closes(str(T.SUSPEND))
    await transfers.move(pair.maker.world, started.peer_pid, "suspend")
    await transfers.move(pair.recycler.world, started.id, "suspend")
    await _cross(pair, str(T.SUSPEND), str(T.SUSPEND), first=first)
    await pair.recycler.transfer_is(started.id, "SUSPENDED")
    await pair.maker.transfer_is(started.peer_pid, "SUSPENDED")
    await transfers.move(pair.maker.world, started.peer_pid, "resume")
    await pair.recycler.transfer_is(started.id, "STARTED")
    await pair.maker.transfer_is(started.peer_pid, "STARTED")
    assert (await pair.recycler.pulls(await pair.recycler.address(started.id))).status == 200


TERMINATION = "ContractNegotiationTerminationMessage"


@pytest.mark.parametrize("first", ["maker", "recycler"])
@pytest.mark.parametrize(("step", "state"), [("ContractAgreementMessage", "REQUESTED"), ("ContractNegotiationEventMessage", "VERIFIED")])
async def test_a_consumers_termination_beats_the_providers_next_step(pair: Pair, step: str, state: str, first: str) -> None:
    pair.recycler.wire.closes(step)
    pair.maker.wire.closes(TERMINATION)
    asked = await pair.recycler.asks(pair.maker)
    await pair.recycler.negotiation_is(asked.id, state)
    await pair.recycler.wire.doors[step].arrived.wait()
    await contracts.terminate(pair.recycler.world, asked.id, "Too late?")
    await _cross(pair, step, TERMINATION, first=first)
    ours = await pair.recycler.negotiation_is(asked.id, "TERMINATED")
    theirs = await pair.maker.negotiation_is(ours.peer_pid, "TERMINATED")
    assert ours.place.code == theirs.place.code == "operator.terminated"
    assert (ours.place.by, theirs.place.by) == ("us", "peer")


@pytest.mark.parametrize("first", ["maker", "recycler"])
async def test_a_providers_termination_beats_the_consumers_acceptance(pair: Pair, first: str) -> None:
    asked = await pair.recycler.asks(pair.maker, terms=OTHERS, as_is=True)
    ours = await pair.recycler.waits(asked.id)
    pair.maker.wire.closes("ContractNegotiationEventMessage")
    pair.recycler.wire.closes(TERMINATION)
    await contracts.accept(pair.recycler.world, ours.id)
    await contracts.terminate(pair.maker.world, ours.peer_pid, "Changed our mind.")
    await _cross(pair, TERMINATION, "ContractNegotiationEventMessage", first=first)
    ours = await pair.recycler.negotiation_is(asked.id, "TERMINATED")
    theirs = await pair.maker.negotiation_is(ours.peer_pid, "TERMINATED")
    assert ours.place.code == theirs.place.code == "operator.terminated"


@pytest.mark.parametrize("first", ["maker", "recycler"])
async def test_two_terminations_end_it_once_with_the_providers_reason_or_their_own(stage: Stage, first: str) -> None:
    maker, recycler, theirs, ours = await _standing(stage, "AGREED")
    pair = Pair(maker, recycler, stage)
    for end in (maker, recycler):
        end.wire.closes(TERMINATION)
    await contracts.terminate(maker.world, theirs.id, "We first.")
    await contracts.terminate(recycler.world, ours.id, "No, we.")
    await _cross(pair, TERMINATION, TERMINATION, first=first)
    await recycler.negotiation_is(ours.id, "TERMINATED")
    await maker.negotiation_is(theirs.id, "TERMINATED")


async def test_a_peer_that_only_pretends_a_crossing_does_not_make_us_repeat_ourselves(stage: Stage) -> None:
    from .scripted import Reply, asks, scripted

    end = await stage.start("solo")
    async with scripted() as peer:
        known = await peer.known_to(end)
        pid = (await asks(end, known)).id
        await end.negotiation_is(pid, "REQUESTED")
        peer.always = Reply(400, {"@type": "ContractNegotiationError", "code": "state.crossed", "reason": ["Wait for mine."]})
        await peer.agrees(end, pid)
        stood = await end.until(pid, lambda it: "Verification" in peer.heard()[-1] and not it.place.waiting, Negotiation)
        assert (stood.place.state, stood.place.sent) == ("AGREED", "")
        assert await end.letters(pid) == []
        assert len(peer.heard()) == 2
        assert json.dumps(await end.said(pid)).count("Verification") == 1
