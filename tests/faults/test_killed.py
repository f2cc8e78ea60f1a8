"""A node killed at any message and started again goes on where it was: each message once, its sender and its receiver in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import Case, Tally
from .play import Run
from .stories import ROWS

MOMENTS = ("before-settle", "before-answer")  # the other moments, each commit, and PostgreSQL: scripts/faults


@pytest.mark.timeout(300)
async def test_a_node_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    cases = [Case("sqlite", "kill", row, MOMENTS[number % 2]) for number, row in enumerate(ROWS)]
    tally = Tally()
    await Run("sqlite", tmp_path, 0, tally).play(cases, pairs=2)
    assert not tally.failed, "\n".join(f"{name}: {why}" for name, why in tally.failed)
    assert tally.survived == len(cases)
