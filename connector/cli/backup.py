"""`saltbridge backup` and `restore`: a node's data in one file, taken while it serves; and a node from such a file."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from connector import archive
from connector.errors import Misconfigured
from connector.text import local, size

from . import table
from .client import Client, home_dir
from .init import Home

HOURS = 3600.0  # a large database takes its time

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup's file.")]


def backup(
    file: File,
    with_keys: Annotated[bool, typer.Option("--with-keys", help="Keys and operator token too: whoever has the file is this node.")] = False,
    json: table.Json = False,
) -> None:
    """Write a backup while the node serves; without the keys unless asked.

    TLS certificates and their keys are never in it.

    Example: saltbridge backup maker.tar --with-keys
    """
    client = replace(Client.from_home(), timeout=HOURS)
    with _new_file(file) as part:
        client.save("/backup", part, keys=with_keys)
        checked = archive.checked(part)
        told = {"file": str(file), "size": part.stat().st_size, "sha256": _sha256(part), "keys": checked.keys, "made": checked.made}
    client.put("/backup", {name: told[name] for name in ("size", "sha256", "keys")})
    if json:
        table.print_json(told)
        return
    table.say(f"{file} · {size(int(str(told['size'])))} · {'with keys' if checked.keys else 'without keys'} · as of {local(checked.made)}")
    if checked.keys:
        table.note("Whoever has this file can speak as this node: keep it as you keep the keys (its mode is 0600).")
    else:
        table.note(f"The keys are not in it. Keep a copy of {client.home / 'keys'} elsewhere, or: saltbridge backup FILE --with-keys")


def restore(file: File, home: Home = None, yes: table.Yes = False, json: table.Json = False) -> None:
    """Put a node back as it was in a backup; refused while it runs.

    Its present database is kept beside the restored one.

    Example: saltbridge --home maker restore maker.tar
    """
    from connector import offline

    place = home or home_dir()
    plan = offline.look_at_backup(file, place)
    if plan["replaces"]:
        table.confirm(f"Put {plan['name']} back to {local(plan['made'])}? {plan['replaces']} is kept beside it.", yes=yes)
    done = offline.restore(file, place)
    if json:
        table.print_json(done)
        return
    table.say(f"restored {done['name']} in {place} as of {local(done['made'])} · the audit chain holds: {done['entries']} entries")
    table.say(f"keys: {done['keys']}")
    if done["kept"]:
        table.note(f"The database that was there is now {done['kept']}")
    table.note(f"next: saltbridge --home {place} doctor, then serve")


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A private file beside `path` that takes its name at the end, or is gone; Misconfigured when it cannot be."""
    if path.exists():
        raise Misconfigured(f"{path} exists already.", "a backup is never written over", "Name another file.")
    part = path.with_name(f"{path.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            yield part
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written.", error.strerror or str(error), "Name a place that you may write to.") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
