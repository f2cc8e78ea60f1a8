"""A hint can be typed as it stands: it names the home that this command was given, and never ours in another operator's command."""

from __future__ import annotations

import pytest

from connector.cli.hints import hint
from connector.cli.table import error_lines
from connector.errors import Hidden


@pytest.mark.parametrize(
    ("home", "text", "told"),
    [
        ("", "next: saltbridge peer ping maker", "next: saltbridge peer ping maker"),
        ("tour/maker", "next: saltbridge peer ping maker", "next: saltbridge --home tour/maker peer ping maker"),
        ("my node", "saltbridge pull, or: saltbridge status", "saltbridge --home 'my node' pull, or: saltbridge --home 'my node' status"),
        ("x", "ask maker to vouch (peer add ... --claim role=x)", "ask maker to vouch (peer add ... --claim role=x)"),
        ("x", "saltbridge --home y serve", "saltbridge --home y serve"),
        ("x", "Give the user that runs saltbridge write access.", "Give the user that runs saltbridge write access."),
    ],
)
def test_a_hint_names_the_home_that_was_given(monkeypatch: pytest.MonkeyPatch, home: str, text: str, told: str) -> None:
    monkeypatch.setenv("SALTBRIDGE_HOME", home)
    assert hint(text) == told


def test_so_does_the_next_step_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALTBRIDGE_HOME", "demo/maker")
    assert error_lines(Hidden("There is no such peer.", "saltbridge peer list"))[-1] == "next  saltbridge --home demo/maker peer list"
