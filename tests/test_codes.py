"""The list of codes is the whole list: what the source says is in it, and what is in it the source says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from connector import codes, meter

ROOT = Path(__file__).resolve().parents[1]
FILES = [path for root in ("connector", "policies") for path in sorted((ROOT / root).rglob("*.py"))]
LISTS = {"codes.py", "meter.py"}
NAMED = {"default_code", "code", "RETIRED", "UNREACHABLE"}  # names that hold a code
CALLED = {"refusal", "_refuse", "Reason", "Judged"}  # and what takes one by position
FORM = re.compile(r"[a-z]+(\.[a-z-]+)+")


def test_every_code_that_the_source_says_is_in_the_list() -> None:
    said = {code: place for path in FILES if path.name not in LISTS for code, place in _said(path)}
    assert len(said) > 100
    assert {code: place for code, place in said.items() if code not in codes.CODES} == {}, "say what it means: connector/codes.py"


def test_every_code_of_the_list_is_one_that_the_source_says() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in FILES if path.name not in LISTS)
    assert [code for code in codes.CODES if f'"{code}"' not in source] == []


def test_a_code_stands_in_one_place_with_one_sentence() -> None:
    assert not codes.BETWEEN.keys() & codes.HERE.keys()
    assert all(re.fullmatch(r"[A-Z].*\.", meaning) and "|" not in meaning for meaning in codes.CODES.values())


def test_what_is_counted_by_its_code_is_in_the_list() -> None:
    assert [code for code in meter.REASONS if code not in codes.CODES] == []


def _said(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for holder in _holders(node):
            for each in ast.walk(holder):
                code = each.value if isinstance(each, ast.Constant) and isinstance(each.value, str) else ""
                if FORM.fullmatch(code) or (code and _is_default(node)):
                    yield code, f"{path.relative_to(ROOT)}:{each.lineno}"


def _holders(node: ast.AST) -> list[ast.AST]:
    """Where a code stands: code=..., {"code": ...}, a name for one, an argument of what takes one."""
    if isinstance(node, ast.keyword):
        return [node.value] if node.arg == "code" else []
    if isinstance(node, ast.Dict):
        return [value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant) and key.value == "code"]
    if isinstance(node, ast.Assign):
        return [node.value] if any(isinstance(target, ast.Name) and target.id in NAMED for target in node.targets) else []
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        return list(node.args) if name in CALLED else []
    return []


def _is_default(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "default_code" for target in node.targets)
