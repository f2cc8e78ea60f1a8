"""`saltbridge passport template` and `passport export`: files for spreadsheets and for other systems."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector.cli import complete
from connector.cli.client import Client, part
from connector.cli.pull import place
from connector.cli.table import note
from connector.errors import Malformed
from connector.text import size


class Form(StrEnum):
    csv = "csv"
    value = "value"
    aas_json = "aas-json"
    aasx = "aasx"
    folder = "folder"
    turtle = "turtle"
    json_ld = "json-ld"


Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file; text goes to the screen without it.")]


def template(
    name: Annotated[str, typer.Argument(metavar="PART", help="nameplate, handover, carbon, technical, condition, materials ...")],
    model: Annotated[str, typer.Option("--model", help="With a row for each of its batteries.", autocompletion=complete.models)] = "",
    out: Out = None,
) -> None:
    """Write the CSV template of a part: a column for each element, with its meaning, unit, type and example."""
    content, _ = Client.from_home().download(f"/passports/templates/{part(name)}", model=model)
    _give(content, out)
    if out is not None:
        note(f"Next: fill in its rows, then  saltbridge passport import {out} --dry-run")


def export(
    name: Annotated[str, typer.Argument(help="A battery, or a model with all its batteries.", autocompletion=complete.batteries)],
    form: Annotated[Form, typer.Option("--as", help="How: CSV, $value JSON, AAS JSON, AASX, a folder (zip), or RDF.")] = Form.value,
    view: Annotated[str, typer.Option("--view", help="Only what this view grants.", autocompletion=complete.views)] = "",
    only: Annotated[str, typer.Option("--part", help="One part of a CSV; all of them make a zip.")] = "",
    out: Out = None,
) -> None:
    """Take passports out, whole or through a view.

    What is taken out whole can be imported again and changes nothing.
    """
    content, media_type = Client.from_home().download(f"/passports/{part(name)}/export", as_=form.value, view=view, part=only)
    if out is None and not media_type.startswith(("text/", "application/json")):
        raise Malformed(f"{form.value} of {name} is no text.", next=f"Write it to a file: --out {name}.{_ENDING.get(form, 'zip')}")
    _give(content, out)


_ENDING = {Form.aasx: "aasx"}


def _give(content: bytes, out: Path | None) -> None:
    if out is None:
        sys.stdout.buffer.write(content)
        return
    place(out, content)
    note(f"wrote {out} · {size(len(content))}")
