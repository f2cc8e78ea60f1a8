"""What a command shows: tables on a terminal, tab-separated lines on a pipe, JSON when asked; refusals in one shape.

Results go to stdout, everything else (progress, questions, errors) to stderr.  Text that a peer wrote is
made harmless on its way to a terminal.  `rich` is imported only when a terminal is there to use it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from connector.errors import PeerRefused, SaltbridgeError
from connector.text import clean, local, short

from .hints import hint

# Options that every noun spells the same way.
Json = Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask (for scripts).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, change nothing.")]

CELL = 400  # characters of one cell
GAP = 2  # spaces between two columns
WIDE = 100  # characters of a line that two things may share


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key of a row, its heading, and how a terminal shows the value (a pipe gets it plain)."""

    key: str
    heading: str
    show: Callable[[Any], str] | None = None
    right: bool = False


def instant(value: object) -> str:
    """Local time with offset; `-` for none."""
    return local(str(value)) if value else "-"


def show_id(value: object) -> str:
    return short(str(value))


def on_terminal() -> bool:
    return sys.stdout.isatty()


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    piped: Sequence[Column] = (),
    title: str = "",
    empty: str = "",
) -> None:
    """Rows as a table on a terminal (`empty` when there are none), as tab-separated lines without headings on a pipe.

    A pipe gets the same columns, or those of `piped` where a program needs others (whole ids) than a person.
    """
    if not on_terminal():
        for row in rows:
            print("\t".join(_plain(row.get(column.key)) for column in piped or columns))
        return
    if title:
        print(clean(title))
    if not rows:
        print(hint(empty) or "none")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    cells = [[_shown(column, row.get(column.key)) for column in columns] for row in rows]
    widths = _widths([[column.heading for column in columns], *cells], console.width)
    grid = Table(box=None, header_style="" if os.environ.get("NO_COLOR") else "bold", pad_edge=False, padding=(0, GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        grid.add_column(column.heading, justify="right" if column.right else "left", overflow="fold", width=width)
    for line in cells:
        grid.add_row(*(Text(cell) for cell in line))
    console.print(grid)


def _widths(lines: Sequence[Sequence[str]], room: int) -> list[int]:
    """How wide each column is: the widest give way first, none below its longest word, so that lines break between words only."""
    from rich.cells import cell_len

    columns = list(zip(*lines, strict=True))
    widths = [max(cell_len(cell) for cell in column) for column in columns]
    least = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    over = sum(widths) + GAP * (len(columns) - 1) - room
    for _ in range(max(0, over)):
        widest = max(range(len(columns)), key=lambda at: widths[at] if widths[at] > least[at] else 0)
        widths[widest] -= widths[widest] > least[widest]
    return widths


def fields(pairs: Sequence[tuple[str, object]]) -> None:
    """One thing as `name  value` lines (a tab between them on a pipe); values that are empty are left out."""
    kept = [(name, value) for name, value in pairs if value not in (None, "", [], {}, ())]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        print(f"{name:<{width}}  {_plain(value)}" if on_terminal() else f"{name}\t{_plain(value)}")


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def say(text: str) -> None:
    """A line of the result."""
    print(clean(text))


def note(text: str) -> None:
    """A line beside the result: progress, a hint, a warning."""
    print(clean(hint(text)), file=sys.stderr)


def confirm(question: str, *, yes: bool) -> None:
    """Go on only after a yes; ends the command with exit code 1 otherwise (2 when nobody is there to ask)."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("this asks for a yes and nobody is there to give it: add --yes", param_hint="--yes")
    if not typer.confirm(clean(question), err=True):
        note("Nothing changed.")
        raise typer.Exit(1)


def error_lines(error: SaltbridgeError) -> list[str]:
    """An error in at most three lines (what, why, next); a peer's refusal in its own shape."""
    if isinstance(error, PeerRefused):
        return refusal_lines(error)
    why = " · ".join(text for text in (f"at {error.where}" if error.where else "", error.why, *error.details[:3]) if text)
    more = len(error.details) - 3
    why += f" · and {more} more" if more > 0 else ""
    number = f" (decision {error.decision})" if error.decision else ""
    lines = [f"what  {error.what}", f"why   {why}{number}" if why or number else "", f"next  {hint(error.next)}" if error.next else ""]
    return [clean(line) for line in lines if line]


def refusal_lines(error: PeerRefused) -> list[str]:
    """The four answers of experience.md section 2: what, why, next, code; and who refused in which process."""
    process = f" · {error.process_kind} {short(error.process)}" if error.process else ""
    noun = "contract" if error.process_kind == "negotiation" else error.process_kind
    timeline = hint(f"saltbridge {noun} timeline {short(error.process)}") if error.process else ""
    code = " · ".join(text for text in (error.code, f"decision {error.decision}" if error.decision else "") if text)
    whys = [text for text in (error.why, *error.details) if text] or ["no reason given"]
    lines = [f"refused by {error.by or 'the peer'}{process}", f"  what  {error.what}", f"  why   {whys[0]}"]
    lines += [f"        {why}" for why in whys[1:]]
    lines += [f"  next  {hint(error.next)}"] if error.next else []
    coded = f"  code  {code:<50} {timeline}".rstrip()
    lines += [coded] if len(coded) <= WIDE else [f"  code  {code}", f"        {timeline}"]
    return [clean(line) for line in lines]


def error_json(error: SaltbridgeError) -> dict[str, object]:
    """The same as JSON, with the keys of the operator API."""
    body: dict[str, object] = {
        "what": error.what,
        "why": error.why,
        "next": error.next,
        "code": error.code,
        "decision": error.decision,
        "where": error.where,
        "details": list(error.details),
    }
    if isinstance(error, PeerRefused):
        body |= {"by": error.by, "process_kind": error.process_kind, "process": error.process}
    return body


def _shown(column: Column, value: Any) -> str:
    if value is None or value == "":
        return "-"
    return clean(column.show(value), CELL) if column.show else _plain(value)


def _plain(value: object) -> str:
    """A value as one clean word for a pipe: lists joined by commas, booleans as yes and no."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return clean(", ".join(_plain(item) for item in value), CELL)
    if isinstance(value, dict):
        return clean(json.dumps(value, ensure_ascii=False), CELL)
    return clean(value, CELL)
