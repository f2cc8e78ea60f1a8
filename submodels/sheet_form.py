"""Write spreadsheets of passports: templates that explain themselves, and values, as `sheet` reads them back.

Everything in a template comes from the element table and the data points, the meaning and the example from
`elements/meanings.csv`.  A text that a spreadsheet would run as a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from submodels.errors import Invalid
from submodels.leaves import WORDS
from submodels.points import CATEGORIES, Status, applies_from, points, status
from submodels.sheet import CONTENT_TYPE, FORMULA, NONE, PATH, SERIAL, heads
from submodels.table import LIST, PARTS, Element, elements, rows
from submodels.value import NUMERIC, Number, Tree

_EXPLAINED = ("meaning", "unit", "type", "allowed values", "example", "level", "Annex XIII", "mandatory for")
_HOW = (
    "Fill in a row for the model (no serial number) and one for each battery; rows that begin with # are passed over.",
    "An empty cell says nothing and changes nothing. Number further entries of a list from 0; add columns for more.",
    "Numbers have a decimal point and no separators, days are 2026-11-24, instants 2026-11-24T09:30:00Z, truth is true or false.",
    f"A list that is there and empty is {NONE} in a column of the list's own name. Format the columns as text, save as CSV UTF-8.",
)
_TYPES = {
    "xs:string": "text", "xs:anyURI": "address", "xs:boolean": "true or false", "xs:date": "day", "xs:dateTime": "instant (UTC)",
    "xs:integer": "whole number", "xs:unsignedInt": "whole number", "xs:int": "whole number",
}  # fmt: skip

Row = tuple[str, Mapping[str, Tree]]  # serial number ("" for the model) and parts


def template(part: str, model: str = "", serials: Sequence[str] = ()) -> bytes:
    """The empty sheet of a part, with a row for the model and for each battery where they are named; Invalid for no part."""
    if part not in PARTS:
        raise Invalid(part, "is no part of a battery passport", f"parts are {', '.join(PARTS)}")
    columns = [(head, element) for element in elements(part) for head in _template_heads(element)]
    lines: list[list[str]] = [[PATH, SERIAL, *(head for head, _ in columns)]]
    lines += [["#" + what, "", *(_explained(what, head, element) for head, element in columns)] for what in _EXPLAINED]
    lines += [[f"# {text}"] for text in _HOW]
    lines += [[model, serial] for serial in ("", *serials)] if model else []
    return _csv(lines)


def write_sheet(model: str, said: Iterable[Row], parts: Sequence[str] = PARTS) -> bytes:
    """The values of the model and its batteries, the columns in the order of the table; read back they are the same values."""
    cells: list[tuple[str, dict[str, str]]] = []
    columns: dict[str, None] = {}
    for serial, values in said:
        row: dict[str, str] = {}
        for part in parts:
            for head, element, value in heads(part, values.get(part)):
                row[head] = _cell(element, value)
                columns.setdefault(head)
        cells.append((serial, row))
    ordered = sorted(columns, key=_place)  # texts keep the order of their languages
    lines = [[PATH, SERIAL, *ordered]]
    lines += [[model, serial, *(row.get(head, "") for head in ordered)] for serial, row in cells if row]
    return _csv(lines)


def guarded(text: str) -> str:
    """A text that no spreadsheet runs: an apostrophe before what looks like a formula, and before an apostrophe that could be one."""
    return f"'{text}" if text.startswith(FORMULA) or (text[:1] == "'" and text[1:2] in (*FORMULA, "'")) else text


# --- what a column is ----------------------------------------------------------------------------


def _template_heads(element: Element) -> list[str]:
    """The columns of an element in a template: the first entry of each list, English for a text."""
    head = element.template.replace("*", "0")
    if element.kind == "MultiLanguageProperty":
        return [f"{head}@en"]
    return [head, f"{head}@{CONTENT_TYPE}"] if element.kind == "File" else [head]


def _explained(what: str, head: str, element: Element) -> str:
    if head.endswith(f"@{CONTENT_TYPE}"):
        return {"meaning": "its media type", "type": "text", "example": "application/pdf"}.get(what, "")
    meaning, example = _meanings().get(element.template, ("", ""))
    return {
        "meaning": meaning or _in_words(element.path),
        "unit": element.unit,
        "type": _type(element),
        "allowed values": " | ".join(_allowed(element)),
        "example": guarded(example) if element.value_type not in NUMERIC else example,
        "level": element.level,
        "Annex XIII": _class(element),
        "mandatory for": _mandatory(element),
    }[what]


def _type(element: Element) -> str:
    if element.kind == "MultiLanguageProperty":
        return "text (its language behind @)"
    if element.kind == "File":
        return "name of a document that is imported"
    return _TYPES.get(element.value_type, "number" if element.value_type in NUMERIC else element.value_type.removeprefix("xs:"))


def _allowed(element: Element) -> tuple[str, ...]:
    return ("true", "false") if element.value_type == "xs:boolean" else WORDS.get(element.template, ())


def _class(element: Element) -> str:
    if element.by_document:
        return "as its document"
    points = ", ".join(element.annex)
    audience = str(element.audience or "no class: given to nobody")
    return " · ".join(text for text in (points, audience) if text)


def _mandatory(element: Element) -> str:
    """The categories for which a data point that stands here is mandatory, with the points' numbers."""
    told = [point for point in points().values() if any(_stands(place, element) for place in point.places)]
    asked = {
        category: [str(point.number) for point in told if status(point.number, category, applies_from()) is Status.MANDATORY]
        for category in dict.fromkeys(CATEGORIES.values())
    }
    return "; ".join(f"{category} (point {', '.join(numbers)})" for category, numbers in asked.items() if numbers)


def _stands(place: str, element: Element) -> bool:
    return place == element.template


@cache
def _meanings() -> Mapping[str, tuple[str, str]]:
    return {f"{row['part']}{row['path']}": (row["meaning"], row["example"]) for row in rows("meanings.csv")}


def _in_words(path: Sequence[str]) -> str:
    """`StateOfChargeValue` as words."""
    name = next(step for step in reversed(path) if step != "*")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).lower()


# --- cells ---------------------------------------------------------------------------------------


def _cell(element: Element, value: Tree) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):  # digits only: no spreadsheet runs -5
        return str(value)
    return guarded(str(value)) if value is not None and element.kind != LIST else str(value or "")


@cache
def _order(part: str) -> Mapping[str, int]:
    """Every element and container of a part by its place in the template."""
    order: dict[str, int] = {}
    for element in elements(part):
        for depth in range(1, len(element.path) + 1):
            order.setdefault("/".join((part, *element.path[:depth])), len(order))
    return order


@cache
def _place(head: str) -> tuple[int, ...]:
    """Where a column stands: step by step in the order of the table, the entries of a list one after the other."""
    part, *steps = head.partition("@")[0].split("/")
    place, template = [PARTS.index(part)], part
    for step in steps:
        template += "/*" if step.isdecimal() else f"/{step}"
        place.append(int(step) if step.isdecimal() else _order(part)[template])
    return tuple(place)


def _csv(lines: Iterable[Sequence[str]]) -> bytes:
    """UTF-8 with the mark that tells spreadsheets so; lines end as they expect."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(lines)
    return buffer.getvalue().encode("utf-8-sig")
