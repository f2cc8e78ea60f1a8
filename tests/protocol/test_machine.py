"""The rules that keep two ends together, one by one (test_model.py proves them as a whole)."""

import pytest

from connector.errors import Illegal
from connector.protocol.machine import IllegalMove, Position, Repeated, Side
from connector.protocol.negotiation import NEGOTIATION, Message, State

C, P = Side.CONSUMER, Side.PROVIDER


def test_a_state_moves_only_when_the_message_is_acknowledged():
    sent = NEGOTIATION.send(Position(C), Message.REQUEST)
    assert (sent.state, sent.sent, sent.waiting) == (None, Message.REQUEST, True)
    assert NEGOTIATION.answered(sent, accepted=True) == Position(C, State.REQUESTED)
    assert NEGOTIATION.answered(sent, accepted=False) == Position(C)


def test_nothing_else_is_sent_while_an_answer_is_outstanding():
    sent = NEGOTIATION.send(Position(C, State.OFFERED), Message.ACCEPT)
    with pytest.raises(IllegalMove, match="unanswered"):
        NEGOTIATION.send(sent, Message.TERMINATE)


def test_a_reply_proves_delivery_before_the_answer_comes():
    sent = NEGOTIATION.send(Position(C), Message.REQUEST)
    replied = NEGOTIATION.received(sent, Message.AGREEMENT, "m1")
    assert (replied.state, replied.sent, replied.waiting) == (State.AGREED, None, True)
    for late in (True, False):
        assert NEGOTIATION.answered(replied, accepted=late).state is State.AGREED


def test_something_outside_the_conversation_can_prove_delivery():
    sent = NEGOTIATION.send(Position(P, State.VERIFIED), Message.FINALIZE)
    proven = NEGOTIATION.delivered(sent)
    assert (proven.state, proven.sent, proven.waiting) == (State.FINALIZED, None, True)
    assert NEGOTIATION.delivered(proven) == proven
    assert NEGOTIATION.answered(proven, accepted=False) == Position(P, State.FINALIZED)


@pytest.mark.parametrize(
    ("side", "state", "ours", "theirs", "stands"),
    [
        (P, State.VERIFIED, Message.FINALIZE, Message.TERMINATE, False),  # ending beats finishing
        (C, State.VERIFIED, Message.TERMINATE, Message.FINALIZE, True),
        (P, State.REQUESTED, Message.TERMINATE, Message.TERMINATE, True),  # a tie: the provider's
        (C, State.REQUESTED, Message.TERMINATE, Message.TERMINATE, False),
        (C, State.AGREED, Message.VERIFY, Message.TERMINATE, False),  # ending beats a step
    ],
)
def test_the_stronger_of_two_crossing_messages_stands(side, state, ours, theirs, stands):
    sent = NEGOTIATION.send(Position(side, state), ours)
    if stands:
        with pytest.raises(IllegalMove, match="stands"):
            NEGOTIATION.received(sent, theirs)
    else:
        after = NEGOTIATION.received(sent, theirs)
        assert (after.state, after.sent, after.waiting) == (State.TERMINATED, None, True)


def test_a_repeat_changes_nothing_and_a_new_message_of_equal_content_is_judged_anew():
    offered = NEGOTIATION.received(Position(C, State.REQUESTED), Message.OFFER, "m1")
    with pytest.raises(Repeated):
        NEGOTIATION.received(offered, Message.OFFER, "m1")
    with pytest.raises(IllegalMove):  # kit CN:03-04
        NEGOTIATION.received(offered, Message.OFFER, "m2")


def test_without_a_digest_nothing_counts_as_a_repeat():
    with pytest.raises(IllegalMove):
        NEGOTIATION.received(Position(C, State.OFFERED, last=""), Message.OFFER, "")


def test_an_illegal_move_is_an_answer_that_names_message_state_and_way_out():
    with pytest.raises(Illegal) as caught:
        NEGOTIATION.received(Position(C, State.OFFERED), Message.AGREEMENT)
    assert (caught.value.status, caught.value.code) == (400, "state.illegal")
    what, why, next = caught.value.reasons()
    assert "ContractAgreementMessage" in what
    assert why == "the provider may not send it in OFFERED"
    assert "GET" in next
