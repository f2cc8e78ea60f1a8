"""`saltbridge qr`: the label of a battery, as a picture."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import typer

from connector.errors import Malformed

from . import complete, table
from .client import Client, part
from .pull import place


def qr(
    battery: Annotated[str, typer.Argument(help="A battery: id, serial or any identifier.", autocompletion=complete.batteries)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to: label.svg or label.png.")] = None,
    link: Annotated[
        str, typer.Option("--link", help="gs1, iec61406, plain or product; gs1 where the battery has a GTIN, else iec61406.")
    ] = "",
    size_mm: Annotated[float, typer.Option("--size-mm", help="A side on the battery, its white margin with it.")] = 0.0,
    engrave: Annotated[bool, typer.Option("--engrave", help="For engraving: the highest error correction.")] = False,
    json: table.Json = False,
) -> None:
    """Make the label of a battery: a QR code that leads to its public passport, and to its data for who has a contract.

    Says how large a module comes out, and what speaks against using it. Give the passport's address a host that stays.

    Example: saltbridge qr EV-72.000017 --out label.svg --size-mm 20 --engrave
    """
    if out is not None and out.suffix.lower() not in (".svg", ".png"):
        raise Malformed(f"{out} is neither SVG nor PNG.", next="Name it label.svg or label.png.")
    told = Client.from_home().get(f"/passports/{part(battery)}/label", link=link, size_mm=size_mm or "", engrave=engrave)
    if out is not None:
        drawn = told["svg"].encode() if out.suffix.lower() == ".svg" else base64.b64decode(told["png"])
        place(out, drawn)
    if json:
        table.print_json(told)
        return
    table.say(f"{told['battery']} · {told['link']}")
    table.say(
        f"QR version {told['version']}-{told['error']} · {told['modules']} x {told['modules']} modules and {told['quiet']} of margin"
        f" · {told['size_mm']:g} mm · a module is {told['module_mm']:.2f} mm"
    )
    for finding in told["findings"]:
        table.note(f"mind: {finding}")
    if out is not None:
        table.say(f"wrote {out}")
