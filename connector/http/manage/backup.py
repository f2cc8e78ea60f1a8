"""Operator API: a backup of this node, streamed while it serves.

The copy is made in a folder of its own inside the home, which goes when the last byte has left.  What is streamed counts as a
backup only once its receiver has written and checked it, and says so.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from aiohttp import web
from pydantic import Field

from connector import archive
from connector.errors import Clash, Unavailable
from connector.http.doorway import TEXT
from connector.operate import backups
from connector.ports import World
from connector.storage.backup import Original
from connector.text import utc

from .bodies import BASE, Body, answer, flag, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a node keeps what a backup holds."""

    home: Path
    database: Original | None  # None: in memory only
    settings: Path
    keys: Path
    token: Path


class KeptBody(Body):
    """What a receiver has checked; `keys`: whether they are in it."""

    size: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    keys: bool


def routes(world: World, files: Files, version: str) -> list[web.RouteDef]:
    """`/backup`."""

    async def take(request: web.Request) -> web.StreamResponse:
        with_keys = flag(request, "keys")
        database = await _with_room(files)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=".backup-", dir=files.home))
        try:
            copied, about = await _copied(world, database, files, folder, with_keys=with_keys)
            response = web.StreamResponse(headers={**TEXT, "Content-Type": archive.MEDIA_TYPE})
            await response.prepare(request)
            pieces = archive.written(copied, about | {"version": version})
            while piece := await asyncio.to_thread(_next, pieces):
                await response.write(piece)
            await response.write_eof()
            return response
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def keep(request: web.Request) -> web.Response:
        body = await read(request, world, KeptBody)
        return answer(await backups.kept(world, size=body.size, sha256=body.sha256, keys=body.keys))

    async def last(_: web.Request) -> web.Response:
        return answer(await backups.last(world))

    return [web.post(f"{BASE}/backup", take), web.put(f"{BASE}/backup", keep), web.get(f"{BASE}/backup", last)]


async def _with_room(files: Files) -> Original:
    """The database, if the home's disk has room for a copy; Clash for one that is in memory."""
    if files.database is None:
        raise Clash(
            "This node's data is in memory only.", '[store] url is "sqlite::memory:".', "Give it a file or a database server first.",
            code="backup.foreign",
        )  # fmt: skip
    needed, free = await files.database.size(), shutil.disk_usage(files.home).free
    if free < needed * 1.1:
        why = f"The copy needs {needed} bytes and {free} are free at {files.home}"
        raise Unavailable("There is no room for a copy of the database.", why, "Make room on that disk.", code="backup.failed")
    return files.database


async def _copied(
    world: World, database: Original, files: Files, folder: Path, *, with_keys: bool
) -> tuple[Mapping[str, Path], dict[str, object]]:
    target = folder / archive.DATABASE
    made = world.clock.now()
    schema = await database.copy(target)
    taken = {archive.DATABASE: target, archive.SETTINGS: files.settings}
    if with_keys:
        taken |= {f"{archive.KEYS}{key.name}": key for key in sorted(files.keys.iterdir())} | {archive.TOKEN: files.token}
    about = {"made": utc(made), "participant": world.me.id, "name": world.me.name, "schema": schema, "keys": with_keys}
    return {name: path for name, path in taken.items() if path.is_file()}, about


def _next(pieces: Iterator[bytes]) -> bytes:
    """The next piece; a pad of no bytes is no end."""
    for piece in pieces:
        if piece:
            return piece
    return b""
