"""`saltbridge passport`: import, publish and read battery passports."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.cli import complete, judge, life, sheets
from connector.cli.client import Client, part
from connector.cli.table import Column, DryRun, Json, instant, note, print_json, say, table
from connector.errors import Malformed
from connector.text import size

app = typer.Typer(no_args_is_help=True)

LIMIT = 256 * 1024 * 1024  # bytes of a folder, as the node reads them
SHOWN = 20  # findings

_MEDIA_TYPES = {
    ".aasx": "application/asset-administration-shell-package",
    ".zip": "application/zip",
    ".json": "application/json",
    ".csv": "text/csv",
}


@app.command("import", epilog="Example: saltbridge passport import scripts/sample/EV-72 --dry-run")
def import_(
    source: Annotated[
        list[Path],
        typer.Argument(metavar="DIR|FILE...", help="A folder, an AASX package, JSON (AAS, $value or Catena-X), or one or more CSV files."),
    ],
    dry_run: DryRun = False,
    gaps: Annotated[bool, typer.Option("--gaps", help="Of a Catena-X battery pass: where each field went.")] = False,
    json: Json = False,
) -> None:
    """Import a model with its batteries.

    The same input twice changes nothing; a value that cannot be right stores nothing.
    """
    content, media_type = _read(source)
    done = Client.from_home().upload("/passports/import", content, media_type, dry_run=dry_run)
    if json:
        print_json(done)
        return
    if gaps:
        table(done["mapping"], (Column("from", "FIELD"), Column("to", "ELEMENT", lambda to: to or "nowhere")), empty="Nothing was mapped.")
    _show_findings(done["findings"])
    if done["mapping"]:
        nowhere = sum(not each["to"] for each in done["mapping"])
        say(f"{len(done['mapping']) - nowhere} fields have a place, {nowhere} have none" + ("" if gaps else ": --gaps lists them"))
    counts = f"{len(done['parts'])} parts · {done['documents']} documents · {len(done['findings'])} findings"
    say(f"{done['model']} · {len(done['batteries'])} batteries · {counts}")
    if dry_run:
        note(f"Dry run: {done['records']} records would change, nothing was stored.")
    elif not done["changed"]:
        note("Nothing changed: it was imported before.")
    elif done["draft"]:
        note(f"A draft from a template: it cannot be published. Its elements: saltbridge passport show {done['model']}")
    elif done["status"] != "published":
        note(f"Next: saltbridge passport publish {done['model']}")


@app.command(epilog="Example: saltbridge passport publish EV-72")
def publish(
    model: Annotated[str, typer.Argument(help="A model, or a battery that waited or was archived.", autocompletion=complete.models)],
    json: Json = False,
) -> None:
    """Publish a model, so that views of it can be offered.

    What the law makes public is served from then on, without a contract. Refused while a mandatory data point is missing.
    """
    done = Client.from_home().post(f"/passports/{part(model)}/publish")
    if json:
        print_json(done)
        return
    _show_findings(done["findings"])
    say(f"{done['model']} is published · revision {done['revision']} · {len(done['batteries'])} batteries")
    if done["addresses"]:
        say(f"public at {done['addresses'][0]}")
    note(f"Next: saltbridge view offer dismantling --model {done['model']} --policy recycler --until {date.today().year + 1}-12-31")


@app.command("list", epilog="Example: saltbridge passport list")
def list_(json: Json = False) -> None:
    """List models and their batteries."""
    models = Client.from_home().get("/passports")
    if json:
        print_json(models)
        return
    rows = [
        {
            "id": each["battery"] or model["model"],
            "status": each["status"],
            "revision": f"{model['revision']}.{each['revision']}" if each["battery"] else str(model["revision"]),
            "category": model["category"],
            "parts": len(model["parts"]),
            "documents": model["documents"],
            "changed": model["changed"],
        }
        for model in models
        for each in model["batteries"] or [{"battery": "", "revision": 0, "status": model["status"]}]
    ]
    columns = (
        Column("id", "PASSPORT"),
        Column("status", "STATUS"),
        Column("revision", "REVISION"),
        Column("category", "CATEGORY"),
        Column("parts", "PARTS", right=True),
        Column("documents", "DOCUMENTS", right=True),
        Column("changed", "CHANGED", instant),
    )
    table(rows, columns, empty="No passports yet: saltbridge passport import DIR")


@app.command(epilog="Example: saltbridge passport show EV-72.000017 --part materials")
def show(
    battery: Annotated[str, typer.Argument(help="A battery (id, serial, any identifier) or a model.", autocompletion=complete.batteries)],
    only: Annotated[str, typer.Option("--part", help="One part: nameplate, materials, circularity ...")] = "",
    at: Annotated[str, typer.Option("--at", help="The version that stood on a day or at an instant, like 2026-11-30.")] = "",
    provenance: Annotated[bool, typer.Option("--provenance", help="Of each value: its level, how it came, when, by whom.")] = False,
    json: Json = False,
) -> None:
    """Show your own passport of a battery, or a model.

    Of a template's draft: its elements.
    """
    origins = Client.from_home().get(f"/passports/{part(battery)}/provenance") if provenance else {}
    if provenance and json:
        print_json(origins)
        return
    content, _ = Client.from_home().download(f"/passports/{part(battery)}", part=only, at=at)
    if json or only:
        # The bytes as they came: a number keeps its digits (3.70 stays 3.70).
        sys.stdout.buffer.write(content + b"\n")
        return
    import json as reader

    found: dict[str, Any] = reader.loads(content, parse_float=str, parse_int=str)
    if "battery" not in found:
        _show_model(found)
        return
    say(f"{found['battery']} · model {found['model']} · {found['status']} · revision {found['revision']}")
    rows = [{"path": f"{name}/{path}", "value": leaf} for name, value in found["parts"].items() for path, leaf in _leaves(value)]
    if origins:
        table(judge.with_origins(rows, origins), judge.FROM, piped=judge.ORIGIN)
        return
    table(rows, (Column("path", "ELEMENT"), Column("value", "VALUE")))
    if found["documents"]:
        say("")
        table([{**each, "size": int(each["size"])} for each in found["documents"]], _DOCUMENTS)


app.command(epilog="Example: saltbridge passport template condition --model EV-72 --out condition.csv")(sheets.template)
app.command(epilog="Example: saltbridge passport export EV-72 --as csv --out EV-72-csv.zip")(sheets.export)
app.command(epilog="Example: saltbridge passport check scripts/sample/EV-72 --category ev --date 2027-02-18")(judge.check)
app.command(epilog="Example: saltbridge passport matrix --battery EV-72.000017")(judge.matrix)
for _verb, _example in (
    (life.history, "EV-72.000017"),
    (life.diff, "EV-72.000017 1.1 2.1"),
    (life.status, "EV-72.000017 waste"),
    (life.follow, "EV-72.000019 https://other.example/passports/EV-72.000017"),
    (life.supersede, "EV-72.000017 --by EV-72.000019"),
    (life.archive, "EV-72.000017 --reason 'model withdrawn'"),
    (life.cease, "EV-72.000017 --reason recycled"),
    (life.forget, "EV-74"),
):
    app.command(epilog=f"Example: saltbridge passport {_verb.__name__} {_example}")(_verb)

_DOCUMENTS = (
    Column("id", "DOCUMENT"),
    Column("kind", "KIND"),
    Column("title", "TITLE"),
    Column("size", "SIZE", lambda value: size(int(value)), right=True),
)


def _show_model(model: dict[str, Any]) -> None:
    say(f"{model['model']} · {model['status']} · revision {model['revision']} · {len(model['batteries'])} batteries")
    for name, value in model["identifiers"].items():
        say(f"  {name}  {value}")
    for each in model["batteries"]:
        say(f"  {each['battery']}")
    for text in model["notes"]:
        say(f"  {text}")


def _leaves(value: Any, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [leaf for key, below in value.items() for leaf in _leaves(below, f"{path}/{key}" if path else key)]
    if isinstance(value, list):
        return [leaf for number, below in enumerate(value) for leaf in _leaves(below, f"{path}/{number}")]
    return [(path, value)]


def _show_findings(findings: list[dict[str, str]]) -> None:
    for each in findings[:SHOWN]:
        hint = f" - {each['next']}" if each["next"] else ""
        note(f"{each['severity']}  {each['where']}: {each['what']}{hint}")
    if len(findings) > SHOWN:
        note(f"and {len(findings) - SHOWN} more: --json shows all")


def _read(sources: list[Path]) -> tuple[bytes, str]:
    """What to send: a folder or CSV files as a zip made in memory, another file as it is."""
    if all(each.suffix.lower() == ".csv" for each in sources):
        return _sheets(sources), _MEDIA_TYPES[".zip"]
    if len(sources) > 1:
        raise Malformed("Only CSV files are imported several at once.", next="Import the others one by one, or one folder.")
    source = sources[0]
    if source.is_dir():
        return zipped(source), _MEDIA_TYPES[".zip"]
    media_type = _MEDIA_TYPES.get(source.suffix.lower())
    if media_type is None:
        raise Malformed(
            f"{source} is neither a folder nor a passport file.", next="Give a folder, FILE.aasx, FILE.zip, FILE.json or FILE.csv."
        )
    try:
        return source.read_bytes(), media_type
    except OSError as error:
        raise Malformed(f"{source} cannot be read.", error.strerror or "") from error


def _sheets(sources: list[Path]) -> bytes:
    """CSV files under their own names, so that findings name them; not packed, since rows alike would look like a bomb."""
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for path in sources:
            if path.name in package.namelist():
                raise Malformed(f"Two files are called {path.name}.", next="Rename one, or import them one by one.")
            try:
                package.writestr(zipfile.ZipInfo(path.name, (1980, 1, 1, 0, 0, 0)), path.read_bytes())
            except OSError as error:
                raise Malformed(f"{path} cannot be read.", error.strerror or "") from error
    return buffer.getvalue()


def media_type_of(source: Path) -> str:
    """What a file is sent as; Malformed for one that is no passport file."""
    found = _MEDIA_TYPES.get(source.suffix.lower())
    if found is None:
        raise Malformed(f"{source} is neither a folder nor a passport file.", next=f"Give a folder, or FILE{', FILE'.join(_MEDIA_TYPES)}.")
    return found


def zipped(folder: Path) -> bytes:
    """The folder's files; hidden ones stay behind, and links are not followed out of it."""
    import io
    import zipfile

    buffer = io.BytesIO()
    total = 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_symlink() or not path.is_file() or any(step.startswith(".") for step in name.parts):
                continue
            total += path.stat().st_size
            if total > LIMIT:
                raise Malformed(f"{folder} holds more than {size(LIMIT)}.", next="Import fewer files at once.")
            # A fixed time, so that the same folder makes the same bytes.
            package.writestr(zipfile.ZipInfo(name.as_posix(), (1980, 1, 1, 0, 0, 0)), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
