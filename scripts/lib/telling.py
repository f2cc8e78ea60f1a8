"""How the demo is told: one line for each thing that happened, measured; tables where people compare."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

WIDE = 62  # column where the right half of a line begins
MARGIN, GAP = " " * 5, " " * 3  # before a table, between its columns
LEAST = 24  # columns that a text has at least


class Teller:
    """Prints the story to stdout as it happens; `quiet` (for --json) sends it to stderr instead."""

    def __init__(self, *, quiet: bool) -> None:
        self._to = sys.stderr if quiet else sys.stdout
        self._colour = self._to.isatty() and not os.environ.get("NO_COLOR")

    def line(self, text: str = "") -> None:
        print(text, file=self._to, flush=True)

    def title(self, text: str) -> None:
        self.line(self._bold(text))
        self.line()

    def step(self, number: int, text: str, result: str = "") -> None:
        """A numbered step of the story with what came of it."""
        left = f"{number}  {text}"
        self.line(self._bold(left) + (f"{' ' * max(2, WIDE + 2 - len(left))}{result}" if result else ""))

    def under(self, text: str, result: str = "") -> None:
        """A line below a step."""
        self.line(f"     {text}{' ' * max(2, WIDE - 3 - len(text))}{result}" if result else f"     {text}")

    def refused(self, text: str, why: str) -> None:
        self.under(text, self._red("refused: ") + why)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; on a terminal its last column continues below itself where the line would be too long."""
        widths = [max(len(str(row[at])) for row in [headings, *rows]) for at in range(len(headings))]
        room = shutil.get_terminal_size().columns - sum(widths[:-1]) - len(MARGIN) - len(GAP) * (len(widths) - 1)
        if self._to.isatty() and widths[-1] > room:
            widths[-1] = max(LEAST, room)
        for number, row in enumerate([headings, *rows]):
            *first, last = (str(cell) for cell in row)
            for more in textwrap.wrap(last, widths[-1], break_on_hyphens=False) or [""]:
                cells = GAP.join(cell.ljust(width) for cell, width in zip([*first, more], widths, strict=True)).rstrip()
                self.line(MARGIN + (self._dim(cells) if number == 0 else cells))
                first = [""] * len(first)

    def trouble(self, error: Exception) -> None:
        print(self._red("The demo stopped: ") + str(error), file=sys.stderr, flush=True)

    def next_steps(self, folder: Path, *, keep: bool) -> None:
        saltbridge = ".venv/bin/saltbridge"
        self.line()
        if not keep:
            self.line(f"Next: scripts/demo --keep, then  {saltbridge} --home {folder / 'recycler'} catalog maker")
            return
        self.line("Next, in another terminal:")
        for home, command in (
            ("recycler", "catalog maker"),
            ("recycler", "pull maker dismantling --battery EV-72.000019 --out ./000019"),
            ("recycler", "contract list"),
            ("maker", "view preview dismantling --battery EV-72.000017"),
            ("maker", "audit verify"),
            ("stranger", "catalog maker"),
        ):
            self.line(f"  {saltbridge} --home {folder / home} {command}")
        self.line()

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._colour else text

    def _red(self, text: str) -> str:
        return f"\x1b[31m{text}\x1b[0m" if self._colour else text
