"""idShortPaths: how AAS Part 2 (v3.1, clause on idShortPath) names an element inside a submodel.

Names are joined by dots, a place in a list is `[n]` from zero: `Documents[0].DocumentVersions[1].Title`.  Matching is case-sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from submodels.errors import Invalid

Path: TypeAlias = "tuple[str | int, ...]"

_NAME = r"[A-Za-z][A-Za-z0-9_-]*"
_PLACE = r"\[(?:0|[1-9][0-9]{0,8})\]"
_PATH = re.compile(rf"{_NAME}(?:{_PLACE})*(?:\.{_NAME}(?:{_PLACE})*)*")
_STEP = re.compile(rf"({_NAME})|\[([0-9]+)\]")
_LONGEST = 2000  # characters


def parse(text: str) -> Path:
    """The steps of a path: names, and numbers for places in lists; Invalid for what is no path."""
    if len(text) > _LONGEST or not _PATH.fullmatch(text):
        raise Invalid("idShortPath", "is no idShortPath", "write it as Name.List[0].Name")
    return tuple(name or int(number) for name, number in _STEP.findall(text))


def written(path: Sequence[str | int]) -> str:
    """The path as it is written."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
