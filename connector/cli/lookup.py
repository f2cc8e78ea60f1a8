"""`saltbridge lookup`: from an identifier to the datasets that a peer shows of that battery."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.text import clean

from . import complete, table
from .client import Client
from .table import Column

_DATASETS = (Column("title", "DATASET"), Column("parts", "CONTENT"), Column("dataset", "ID"))


def lookup(
    peer: Annotated[str, typer.Argument(help="A peer by name, id or address; - asks all of them.", autocompletion=complete.peers)],
    identifier: Annotated[str, typer.Argument(help="A serial number, the text of a QR code, or any other identifier.")],
    json: table.Json = False,
) -> None:
    """Find a battery at a peer by an identifier, and what the peer offers of it.

    Example: saltbridge lookup maker 000017
    """
    told = Client.from_home().post("/lookup", {"identifier": identifier, "peer": "" if peer == "-" else peer})
    if json:
        table.print_json(told)
        return
    for found in told["found"]:
        table.say(f"{found['battery'] or found['shell']} at {found['peer']}")
        for name, value in found["ids"].items():
            table.say(f"  {name:<24} {clean(value, 200)}")
        rows = [{**each, "parts": ", ".join(each["parts"])} for each in found["datasets"]]
        table.table(rows, _DATASETS, empty="No dataset of it is shown to us; what is public: saltbridge catalog " + found["peer"])
        for note in found["notes"]:
            table.note(note)
        if found["datasets"]:
            battery = found["battery"] or identifier
            table.note(f"Next: saltbridge pull {found['peer']} {found['datasets'][0]['dataset']} --battery {battery}")
