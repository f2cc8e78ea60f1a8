"""The matrix is whole: every message in every role, every fault, every family on every store; and a sample of it is fair."""

from __future__ import annotations

import pytest

from connector.protocol.negotiation import NEGOTIATION
from connector.protocol.transfer import TRANSFER

from .bad_days import CHAINS, FAULTS, LASTING
from .cases import SOMETIMES, SOMETIMES_ON, STORES, matrix, sample, stories
from .node import FAILURES, RECEIVERS_MOMENTS, SENDERS_MOMENTS
from .run import chosen
from .stories import ROWS


def test_every_message_that_a_side_may_say_is_said_in_a_story() -> None:
    may = {(message, str(side)) for table in (NEGOTIATION.table, TRANSFER.table) for _, side, message in table}
    assert may == {(row.message, row.sender) for row in ROWS.values()}


@pytest.mark.parametrize("store", STORES)
def test_every_message_meets_every_fault_and_every_kill(store: str) -> None:
    cases = {(case.family, case.row, case.what) for case in matrix(store)}
    assert {("wire", row, fault) for row in ROWS for fault in (*FAULTS, *CHAINS)} <= cases
    assert {("kill", row, moment) for row in ROWS for moment in (*SENDERS_MOMENTS, "before-apply", "before-answer")} <= cases
    assert {("write", row, f"{side}-{how}") for row in stories() for side in ("consumer", "provider") for how in FAILURES[store]} <= cases
    assert {what for _, _, what in cases} >= {*LASTING, *RECEIVERS_MOMENTS}


@pytest.mark.parametrize("store", STORES)
def test_a_sample_is_the_same_for_the_same_seed_and_has_something_of_everything(store: str) -> None:
    assert sample(store, 30, 7) == sample(store, 30, 7) != sample(store, 30, 8)
    assert {case.family for case in sample(store, 30, 7)} == {case.family for case in matrix(store)}
    assert len(set(sample(store, 30, 7))) == 30


def test_a_case_is_named_so_that_it_can_be_tried_alone() -> None:
    for case in sample("sqlite", 20, 1):
        assert case in chosen("sqlite", [case.name], None, 1)


def test_no_rare_path_is_named_twice() -> None:
    names = [*SOMETIMES, *(name for more in SOMETIMES_ON.values() for name in more)]
    assert len(names) == len(set(names))
