"""Load SQL from files: named, described statements and numbered schema steps.  Knows the layout of the files, not their meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_NAME = re.compile(r"^-- :name (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z_0-9]*)")


@dataclass(frozen=True, slots=True)
class Query:
    """One statement: what it is called, what it is for, its text without the comment."""

    name: str
    about: str
    text: str


def load(path: Path = HERE / "queries.sql") -> Mapping[str, Query]:
    """The `-- :name` blocks of a file by name; ValueError for a block twice, without description or without SQL."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    queries: dict[str, Query] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        lines = [line for line in block.splitlines() if line.strip()]
        about = " ".join(line.removeprefix("--").strip() for line in lines if line.startswith("--"))
        text = "\n".join(line for line in lines if not line.startswith("--"))
        if not about or not text or name in queries:
            raise ValueError(f"{path.name}: block {name} needs a description and SQL, and may stand once only")
        queries[name] = Query(name, about, text)
    return queries


def schema(dialect: str) -> tuple[str, ...]:
    """The schema steps `<dialect>-<n>.sql`, n counted from 1: step n takes a store from version n - 1 to n."""
    steps: list[str] = []
    while (path := HERE / "schema" / f"{dialect}-{len(steps) + 1}.sql").exists():
        steps.append(path.read_text(encoding="utf-8"))
    return tuple(steps)


def numbered(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with `$1`, `$2` ... for its `:name` parameters, and their names in that order (a cast `::text` is none)."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _PARAMETER.sub(number, text), tuple(names)


def in_order(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with `?` for its `:name` parameters, and their names in the order in which values have to stand."""
    return _PARAMETER.sub("?", text), tuple(_PARAMETER.findall(text))
