"""In every test: what a node of this process writes is valid under the published schemas of DSP 2025-1, where these are present."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.exchange import compose
from connector.protocol import wire

from . import official
from .faults.seed import VARIABLE, seed

_WRITERS = ((wire, "write"), (wire, "write_document"), (wire, "error_body"), (compose, "with_address"))


@pytest.fixture(autouse=True, scope="session")
def faults_of_what_nodes_write() -> Iterator[list[str]]:
    """The faults of what has been written since somebody last looked."""
    faults: list[str] = []

    def watched(write: Callable[..., bytes]) -> Callable[..., bytes]:
        def written(*args: Any, **more: Any) -> bytes:
            body = write(*args, **more)
            document = json.loads(body)
            faults.extend(f"{fault} in {document}" for fault in official.faults(document))
            return body

        return written

    with pytest.MonkeyPatch.context() as patch:
        for module, name in _WRITERS if official.schemas() else ():
            patch.setattr(module, name, watched(getattr(module, name)))
        yield faults


@pytest.fixture(autouse=True)
def no_home_of_another_test() -> Iterator[None]:
    """A command that was given --home leaves it in the environment of its process, which here is everybody's."""
    before = os.environ.pop("SALTBRIDGE_HOME", None)
    yield
    os.environ.pop("SALTBRIDGE_HOME", None)
    if before is not None:
        os.environ["SALTBRIDGE_HOME"] = before


@pytest.fixture(autouse=True)
def what_is_written_is_valid(faults_of_what_nodes_write: list[str]) -> Iterator[None]:
    faults_of_what_nodes_write.clear()
    yield
    assert not faults_of_what_nodes_write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which sample of all faults was tried, so that it can be tried again."""
    tried = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    if any(report.nodeid.startswith("tests/faults/test_sample") for report in tried):
        terminalreporter.write_line(f"faults: this sample again with {VARIABLE}={seed()}")
