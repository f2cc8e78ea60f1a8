"""Mistakes that a node may be started with, each of which the matrix must find: what makes it worth running."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from connector.exchange import negotiate, release, transfer
from connector.protocol import wire
from connector.records import Opening

_NUMBERS = itertools.count()


def forgets_what_it_heard() -> None:
    """Every message counts as a new one, however often it comes."""
    module: Any = wire
    module.digest = lambda _: f"never heard {next(_NUMBERS)}"


def opens_again() -> None:
    """A repeated opening message opens another process."""

    async def never(*_: Any) -> str:
        return ""

    def another(id: str, **more: Any) -> Opening:
        return Opening(id=f"{id} {next(_NUMBERS)}", **more)

    for module in (negotiate, transfer):
        talk: Any = module
        talk.opened, talk.Opening = never, another


def hands_out_what_is_over() -> None:
    """A token opens the data whatever has become of its transfer."""

    class Whatever:
        def __hash__(self) -> int:
            return 0

        def __eq__(self, _: object) -> bool:
            return True

    module: Any = release
    module.S = SimpleNamespace(STARTED=Whatever())


PLANTS: dict[str, Callable[[], None]] = {each.__name__: each for each in (forgets_what_it_heard, opens_again, hands_out_what_is_over)}
