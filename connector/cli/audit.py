"""`saltbridge audit`: the chain of evidence, read and verified, also from a file without any node."""

from __future__ import annotations

import json as jsonlib
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.errors import Malformed
from connector.text import clean, short

from . import table
from .client import Client
from .table import Column, instant

app = typer.Typer(no_args_is_help=True)

ENTRIES = (
    Column("seq", "NO", right=True),
    Column("at", "TIME", instant),
    Column("event", "EVENT"),
    Column("subject", "ABOUT", table.show_id),
    Column("data", "DETAIL", lambda data: _detail(data, brief=True)),
)
PIPED = (*ENTRIES[:4], Column("detail", ""))


@app.callback()
def audit() -> None:
    """Read and verify the audit chain."""


@app.command()
def show(
    last: Annotated[int, typer.Option("--last", help="The last entries only.", min=1, max=1000)] = 20,
    after: Annotated[int, typer.Option("--after", help="Entries after this number.")] = 0,
    everything: Annotated[bool, typer.Option("--all", help="The whole chain (with --json: to a file that verify reads).")] = False,
    json: table.Json = False,
) -> None:
    """Show entries of the chain, the newest at the end.

    Example: saltbridge audit show --all --json > chain.json
    """
    client = Client.from_home()
    if everything or after:
        rows = _whole(client, after) if everything else client.get("/audit", after=after, limit=last)
    else:
        rows = client.get("/audit", last=last)
    if json:
        table.print_json(rows)
        return
    rows = [row | {"detail": _detail(row["data"])} for row in rows]
    table.table(rows, ENTRIES, piped=PIPED, empty="nothing has happened yet")


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="A chain as `audit show --all --json` prints it; without it the running node's.")
    ] = None,
    json: table.Json = False,
) -> None:
    """Check every link of the chain; a file is checked without a node.

    Keep the head elsewhere: only it shows that the end was not cut off.

    Example: saltbridge audit verify chain.json
    """
    told = verify_file(file) if file is not None else Client.from_home().get("/audit/verify")
    if json:
        table.print_json(told)
    elif told["holds"]:
        table.say(f"the chain holds: {told['entries']} entries · head {told['head'] or '-'}")
    else:
        broken = told["break"]
        table.say(f"the chain is broken at entry {broken['seq']} of {broken['writer']}: {broken['why']}")
    if not told["holds"]:
        raise typer.Exit(4)


def verify_file(path: Path) -> dict[str, Any]:
    """The same answer as the node gives, for entries in a file; Malformed when it holds none."""
    from connector.offline import verify_chain

    try:
        return verify_chain(jsonlib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Malformed(f"{path} cannot be read.", str(error.strerror or error)) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Malformed(f"{path} is not an audit chain.", clean(error, 200), "Write one: saltbridge audit show --all --json") from error


def _whole(client: Client, after: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while page := client.get("/audit", after=rows[-1]["seq"] if rows else after, limit=1000):
        rows.extend(page)
    return rows


def _detail(data: dict[str, Any], *, brief: bool = False) -> str:
    """`name=value` words; brief ones have process ids and digests shortened, as a person reads them."""
    kept = {name: str(value) for name, value in data.items() if isinstance(value, str | int) and value != ""}
    return " ".join(f"{name}={_brief(value) if brief else value}" for name, value in kept.items())


def _brief(value: str) -> str:
    return f"{value[:12]}…" if re.fullmatch(r"[0-9a-f]{40,}", value) else short(value)
