"""The signing keys of a running node: the present one and, while a rotation is announced, the next.

A rotation is two steps that days may lie between: announcing makes the next key and shows it on the card, turning puts it in
the present one's place.  Each is one file appearing or one rename, so a node that is killed in between has one of the two.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from jwcrypto.jwk import JWK

from .keys import DSP, fingerprint, load_key, new_key, public_jwk, save_key

NEXT = "next.jwk"


class Ring:
    """`operate.keys.Ring`; `turned` is called with the new key when it takes its place."""

    def __init__(self, folder: Path, present: JWK, turned: Callable[[JWK], None] | None = None) -> None:
        self._folder = folder
        self._turned = turned
        self.present = present
        self.next = load_key(folder / NEXT) if (folder / NEXT).exists() else None

    @property
    def fingerprint(self) -> str:
        return fingerprint(public_jwk(self.present))

    @property
    def next_fingerprint(self) -> str:
        """Empty while nothing is announced."""
        return fingerprint(public_jwk(self.next)) if self.next else ""

    @property
    def made(self) -> datetime:
        """When the present key was made."""
        return made(self.present, self._folder / DSP)

    @property
    def announced(self) -> datetime | None:
        return made(self.next, self._folder / NEXT) if self.next else None

    def announce(self, now: datetime) -> bool:
        """Make the next key, if there is none; whether it is new."""
        if self.next is not None:
            return False
        key = new_key(now)
        save_key(key, self._folder / NEXT)
        self.next = key
        return True

    def turn(self) -> None:
        """Sign with the next key from now on; the present one is gone."""
        if self.next is None:
            raise ValueError("no next key")
        (self._folder / NEXT).replace(self._folder / DSP)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self.present, self.next = self.next, None
        if self._turned:
            self._turned(self.present)


def made(key: JWK, path: Path) -> datetime:
    """When a key was made: by its own word, else by its file's."""
    said = key.get("iat")
    return datetime.fromtimestamp(said if isinstance(said, int) else path.stat().st_mtime, UTC)
