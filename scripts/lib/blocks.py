"""The parts of README.md that a script writes: text between two markers, found, replaced and compared.

<!-- tour:begin NAME -->
...
<!-- tour:end NAME -->
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

_BLOCK = re.compile(r"<!-- tour:begin (?P<name>[a-z-]+) -->\n(?P<body>.*?)<!-- tour:end (?P=name) -->", re.DOTALL)


def read(text: str) -> dict[str, str]:
    """Every block by its name."""
    return {found["name"]: found["body"] for found in _BLOCK.finditer(text)}


def write(text: str, made: Mapping[str, str]) -> str:
    """The text with these blocks in their places; ValueError unless the names are exactly those that the text has."""
    known = read(text).keys()
    if known != made.keys():
        missing, foreign = sorted(made.keys() - known), sorted(known - made.keys())
        raise ValueError(f"the blocks differ: no place for {missing}, nothing to write for {foreign}")
    return _BLOCK.sub(lambda found: f"<!-- tour:begin {found['name']} -->\n{made[found['name']]}\n<!-- tour:end {found['name']} -->", text)


def fenced(body: str, language: str) -> str:
    return f"```{language}\n{body}\n```"


def difference(before: str, after: str, name: str) -> str:
    """A unified diff, '' when there is none."""
    names = (f"{name} as it stands", f"{name} as it should be")
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="", n=1))


def commands(text: str) -> list[str]:
    """What the text tells a reader to type: the `$` lines of its fenced blocks, continued lines joined."""
    found, fenced, joined = [], False, text.replace("\\\n", " ")
    for line in joined.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced and line.startswith("$ "):
            found.append(" ".join(line[2:].split()))
    return found
