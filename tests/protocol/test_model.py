"""Two ends, one slow and lossy wire: every interleaving, and at rest both ends stand in the same state.

The wire delays, reorders the two directions, and loses up to two answers; a message whose answer was lost is sent again, as
the outbox does.  An end sends whatever the table allows it, at any moment.  (A copy that arrives after a *later* message of
the same sender is out of scope: the outbox sends the next message only when the last one is answered.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from connector.protocol import negotiation, transfer
from connector.protocol.machine import IllegalMove, Machine, Message, Position, Repeated, Side, State


@dataclass(frozen=True, slots=True)
class OnTheWire:
    message: Message
    digest: str
    accepted: bool | None = None  # None: on its way to the peer; else its answer is on its way back


@dataclass(frozen=True, slots=True)
class World:
    ends: tuple[Position, Position]  # consumer, provider
    wires: tuple[OnTheWire | None, OnTheWire | None] = (None, None)  # what each has under way, with its answer
    opener: int = 0  # a process has one opener: two openings are two processes
    messages: int = 0  # sent so far
    losses: int = 2  # answers that may still get lost


def _with(pair: tuple, index: int, value: object) -> tuple:
    return (value, pair[1]) if index == 0 else (pair[0], value)


def _next(machine: Machine, world: World, budget: int, words: type[Message]) -> Iterator[World]:
    for index, (at, wire) in enumerate(zip(world.ends, world.wires, strict=True)):
        if wire is None:
            if world.messages < budget and (at.state is not None or index == world.opener):
                yield from _sendings(machine, world, index, at, words)
        elif wire.accepted is None:
            yield from _arrivals(machine, world, index, wire)
        else:
            ends = _with(world.ends, index, machine.answered(at, wire.accepted))
            yield replace(world, ends=ends, wires=_with(world.wires, index, None))


def _sendings(machine: Machine, world: World, index: int, at: Position, words: type[Message]) -> Iterator[World]:
    for message in words:
        try:
            after = machine.send(at, message)
        except IllegalMove:
            continue
        wire = OnTheWire(message, f"{at.side}-{world.messages}")
        yield replace(world, ends=_with(world.ends, index, after), wires=_with(world.wires, index, wire), messages=world.messages + 1)


def _arrivals(machine: Machine, world: World, index: int, wire: OnTheWire) -> Iterator[World]:
    receiver = 1 - index
    ends = world.ends
    try:
        ends = _with(ends, receiver, machine.received(ends[receiver], wire.message, wire.digest))
        accepted = True
    except Repeated:
        accepted = True
    except IllegalMove:
        accepted = False
    yield replace(world, ends=ends, wires=_with(world.wires, index, replace(wire, accepted=accepted)))
    if world.losses:
        yield replace(world, ends=ends, losses=world.losses - 1)  # the answer is lost, the message goes out again


def _explore(machine: Machine, words: type[Message], budget: int) -> tuple[int, set[tuple[State | None, State | None]]]:
    """(worlds seen, pairs of different states at rest)."""
    starts = [World((Position(Side.CONSUMER), Position(Side.PROVIDER)), opener=opener) for opener in (0, 1)]
    seen, todo, apart = set(starts), starts, set()
    while todo:
        world = todo.pop()
        if world.wires == (None, None) and world.ends[0].state != world.ends[1].state:
            apart.add((world.ends[0].state, world.ends[1].state))
        for after in _next(machine, world, budget, words):
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return len(seen), apart


class Unranked(Machine):
    """Without *the stronger stands*."""

    def _outranks(self, ours: Message, side: Side, theirs: Message) -> bool:
        return False


class Forgetful(Machine):
    """Without *a repeat changes nothing*."""

    def received(self, at: Position, message: Message, digest: str = "") -> Position:
        return Machine.received(self, at, message)


def test_both_ends_of_a_negotiation_come_to_the_same_state():
    seen, apart = _explore(negotiation.NEGOTIATION, negotiation.Message, 8)
    assert not apart
    assert seen > 10_000


@pytest.mark.parametrize("lame", [Unranked, Forgetful])
def test_without_a_rule_the_ends_part(lame):
    table, weight = negotiation.NEGOTIATION.table, negotiation.NEGOTIATION.weight
    _, apart = _explore(lame(table, weight), negotiation.Message, 5)
    assert apart


def test_both_ends_of_a_transfer_come_to_the_same_state_or_meet_the_one_known_race():
    """A suspension that crosses a renewing START: DSP messages carry no order, so after a crossing the peer's state is read."""
    started, suspended = transfer.State.STARTED, transfer.State.SUSPENDED
    _, three = _explore(transfer.TRANSFER, transfer.Message, 3)
    _, four = _explore(transfer.TRANSFER, transfer.Message, 4)
    seen, six = _explore(transfer.TRANSFER, transfer.Message, 6)
    assert not three
    assert four == {(started, suspended)}  # REQUEST, START, then the consumer's SUSPEND crosses the provider's START
    assert six == {(started, suspended), (suspended, started)}
    assert seen > 10_000
