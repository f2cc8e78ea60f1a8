"""lines_of(text): on which line each value of a JSON text begins, by JSON pointer.

For messages to people only: it reads text that `json` has accepted already and checks nothing itself.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"|[^,\]}\s]+')


def lines_of(text: str) -> dict[str, int]:
    """JSON pointer -> line, counted from 1; keys of members count as the beginning of their value."""
    found: dict[str, int] = {}
    _value(text, _skip(text, 0), "", found)
    breaks = [match.start() for match in re.finditer("\n", text)]
    return {pointer: 1 + bisect_left(breaks, position) for pointer, position in found.items()}


def _value(text: str, at: int, pointer: str, found: dict[str, int]) -> int:
    """Note the value at `at` and everything in it; returns the position after it."""
    found.setdefault(pointer, at)
    if text[at] not in "{[":
        match = _SCALAR.match(text, at)
        return len(text) if match is None else match.end()
    closing, member, index = {"{": "}", "[": "]"}[text[at]], text[at] == "{", 0
    at = _skip(text, at + 1)
    while text[at] != closing:
        inner = f"{pointer}/{index}"
        if member:
            end = _value(text, at, f"{pointer}/\0", {})
            inner = f"{pointer}/{json.loads(text[at:end])}"
            found[inner] = at
            at = _skip(text, _skip(text, end) + 1)
        at = _skip(text, _value(text, at, inner, found))
        at, index = _skip(text, at + 1) if text[at] == "," else at, index + 1
    return at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()
