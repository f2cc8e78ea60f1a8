"""What makes the matrix worth running: a node that makes a mistake does not survive it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import Case, Tally, try_shared
from .plants import PLANTS
from .processes import running_pair

FOUND = [
    ("forgets_what_it_heard", "start", "repeated", "has it 2 times"),
    ("opens_again", "transfer-request", "repeated", "has it 2 times"),
    ("opens_again", "request", "repeated", "has it 2 times"),
    ("hands_out_what_is_over", "suspension-provider", "delayed", "data of a transfer that is SUSPENDED: 200"),
]


def test_every_plant_is_looked_for() -> None:
    assert {plant for plant, *_ in FOUND} == set(PLANTS)


@pytest.mark.parametrize(("plant", "row", "path", "words"), FOUND, ids=[f"{plant}-{row}" for plant, row, *_ in FOUND])
async def test_the_matrix_finds_a_mistake(plant: str, row: str, path: str, words: str, tmp_path: Path) -> None:
    async with running_pair(tmp_path, "sqlite", {}, plant) as pair:
        with pytest.raises(AssertionError, match=words):
            await try_shared(Case("sqlite", "wire", row, path), pair, Tally(), 0)
