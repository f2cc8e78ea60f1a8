"""A sample of the matrix that `scripts/faults` tries whole, chosen by the day; the summary of the tests says by which seed."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..store.server import PostgresServer, running_server, why_not
from .cases import Tally, sample
from .play import Run
from .seed import VARIABLE, seed

NUMBER = {"sqlite": 24, "postgres": 12}
COMMITS = 2  # of those that a story makes, for each case of a commit


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
@pytest.mark.timeout(240)
async def test_a_sample_of_everything_that_can_go_wrong_is_survived(store: str, tmp_path: Path) -> None:
    tally = Tally()
    with _server(store) as server:
        run = Run(store, tmp_path, seed(), tally, server)
        commits = random.Random(seed()).sample(range(1, 5), COMMITS)
        await run.play(sample(store, NUMBER[store], seed()), pairs=2, numbers=sorted(commits))
    again = f"{VARIABLE}={seed()} (or: scripts/faults --store {store} --only CASE)"
    assert not tally.failed, "\n".join([f"the same again: {again}", *(f"{name}: {why}" for name, why in tally.failed)])
    assert tally.survived >= NUMBER[store]


@contextlib.contextmanager
def _server(store: str) -> Iterator[PostgresServer | None]:
    if store == "sqlite":
        yield None
        return
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as server:
        yield server
