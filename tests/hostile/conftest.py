"""One node per test process, shared by all tests that leave nothing behind on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .node import Node, running


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that a recycler and an oem know."""
    with running(tmp_path_factory.mktemp("hostile")) as node:
        yield node
        node.sound()


@pytest.fixture(scope="session")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Another one, whose operator is the clumsy one."""
    with running(tmp_path_factory.mktemp("managed")) as node:
        yield node
        node.sound()
