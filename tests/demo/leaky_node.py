"""`saltbridge`, with redaction broken on purpose: of one battery the named leaves get out under every grant.

Run as `leaky_node.py BATTERY PART/POINTER[,PART/POINTER...] --home HOME serve ...`, for the demo's `--serve`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from connector.cli.main import main
from connector.exchange import release
from submodels.view import select


def leak(battery: str, places: list[str]) -> None:
    """Put the leaves into whatever the selection lets out of this battery."""

    def leaking(passport: Any, released: Any) -> Any:
        redacted = select(passport, released)
        if released.operator or passport.battery != battery:
            return redacted
        parts = dict(redacted.parts)
        for place in places:
            part, *path = place.split("/")
            parts[part] = _with(parts.get(part, {}), passport.parts[part], path)
        return replace(redacted, parts=parts)

    release.select = leaking  # type: ignore[attr-defined]


def _with(here: Any, whole: Any, path: list[str]) -> Any:
    """A copy of `here` that holds what `whole` holds at the path."""
    if not path:
        return whole
    return {**here, path[0]: _with(here.get(path[0], {}), whole[path[0]], path[1:])}


if __name__ == "__main__":
    leak(sys.argv[1], sys.argv[2].split(","))
    sys.exit(main(sys.argv[3:]))
