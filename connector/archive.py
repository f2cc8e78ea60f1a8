"""A backup's file: a plain tar whose last member is its manifest, so that a torn file is known by what it lacks.

    saltbridge.db        the database, copied while the node served
    saltbridge.toml      the settings
    keys/*, operator.token   only in a backup with keys
    manifest.json        {format, made, version, participant, name, schema, keys, files: {name: {size, sha256}}}

Standard library only: the command line checks with it what it has just written.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from connector.errors import Malformed

FORMAT = 1
MANIFEST, DATABASE, SETTINGS, TOKEN, KEYS = "manifest.json", "saltbridge.db", "saltbridge.toml", "operator.token", "keys/"
MEDIA_TYPE = "application/x-tar"
CHUNK = 1024 * 1024
_NAME = re.compile(r"saltbridge\.db|saltbridge\.toml|operator\.token|keys/[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_MANIFEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself; `files` as checked."""

    made: str  # UTC
    version: str
    participant: str
    name: str
    schema: int
    keys: bool
    files: Mapping[str, str]  # name -> sha256


def written(files: Mapping[str, Path], about: Mapping[str, Any]) -> Iterator[bytes]:
    """The archive of these files, piece by piece; each must keep its size until it is read."""
    listed: dict[str, dict[str, Any]] = {}
    for name, path in files.items():
        digest, size = hashlib.sha256(), path.stat().st_size
        yield _header(name, size)
        with path.open("rb") as file:
            left = size
            while left:
                piece = file.read(min(CHUNK, left))
                if not piece:
                    raise OSError(f"{path} became shorter while it was read")
                left -= len(piece)
                digest.update(piece)
                yield piece
        yield _padding(size)
        listed[name] = {"size": size, "sha256": digest.hexdigest()}
    content = json.dumps({"format": FORMAT, **about, "files": listed}, indent=2).encode()
    yield _header(MANIFEST, len(content)) + content + _padding(len(content)) + bytes(2 * tarfile.BLOCKSIZE)


def checked(path: Path) -> Manifest:
    """The manifest of a whole backup, every file held against its digest; Malformed for anything else."""
    found: dict[str, dict[str, Any]] = {}
    manifest: Any = None
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                file = _file(archive, member)
                if member.name == MANIFEST and member.size <= _MANIFEST_BYTES:
                    manifest = json.loads(file.read())
                elif manifest is not None or not _NAME.fullmatch(member.name) or member.name in found:
                    raise ValueError(f"{member.name[:100]!r} does not belong there")
                else:
                    found[member.name] = {"size": member.size, "sha256": _digest(file)}
    except OSError as error:
        raise Malformed(f"{path} cannot be read.", error.strerror or str(error), "Name a file that saltbridge backup wrote.") from error
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise _no_backup(path, str(error)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _no_backup(path, "it ends before its manifest: it was torn off" if found else "it has no manifest")
    if manifest.get("files") != found or DATABASE not in found:
        raise _no_backup(path, "its files are not those that its manifest lists: it was changed or damaged")
    try:
        return Manifest(
            made=str(manifest["made"]), version=str(manifest["version"]), participant=str(manifest["participant"]),
            name=str(manifest["name"]), schema=int(manifest["schema"]), keys=bool(manifest["keys"]),
            files={name: each["sha256"] for name, each in found.items()},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise _no_backup(path, "its manifest is not whole") from error


def extract(path: Path, name: str, to: IO[bytes]) -> None:
    """Write one file of a checked backup."""
    with tarfile.open(path, "r:") as archive:
        file = _file(archive, archive.getmember(name))
        while piece := file.read(CHUNK):
            to.write(piece)


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise ValueError(f"{member.name[:100]!r} is no plain file")
    return file


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _no_backup(path: Path, why: str) -> Malformed:
    return Malformed(f"{path} is no backup that can be restored.", why, "Take another: saltbridge backup FILE", code="backup.unreadable")
