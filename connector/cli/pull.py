"""`saltbridge pull`: a battery's granted data, with everything it takes; copies by rename, under names of ours."""

from __future__ import annotations

import hashlib
import json as jsonlib
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.errors import Malformed, SaltbridgeError
from connector.text import duration, local, short, size

from . import complete, table
from .client import Client, part

RECEIPT = "receipt.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,120}")  # what a file of ours may be called
_SLOW = 600.0  # seconds a whole pull may take


def pull(
    peer: Annotated[str, typer.Argument(help="A peer by name or id; with --scan, the view.", autocompletion=complete.peers)] = "",
    view: Annotated[str, typer.Argument(help="A view's name or a dataset id.")] = "",
    battery: Annotated[str, typer.Option("--battery", "-b", help="The battery: its id, serial number or any other identifier.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Copy what came into this folder, with a receipt.")] = None,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="What you declare to use it for (may be repeated).")] = None,
    path: Annotated[str, typer.Option("--path", help="One place only, like materials/BatteryMaterials/0; shown, not kept.")] = "",
    scan: Annotated[Path | None, typer.Option("--scan", help="A picture (PNG) of the label: it says the peer and the battery.")] = None,
    json: table.Json = False,
) -> None:
    """Get the granted data of a battery: finds or negotiates the agreement, transfers, checks, keeps.

    Says which steps it could re-use. The data stays readable as long as the agreement stands.

    Example: saltbridge pull maker dismantling --battery EV-72.000017 --out ./000017
    """
    if out is not None and path:
        raise typer.BadParameter("a single place is shown, not copied: leave out --out or --path", param_hint="--out")
    client = Client.from_home()
    patient = Client(client.host, client.port, client.token, client.home, client.certificate, timeout=_SLOW)
    wish = {"peer": peer, "view": view, "battery": battery, "purpose": purpose or [], "path": path}
    if scan is not None:
        wish |= _scanned(scan, peer, view, battery)
    elif not (peer and view):
        raise typer.BadParameter("a pull needs a peer and a view, or the picture of a label: --scan FILE", param_hint="PEER VIEW")
    else:
        table.note(f"pulling {view} from {peer} ...")
    told = patient.post("/pull", wish)
    if scan is not None:
        table.note(f"it is battery {told['scanned']['battery']} of {told['peer']}")
    written = copy(client, told, out) if out is not None else []
    if json:
        table.print_json(told | ({"files": written} if out is not None else {}))
        return
    for step in told["steps"]:
        table.note(step_line(step))
    if path:
        table.print_json(told["value"])
        return
    table.say(f"pulled battery {told['battery']}: {contents(told)} · {size(told['bytes'])}")
    if out is not None:
        table.say(f"wrote {len(written)} files to {out}")
    reused = "re-used " if told["reused"]["agreement"] else ""
    table.note(f"{reused}agreement {short(told['agreement'])} · saltbridge contract timeline {short(told['negotiation'])}")


def _scanned(picture: Path, first: str, second: str, battery: str) -> dict[str, str]:
    """What the picture of a label says in place of peer and battery; the one argument left is the view."""
    from connector import scanning

    if battery or (first and second):
        raise typer.BadParameter("the label says the peer and the battery: give the view alone", param_hint="--scan")
    link = scanning.read_file(picture)
    table.note(f"the label says {link}")
    return {"peer": "", "view": first or second, "link": link}


def step_line(step: dict[str, Any]) -> str:
    """One step of the way: what was done or re-used, and how long it took."""
    notes = []
    if step.get("reused"):
        notes.append(f"re-used, signed {local(step['signed'])}" if step.get("signed") else "re-used")
    notes += [
        f"{step[key]} {noun}" for key, noun in (("parts", "parts"), ("documents", "documents"), ("elements", "elements")) if key in step
    ]
    notes += [str(step["state"])] if "state" in step else []
    notes += [size(step["bytes"])] if "bytes" in step else []
    return f"  {step['step']:<18} {', '.join(notes):<44} {duration(step['seconds'])}"


def contents(told: dict[str, Any]) -> str:
    documents = len(told["documents"])
    return f"{told['elements']} elements" + (f", {documents} document{'' if documents == 1 else 's'}" if documents else "")


def copy(client: Client, told: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Every received part and document as a file, then the receipt; each appears whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaltbridgeError(f"{folder} cannot be made.", str(error.strerror or error), "Give another --out.") from error
    written = []
    for row in (*told["parts"], *told["documents"]):
        content, media_type = client.download(f"/received/{part(row['id'])}/content")
        if hashlib.sha256(content).hexdigest() != row["sha256"]:
            raise Malformed("The stored bytes are not those that were received.", f"{row['id']} has another hash.", "Pull again.")
        name = file_name(row)
        place(folder / name, content)
        written.append({"file": name, "media_type": media_type, "size": len(content), "sha256": row["sha256"], "part": row["part"]})
    receipt = {key: told[key] for key in ("peer", "peer_id", "agreement", "title", "transfer", "battery", "revision", "grant", "receipt")}
    receipt |= {"elements": told["elements"], "at": max((row["at"] for row in told["parts"]), default=""), "files": written}
    place(folder / RECEIPT, jsonlib.dumps(receipt, ensure_ascii=False, indent=2).encode() + b"\n")
    return [*written, {"file": RECEIPT}]


def file_name(row: dict[str, Any]) -> str:
    """`materials.json` for a part, the name our node gave for a document; never a path, never the peer's own file name."""
    name = str(row["document"].get("filename", "")) if row["document"] else f"{row['part']}.json"
    if not _NAME.fullmatch(name) or name == RECEIPT or ".." in name:
        return f"document-{row['sha256'][:16]}"
    return name


def place(path: Path, content: bytes) -> None:
    """Write beside the target, then rename over it."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SaltbridgeError(f"{path} cannot be written.", str(error.strerror or error), "Give another --out.") from error
