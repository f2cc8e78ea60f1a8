"""View assets and their ids: `<scope>.<digest>` says which batteries and which grant, so an agreement's target does too.

A scope is `model.<model id>` (all of its items, later ones too) or `battery.<battery id>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import Invalid

_ID = re.compile(r"[A-Za-z0-9\-._~:]{1,200}")  # the alphabet of ids that we mint
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url(SHA-256)


@dataclass(frozen=True, slots=True)
class Scope:
    """`kind` is "model" or "battery"; `str()` gives the scope's text back."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.id}"


def parse_scope(text: str) -> Scope:
    """`model.EV-72` or `battery.EV-72.000017`; raises Invalid for anything else."""
    kind, _, name = text.partition(".")
    if kind not in ("model", "battery") or not _ID.fullmatch(name):
        raise Invalid("scope", f'"{text[:80]}" is not a scope', "write model.<id> or battery.<id>")
    return Scope(kind, name)


def in_scope(scope: str, battery: str, model: str) -> bool:
    """True when this battery, an item of this model, belongs to the scope; False for a scope that cannot be read."""
    try:
        read = parse_scope(scope)
    except Invalid:
        return False
    return read.id == (model if read.kind == "model" else battery)


def view_asset_id(scope: str, digest: str) -> str:
    """The dataset id of a view asset; raises Invalid when scope or digest is none."""
    if not _DIGEST.fullmatch(digest):
        raise Invalid("digest", "a grant's digest has 43 characters of base64url")
    return f"{parse_scope(scope)}.{digest}"


def split_view_asset_id(id: str) -> tuple[str, str] | None:
    """(scope, digest) of a view asset's id, or None: then it is no view asset."""
    scope, _, digest = id.rpartition(".")
    if not _DIGEST.fullmatch(digest):
        return None
    try:
        return str(parse_scope(scope)), digest
    except Invalid:
        return None
