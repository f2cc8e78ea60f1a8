"""Every row of the kit's scenarios has failed: against a node with one planted fault of its own."""

from __future__ import annotations

import asyncio
import re

import pytest

from . import script
from .faults import FAULTS
from .ids import IDS
from .kit import Manner
from .planting import planted
from .play import played
from .scenarios import ROWS, Row

IMPATIENT = Manner(wait=3.0)  # seconds; what never comes is not waited for longer


def test_each_row_names_a_fault_of_its_own() -> None:
    assert sorted(row.fault for row in ROWS) == sorted(FAULTS)


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How each row failed, "" where it passed."""
    rows: dict[str, Row] = {}

    async def play() -> dict[str, str]:
        with planted(rows.get) as prepare:
            folder = tmp_path_factory.mktemp("faults") / "node"
            async with played(folder, IMPATIENT, after=script.ANSWER_AFTER, prepare=prepare, callbacks=rows) as run:
                return {id: each.failure for id, each in run.played.items()}

    return asyncio.run(play())


@pytest.mark.parametrize("id", IDS)
def test_the_row_fails_under_its_fault_and_says_so(failures: dict[str, str], id: str) -> None:
    [row] = [row for row in ROWS if row.id == id]
    assert re.search(FAULTS[row.fault].shows, failures[id]), failures[id] or "it passed"
