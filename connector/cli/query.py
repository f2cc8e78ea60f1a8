"""`saltbridge query`: SPARQL over one's own batteries, or over what a peer offers."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from connector.text import clean

from . import complete, table
from .client import Client
from .table import Column


def query(
    text: Annotated[str, typer.Argument(metavar="SPARQL", help="A question; its prefixes are known: sb, condition, nameplate, dcat ...")],
    peer: Annotated[str, typer.Option("--peer", help="Over this peer's catalog, fetched now.", autocompletion=complete.peers)] = "",
    of: Annotated[str, typer.Option("--of", help="Over one battery or one model only.", autocompletion=complete.batteries)] = "",
    rows: Annotated[int, typer.Option("--rows", min=1, max=10_000, help="At most so many rows.")] = 1000,
    json: table.Json = False,
) -> None:
    """Ask your own batteries, or a peer's catalog, in SPARQL.

    Read-only: nothing is written and nothing is fetched. A part is sb:condition, its elements condition:StateOfCharge and so on.

    Example: saltbridge query 'SELECT ?b ?n { ?b sb:condition/condition:NumberOfFullCycles/condition:NumberOfFullCyclesValue ?n }'
    """
    client = Client.from_home()
    patient = Client(client.host, client.port, client.token, client.home, client.certificate, timeout=60.0)
    told = patient.post("/query", {"query": text, "peer": peer, "of": of, "rows": rows})
    if json:
        table.print_json(told)
    elif "answer" in told:
        table.say("yes" if told["answer"] else "no")
    elif "text" in told:
        sys.stdout.write(told["text"])
    else:
        columns = tuple(Column(name, name.upper()) for name in told["columns"])
        found = [dict(zip(told["columns"], map(_shown, row), strict=True)) for row in told["rows"]]
        table.table(found, columns, empty="Nothing fits.")
        if told["more"]:
            table.note(f"There is more: --rows shows more than {rows}.")


def _shown(cell: dict[str, Any] | None) -> str:
    return clean(str(cell["value"]), 300) if cell else ""
