"""Fixtures of running nodes: a stage to start them on, and two that know each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .stage import Pair, Stage, introduced


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    await stage.close()


@pytest.fixture
async def pair(stage: Stage) -> Pair:
    return await introduced(stage, await stage.start("maker"), await stage.start("recycler"))
