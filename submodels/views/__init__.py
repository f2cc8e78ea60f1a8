"""Ready-made views, a file each: a title and what it grants.  A view is a name for a grant; these are starting points."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from submodels.errors import Invalid
from submodels.grant import AttributeGrant, make_grant

READY = ("public", "dismantling", "condition", "supplier", "authority")


@cache
def ready_view(name: str) -> tuple[str, AttributeGrant]:
    """Title and grant of a ready-made view."""
    if name not in READY:
        near = get_close_matches(name, READY, 1)
        raise Invalid(name[:80], "is no ready-made view", f"did you mean {near[0]}?" if near else "there are " + ", ".join(READY))
    found = tomllib.loads((files("submodels.views") / f"{name}.toml").read_text(encoding="utf-8"))
    return found["title"], make_grant(found["paths"], found["documents"], found["ceiling"])
