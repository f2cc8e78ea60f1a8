"""A node killed at any message and started again goes on where it was: for each message, its sender once and its receiver once."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import Tally, matrix
from .play import Run

MOMENTS = {"before-settle", "before-answer"}  # the other moments, each commit, and PostgreSQL: scripts/faults


@pytest.mark.timeout(300)
async def test_a_node_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    cases = [case for case in matrix("sqlite") if case.family == "kill" and case.what in MOMENTS]
    tally = Tally()
    await Run("sqlite", tmp_path, 0, tally).play(cases, pairs=2)
    assert not tally.failed, "\n".join(f"{name}: {why}" for name, why in tally.failed)
    assert tally.survived == len(cases) > 40
