"""The engine both DSP conversations run on.

A machine is a table, (state, sender, message) -> state, and a few moves on a
Position.  Nothing here knows which role we play, how a message travels or
where a process is kept, so the same table judges what we send and what we get.

A record writes state None (the opening is not acknowledged yet), no message and
no digest as ""; `Position` takes plain values, so the mapping is
`State(place.state) if place.state else None` and `position.state or ""`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from connector.errors import Illegal
from connector.frozen import replace


class Side(StrEnum):
    CONSUMER = "consumer"
    PROVIDER = "provider"

    @property
    def other(self) -> Side:
        return Side.PROVIDER if self is Side.CONSUMER else Side.CONSUMER


class Weight(IntEnum):
    """Which of two crossing messages stands: ending beats finishing beats everything else."""

    STEP, FINISH, END = range(3)


class IllegalMove(Illegal):
    """The conversation does not allow this message now (DSP 2025-1: answer 400, no transition)."""

    def __init__(self, message: Message, why: str) -> None:
        super().__init__(f"{message} is not allowed now.", why, "Read the state of the process (GET) and go on from there.")


class Repeated(Exception):
    """The message that brought us here, sent again: answer as before, change nothing."""


State = StrEnum
Message = StrEnum
Table = Mapping[tuple[State | None, Side, Message], State]


@dataclass(frozen=True, slots=True)
class Position:
    """One end of one conversation: the state both have agreed on, and our message still unanswered."""

    side: Side
    state: State | None = None
    sent: Message | None = None  # on the wire, still able to move us
    waiting: bool = False  # an answer is outstanding: send nothing else
    last: str | None = None  # digest of the last message we applied, its @id included


@dataclass(frozen=True, slots=True)
class Machine:
    table: Table
    weight: Mapping[Message, Weight]

    def send(self, at: Position, message: Message) -> Position:
        """May we?  The position while our message is on its way; IllegalMove when it may not leave now."""
        if at.waiting:
            raise IllegalMove(message, f"the {at.side}'s last message is still unanswered in {_name(at.state)}")
        if (at.state, at.side, message) not in self.table:
            raise IllegalMove(message, f"the {at.side} may not send it in {_name(at.state)}")
        return replace(at, sent=message, waiting=True)

    def received(self, at: Position, message: Message, digest: str = "") -> Position:
        """May they?  The position after their message; Repeated when it is the last one again, IllegalMove when they may not."""
        if digest and digest == at.last:
            raise Repeated
        if at.sent is not None:  # a reply proves delivery, even when it overtakes the HTTP answer
            proven = self.table[at.state, at.side, at.sent]
            if reply := self.table.get((proven, at.side.other, message)):
                return replace(at, state=reply, sent=None, last=digest)
        to = self.table.get((at.state, at.side.other, message))
        if to is None:
            raise IllegalMove(message, f"the {at.side.other} may not send it in {_name(at.state)}")
        if at.sent is not None and self._outranks(at.sent, at.side, message):
            raise IllegalMove(message, f"it crossed the {at.side}'s {at.sent}, which stands")
        keep = at.sent if (to, at.side, at.sent) in self.table else None
        return replace(at, state=to, sent=keep, last=digest)

    def delivered(self, at: Position) -> Position:
        """Something else proves that our message arrived (a TransferRequest proves our FINALIZED); its answer is still owed."""
        if at.sent is None:
            return at
        return replace(at, state=self.table[at.state, at.side, at.sent], sent=None)

    def answered(self, at: Position, accepted: bool) -> Position:
        """The HTTP answer to our message came: 2xx moves us, anything else leaves us where we were."""
        return replace(self.delivered(at) if accepted else at, sent=None, waiting=False)

    def _outranks(self, ours: Message, side: Side, theirs: Message) -> bool:
        return (self.weight[ours], side is Side.PROVIDER) > (self.weight[theirs], side.other is Side.PROVIDER)


def _name(state: State | None) -> str:
    return str(state) if state else "a process that has not begun"
