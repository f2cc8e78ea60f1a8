"""The whole table of contract negotiation: every state, side and message."""

import itertools

import pytest

from connector.protocol.machine import IllegalMove, Position, Side
from connector.protocol.negotiation import FINAL, NEGOTIATION, Message, State

# DSP 2025-1, `contract.negotiation.state.machine`, once more and written differently; TERMINATE by the text: either side, any time.
LEGAL = """
-          consumer REQUEST    REQUESTED
-          provider OFFER      OFFERED
REQUESTED  provider OFFER      OFFERED
REQUESTED  provider AGREEMENT  AGREED
OFFERED    consumer REQUEST    REQUESTED
OFFERED    consumer ACCEPT     ACCEPTED
ACCEPTED   provider AGREEMENT  AGREED
AGREED     consumer VERIFY     VERIFIED
VERIFIED   provider FINALIZE   FINALIZED
REQUESTED  both     TERMINATE  TERMINATED
OFFERED    both     TERMINATE  TERMINATED
ACCEPTED   both     TERMINATE  TERMINATED
AGREED     both     TERMINATE  TERMINATED
VERIFIED   both     TERMINATE  TERMINATED
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
            NEGOTIATION.send(ours, message)
        with pytest.raises(IllegalMove):
            NEGOTIATION.received(theirs, message)
    else:
        assert NEGOTIATION.answered(NEGOTIATION.send(ours, message), accepted=True).state is to
        assert NEGOTIATION.received(theirs, message).state is to


def test_nothing_leaves_a_final_state():
    assert {State.FINALIZED, State.TERMINATED} == FINAL
    assert not [key for key in NEGOTIATION.table if key[0] in FINAL]


def test_states_and_messages_are_spelled_as_on_the_wire():
    assert all(state.value == state.name for state in State)
    assert Message.ACCEPT == "ContractNegotiationEventMessage:ACCEPTED"
