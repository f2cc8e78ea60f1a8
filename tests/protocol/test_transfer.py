"""The whole table of the transfer process: every state, side and message."""

import itertools

import pytest

from connector.protocol.machine import IllegalMove, Position, Repeated, Side
from connector.protocol.transfer import FINAL, TRANSFER, Message, State

# DSP 2025-1, `transfer-process-state-machine`, once more; and a provider's START in STARTED, which renews (EDC does it).
LEGAL = """
-          consumer REQUEST    REQUESTED
REQUESTED  provider START      STARTED
STARTED    provider START      STARTED
STARTED    both     SUSPEND    SUSPENDED
STARTED    both     COMPLETE   COMPLETED
SUSPENDED  both     START      STARTED
REQUESTED  both     TERMINATE  TERMINATED
STARTED    both     TERMINATE  TERMINATED
SUSPENDED  both     TERMINATE  TERMINATED
"""


def _legal(text):
    for line in text.strip().splitlines():
        state, sender, message, to = line.split()
        for side in Side if sender == "both" else [Side(sender)]:
            yield (None if state == "-" else State[state], side, Message[message]), State[to]


@pytest.mark.parametrize(("state", "sender", "message"), list(itertools.product([None, *State], Side, Message)))
def test_table(state, sender, message):
    to = dict(_legal(LEGAL)).get((state, sender, message))
    ours, theirs = Position(sender, state), Position(sender.other, state)
    if to is None:
        with pytest.raises(IllegalMove):
            TRANSFER.send(ours, message)
        with pytest.raises(IllegalMove):
            TRANSFER.received(theirs, message)
    else:
        assert TRANSFER.answered(TRANSFER.send(ours, message), accepted=True).state is to
        assert TRANSFER.received(theirs, message).state is to


def test_nothing_leaves_a_final_state():
    assert {State.COMPLETED, State.TERMINATED} == FINAL
    assert not [key for key in TRANSFER.table if key[0] in FINAL]


def test_a_new_start_renews_and_the_same_start_changes_nothing():
    started = TRANSFER.received(Position(Side.CONSUMER, State.REQUESTED), Message.START, "first")
    renewed = TRANSFER.received(started, Message.START, "second")
    assert (renewed.state, renewed.last) == (State.STARTED, "second")
    with pytest.raises(Repeated):
        TRANSFER.received(renewed, Message.START, "second")
