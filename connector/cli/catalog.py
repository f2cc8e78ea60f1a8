"""`saltbridge catalog`: what a peer offers, and whether it is for you."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from . import complete, table
from .client import Client, part
from .table import Column

COLUMNS = (
    Column("title", "DATASET"),
    Column("content", "CONTENT"),
    Column("terms", "TERMS"),
    Column("for_you_text", "FOR YOU"),
)
PIPED = (
    Column("dataset", ""),
    Column("view", ""),
    Column("scope", ""),
    Column("content", ""),
    Column("terms", ""),
    Column("for_you_text", ""),
)


def catalog(
    peer: Annotated[str, typer.Argument(help="A peer by name or id.", autocompletion=complete.peers)],
    dataset: Annotated[str, typer.Argument(help="One dataset: a view's name or an id.")] = "",
    form: Annotated[str, typer.Option("--as", help="turtle or json-ld: the whole catalog as RDF.")] = "",
    json: table.Json = False,
) -> None:
    """Read what a peer offers: contents, terms in plain words, and whether you could accept them.

    Example: saltbridge catalog maker
    """
    if form:
        content, _ = Client.from_home().download(f"/peers/{part(peer)}/catalog", as_=form)
        sys.stdout.buffer.write(content)
        return
    shown = Client.from_home().post("/catalog", {"peer": peer, "dataset": dataset})
    if json:
        table.print_json(shown)
        return
    rows = [each | {"content": each["problem"] or each["content"], "for_you_text": each["for_you"]["text"]} for each in shown["datasets"]]
    count = len(rows)
    heading = f"{shown['peer']} · {shown['peer_id']} · {shown['protocol']} · {count} dataset{'' if count == 1 else 's'}"
    if dataset and count == 1 and table.on_terminal():
        _one(heading, rows[0])
    else:
        table.table(rows, COLUMNS, piped=PIPED, title=heading, empty=f"{shown['peer']} shows you nothing. Ask its operator.")
    for text in (*shown["notes"], *(f"not followed: {link}" for link in shown["not_followed"])):
        table.note(text)


def _one(heading: str, row: dict[str, object]) -> None:
    table.say(heading)
    table.fields(
        [
            ("dataset", row["title"]),
            ("id", row["dataset"]),
            ("content", row["content"]),
            ("terms", row["terms"]),
            ("for you", row["for_you_text"]),
            ("grant", row["grant"]),
        ]
    )
