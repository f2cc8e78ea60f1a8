"""Modules stay under 400 lines and functions under 60: prints what does not, exits 1 then."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGES = ("connector", "submodels", "policies", "catalog", "scripts/lib")
MODULE, FUNCTION = 400, 60


def oversized(root: Path) -> list[str]:
    """One line per module or function over its limit."""
    found = []
    for path in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(root)
        lines = text.count("\n")
        if lines >= MODULE:
            found.append(f"{name}: {lines} lines (limit {MODULE})")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length >= FUNCTION:
                    found.append(f"{name}:{node.lineno}: {node.name} has {length} lines (limit {FUNCTION})")
    return found


if __name__ == "__main__":
    too_long = oversized(Path(__file__).resolve().parents[2])
    print("\n".join(too_long), end="\n" if too_long else "")
    sys.exit(bool(too_long))
