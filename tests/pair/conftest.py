"""Fixtures of the pair: real nodes, real HTTP, real files; at the end every message that crossed is held against the standard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from .nodes import DISMANTLING, End, Pair, Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Starts nodes on demand."""
    async with AsyncExitStack() as stack:
        stage = Stage(tmp_path, stack)
        yield stage
        await stage.rests()
    for end in stage.ends:
        assert end.wire.faults() == []


@pytest.fixture
async def pair(stage: Stage) -> Pair:
    """Two nodes that know each other; the maker vouches for the recycler and offers `dismantling` of EV-72."""
    maker, recycler = await stage.start("maker"), await stage.start("recycler")
    return await introduced(stage, maker, recycler)


@pytest.fixture
async def solo(stage: Stage) -> End:
    """One node that knows nobody yet and has nothing on offer."""
    return await stage.start("solo")


async def introduced(stage: Stage, maker: End, recycler: End) -> Pair:
    await maker.knows(recycler, role="recycler")
    await recycler.knows(maker)
    await maker.stock(DISMANTLING)
    return Pair(maker, recycler, stage)
