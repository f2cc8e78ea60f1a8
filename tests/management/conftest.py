"""The pair of nodes that tests of the EDC-shaped API drive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from .nodes import Two, serve, start


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        provider = await start(tmp_path, "maker", stack, plain=True)
        consumer = await start(tmp_path, "recycler", stack, plain=False)
        source = await serve(stack)
        await provider.knows(consumer, role="recycler")
        await consumer.knows(provider)
        yield Two(provider, consumer, source)
