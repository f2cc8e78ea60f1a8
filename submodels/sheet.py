"""Read spreadsheets of passports: CSV with an element a column and a battery (or the model) a row.

    #path,serial,nameplate/SerialNumber,nameplate/ManufacturerName@en,materials/BatteryMaterials/0/BatteryMaterialName
    #unit,,...                                   rows that begin with # explain, and are passed over
    EV-72,,,Halden Cells,Cobalt                  no serial number: what all batteries of the model share
    EV-72,000017,000017,,                        an empty cell says nothing

`sheet_form` writes such files.  A list's entries are numbered, a text names its language behind `@`, a list that is there and
empty is `none` under its own name.  What spreadsheets do to values (decimal commas, dates, long numbers, formulas) is refused
cell by cell, with what to write; number tokens stay as they are.  Nothing is read by half: any error and the batch has it.
"""

from __future__ import annotations

import csv
import io
import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from submodels.batch import Batch, BatteryIn, LayerIn, aliases, in_order, text_at, valid_id
from submodels.errors import Finding, Invalid
from submodels.leaves import LANGUAGE, wrong_type
from submodels.table import LIST, PARTS, Element, find, tree
from submodels.value import NUMERIC, Number, Tree, typed, walk

PATH, SERIAL, NONE, CONTENT_TYPE = "#path", "serial", "none", "contentType"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet runs
MOST_ROWS, MOST_COLUMNS, MOST_ERRORS = 200_000, 2_000, 1_000

_Step = str | int


@dataclass(frozen=True, slots=True)
class Column:
    """One column that holds values."""

    number: int  # from 0
    head: str
    part: str
    path: tuple[_Step, ...]
    element: Element
    beside: str = ""  # a language, or contentType

    @property
    def letters(self) -> str:
        """As a spreadsheet calls it: A, B ... AA."""
        return letters(self.number)


@dataclass(slots=True)
class _Sheet:
    """One file while it is read."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    def error(self, line: int, column: int, head: str, what: str, next: str) -> None:
        """Note what is wrong with a cell; a file full of one mistake does not become a report of its own size."""
        if len(self.findings) <= MOST_ERRORS:
            where = f"{self.name}, line {line}, cell {letters(column)}{line}" + (f" ({head[:120]})" if head else "")
            self.findings.append(Finding(where, what, next, "error"))


@dataclass(slots=True)
class _Rows:
    """What all files say: (serial, part) -> tree, and where it was said."""

    model: str = ""
    trees: dict[tuple[str, str], dict[_Step, object]] = field(default_factory=dict)
    seen: dict[tuple[str, str], str] = field(default_factory=dict)  # (serial, column) -> where


def is_sheet(files: Mapping[str, bytes]) -> bool:
    """Whether files sent together are spreadsheets: CSV, and not a passport's folder."""
    return bool(files) and all(name.lower().endswith(".csv") for name in files) and "documents.csv" not in files


def read_sheets(files: Mapping[str, bytes]) -> Batch:
    """The rows of all files as one batch, each laid over what is stored; Invalid for what is no such file.

    Cells that cannot be right are findings of the batch, all of them, each with file, line, cell, column and what to write.
    """
    rows, findings = _Rows(), []
    for name, content in files.items():
        sheet = _Sheet(name)
        _read(sheet, content, rows)
        findings.extend(sheet.findings)
    if not rows.model:
        raise Invalid(next(iter(files), "CSV"), "no row with values", "write a row for the model or for each battery")
    layers = [LayerIn(owner=serial, part=part, tree=_tree(found), over=True) for (serial, part), found in rows.trees.items()]
    owned: dict[str, dict[str, Tree]] = {}
    for layer in layers:
        owned.setdefault(layer.owner, {})[layer.part] = layer.tree
    return Batch(
        model=rows.model,
        category=text_at(owned.get("", {}).get("technical"), "GeneralInformation", "BatteryCategory").lower(),
        layers=in_order(layers),
        batteries=tuple(BatteryIn(serial=serial, aliases=aliases(parts)) for serial, parts in owned.items() if serial),
        findings=tuple(findings),
        source="csv",
    )


def letters(number: int) -> str:
    """A column's letters, from its number from 0."""
    text, number = "", number + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text


# --- a file --------------------------------------------------------------------------------------


def _read(sheet: _Sheet, content: bytes, rows: _Rows) -> None:
    reader, skipped = _reader(sheet.name, content)
    try:
        head = next(reader, None)
        if head is None or not head or head[0].strip().lower() != PATH:
            raise Invalid(
                f"{sheet.name}, line 1", f"does not begin with {PATH}", "begin with a template: saltbridge passport template PART"
            )
        _columns(sheet, head, reader.line_num + skipped)
        begins = reader.line_num
        for number, row in enumerate(reader):
            if number >= MOST_ROWS:
                raise Invalid(sheet.name, f"more than {MOST_ROWS} rows", "split the file")
            line, begins = begins + 1 + skipped, reader.line_num  # a quoted cell may run over several lines
            if row and not row[0].startswith("#") and any(row):
                _row(sheet, row, line, rows)
    except csv.Error as error:
        raise Invalid(f"{sheet.name}, line {reader.line_num + skipped}", f"not CSV: {error}", "save it again as CSV UTF-8") from None


def _reader(name: str, content: bytes) -> tuple[Any, int]:
    """The rows of a file whatever its separator, and how many lines came before them."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:400]:
        raise Invalid(name, "is UTF-16", 'save it as "CSV UTF-8"')
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Invalid(f"{name}, line {line}", "is not UTF-8", 'save it as "CSV UTF-8", not as "CSV"') from None
    skipped = 0
    if text[:4].lower() == "sep=":  # a spreadsheet's own note of its separator
        text, skipped = text.partition("\n")[2], 1
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), skipped


def _columns(sheet: _Sheet, head: Sequence[str], line: int) -> None:
    if len(head) > MOST_COLUMNS:
        raise Invalid(f"{sheet.name}, line {line}", f"more than {MOST_COLUMNS} columns", "split the file by part")
    if len(head) < 2 or head[1].strip().lower() != SERIAL:
        raise Invalid(f"{sheet.name}, line {line}", f"its second column is not {SERIAL}", "begin with a template: passport template PART")
    taken: dict[tuple[object, ...], str] = {}
    for number, text in enumerate(head[2:], 2):
        if not text.strip():
            continue
        try:
            column = column_of(text.strip(), number)
        except Invalid as error:
            sheet.error(line, number, text, error.what, error.next)
            continue
        key = (column.part, column.path, column.beside)
        if key in taken:
            sheet.error(line, number, text, f"stands in column {taken[key]} already", "keep one of them")
            continue
        taken[key] = column.letters
        sheet.columns.append(column)


def column_of(head: str, number: int = 0) -> Column:
    """What a column's head names: `part/Name/0/Name`, `...@en` of a text, `...@contentType` of a file; Invalid otherwise."""
    place, _, beside = head.partition("@")
    part, *steps = place.strip("/").split("/")
    if part not in PARTS:
        near = get_close_matches(part, PARTS, 1, 0.5)
        raise Invalid(head, f"{part[:60]!r} is no part", f"did you mean {near[0]}?" if near else f"parts are {', '.join(PARTS)}")
    node, path = tree(part), list[_Step]()
    for step in steps:
        if node.item is not None and not step.isdecimal():
            raise Invalid(head, f"{'/'.join((part, *map(str, path)))} is a list", f"number its entries from 0, as {path[-1]}/0")
        name = step if node.item is not None else step if step in node.children else node.aliases.get(step, step)
        below = node.step(name)
        if below is None or (node.item is None and name.isdecimal()):
            near = get_close_matches(step, node.children, 1, 0.6)
            raise Invalid(head, f"no element {step[:60]!r} here", f"did you mean {near[0]}?" if near else "take the heads of the template")
        path.append(int(step) if node.item is not None else name)
        node = below
    element = node.element
    if element is None or (element.container and element.kind != LIST):
        inside = next(iter(node.children), "")
        raise Invalid(head, "is a group of elements", f"name one of them, as {head.strip('/')}/{inside}")
    _check_beside(head, element, beside)
    return Column(number, head, part, tuple(path), element, beside)


def _check_beside(head: str, element: Element, beside: str) -> None:
    if element.kind == "MultiLanguageProperty":
        if not LANGUAGE.fullmatch(beside):
            raise Invalid(head, "is a text in several languages", f"name the language, as {head.partition('@')[0]}@en")
    elif beside and not (element.kind == "File" and beside == CONTENT_TYPE):
        raise Invalid(head, f"has nothing called @{beside[:40]}", "leave it out")


# --- a row ---------------------------------------------------------------------------------------


def _row(sheet: _Sheet, row: Sequence[str], line: int, rows: _Rows) -> None:
    model, serial = row[0].strip(), row[1].strip() if len(row) > 1 else ""
    if not valid_id(model):
        sheet.error(line, 0, PATH, f"{model[:60]!r} is no model", "write the model's id, of letters, digits and -._~:")
        return
    if rows.model not in ("", model):
        sheet.error(line, 0, PATH, f"is of model {model[:60]}, and others of {rows.model}", "import one model at a time")
        return
    rows.model = model
    if serial and (problem := _spoilt(serial) or ("" if valid_id(serial) else "a serial number holds letters, digits and -._~: only")):
        sheet.error(line, 1, SERIAL, f"{serial[:60]!r}: {problem}", "write it as it stands on the battery; format the column as text")
        return
    if len(row) > 2 + len(sheet.columns) and any(
        cell.strip() for cell in row[1 + max((each.number for each in sheet.columns), default=1) :]
    ):
        beyond = next(n for n in range(len(row) - 1, -1, -1) if row[n].strip())
        if beyond > max((each.number for each in sheet.columns), default=1):
            sheet.error(line, beyond, "", "a value in a column without a head", 'put texts with a comma in "quotes"')
    for column in sheet.columns:
        cell = row[column.number] if column.number < len(row) else ""
        if cell and not cell.isspace():
            _cell(sheet, column, cell, line, serial, rows)


def _cell(sheet: _Sheet, column: Column, cell: str, line: int, serial: str, rows: _Rows) -> None:
    where = (serial, column.head)
    if where in rows.seen:
        sheet.error(
            line, column.number, column.head, f"is told twice of {serial or 'the model'}", f"it stands in {rows.seen[where]} already"
        )
        return
    rows.seen[where] = f"{sheet.name}, line {line}"
    try:
        value = value_of(column, cell)
    except Invalid as error:
        sheet.error(line, column.number, column.head, error.what, error.next)
        return
    if column.path == ("SerialNumber",) and column.part == "nameplate" and value != serial:
        sheet.error(line, column.number, column.head, f"is not the serial number of its row ({serial or 'none'})", "let both say the same")
        return
    found = rows.trees.setdefault((serial, column.part), {})
    for step in column.path[:-1]:
        below = found.setdefault(step, {})
        if not isinstance(below, dict):  # `none` beside an entry
            sheet.error(line, column.number, column.head, "stands in a list that is said to be empty", f"empty the cell that says {NONE}")
            return
        found = below
    last = column.path[-1]
    if column.element.kind == "MultiLanguageProperty":
        texts = found.setdefault(last, [])
        assert isinstance(texts, list)  # noqa: S101 - only this branch writes there
        texts.append({column.beside: value})
    elif column.element.kind == "File":
        file = found.setdefault(last, _Leaf())
        assert isinstance(file, _Leaf)  # noqa: S101 - only this branch writes there
        file[column.beside or "value"] = value
    elif column.element.kind == LIST and found.get(last):
        sheet.error(line, column.number, column.head, f"says {NONE}, and an entry stands beside it", "empty one of them")
    else:
        found[last] = value


class _Leaf(dict[str, object]):
    """A file's two values: one leaf, no container."""


def value_of(column: Column, cell: str) -> Tree:
    """The value in a cell; Invalid says what is wrong and what to write."""
    text = cell.strip()
    element = column.element
    if element.kind == LIST:
        if text.lower() != NONE:
            raise Invalid(
                column.head, f"is a list: {text[:40]!r}", f"write its entries under {column.head}/0 ..., or {NONE} for an empty one"
            )
        return []
    if element.kind in ("MultiLanguageProperty", "File") or element.value_type in ("", "xs:string"):
        if problem := _spoilt(text):
            raise Invalid(column.head, f"{text[:60]!r}: {problem}", "format the column as text and write the value again")
        return _unquoted(cell)
    if element.value_type == "xs:boolean":
        return _boolean(column, text)
    if element.value_type in NUMERIC:
        return _number(column, text)
    value = typed(element.value_type, _unquoted(text))
    if wrong := wrong_type(element, value):
        raise Invalid(column.head, f"is not {element.value_type}: {text[:60]!r}{_date_hint(text)}", wrong)
    return value


def _unquoted(text: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from running the cell (`sheet_form.guarded`)."""
    return text[1:] if text[:1] == "'" and text[1:2] in (*FORMULA, "'") else text


def _spoilt(text: str) -> str:
    if re.fullmatch(r"\d([.,]\d+)?E\+\d+", text):
        return "a spreadsheet has shortened a long number"
    return "a spreadsheet's error" if re.fullmatch(r"#(REF|N/A|VALUE|NAME|DIV/0|NUM|NULL)[!?]?", text) else ""


def _boolean(column: Column, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Invalid(column.head, f"is not true or false: {text[:40]!r}", "write true or false")
    return text.lower() == "true"


def _number(column: Column, text: str) -> Tree:
    if "," in text:
        wanted = text.replace(".", "").replace(",", ".") if text.rfind(",") > text.rfind(".") else text.replace(",", "")
        raise Invalid(column.head, f"{text[:40]!r} has a comma", f"write digits with a decimal point and no separators, as {wanted[:40]}")
    if text.endswith("%") or re.fullmatch(r"[-+]?[\d.]+\s*[A-Za-z°]+", text):
        raise Invalid(column.head, f"{text[:40]!r} has a unit", f"write the number alone; its unit is {column.element.unit or 'none'}")
    try:
        value = typed(column.element.value_type, text)
    except Invalid as error:
        raise Invalid(column.head, f"{error.what}{_date_hint(text)}", error.next) from None
    if wrong := wrong_type(column.element, value):
        raise Invalid(column.head, f"is not {column.element.value_type}: {text[:40]!r}", wrong)
    assert isinstance(value, Number)  # noqa: S101 - what `typed` makes of these types
    return value


def _date_hint(text: str) -> str:
    if match := re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", text):
        return f" (a spreadsheet's day: {match[3]}-{int(match[2]):02}-{int(match[1]):02} is meant?)"
    if re.fullmatch(r"\d{5}(\.\d+)?", text):
        return " (a spreadsheet's number of a day)"
    return " (which is the month?)" if re.fullmatch(r"\d{1,2}/\d{1,2}/\d{2,4}", text) else ""


# --- a tree --------------------------------------------------------------------------------------


def _tree(found: dict[_Step, object]) -> Tree:
    """What the columns built: where numbers stand, a list in their order; an entry that a row leaves empty is none."""
    return _made(found)


def _made(value: object) -> Tree:
    if isinstance(value, _Leaf):
        kind = value.get(CONTENT_TYPE) or mimetypes.guess_type(str(value.get("value", "")))[0] or "application/octet-stream"
        return {CONTENT_TYPE: str(kind), "value": str(value.get("value", ""))}
    if not isinstance(value, dict):
        return value  # type: ignore[return-value] # a leaf, as `value_of` made it
    if value and all(isinstance(step, int) for step in value):
        return [_made(value[step]) for step in sorted(value)]
    return {str(step): _made(below) for step, below in value.items()}


def heads(part: str, whole: Tree) -> Iterator[tuple[str, Element, Tree]]:
    """Every column that a part's values need: its head, its element, the value; a text gives one for each language."""
    for path, element, value in walk(part, whole):
        place = "/".join((part, *path))
        if element is None or value is None:
            continue
        if element.kind == "MultiLanguageProperty":
            for each in value if isinstance(value, list) else []:
                yield from ((f"{place}@{language}", element, text) for language, text in each.items()) if isinstance(each, dict) else ()
        elif element.kind == "File" and isinstance(value, dict):
            yield place, element, value.get("value")
            yield f"{place}@{CONTENT_TYPE}", element, value.get(CONTENT_TYPE)
        else:
            yield place, element, value
    for place, element in _empty(part, (), whole):
        yield place, element, NONE


def _empty(part: str, path: tuple[str, ...], value: Tree) -> Iterator[tuple[str, Element]]:
    """The lists that are there and empty."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _empty(part, (*path, name), below)
    elif isinstance(value, list):
        node = find(part, path)
        if node is not None and node.element is not None and node.element.kind == LIST and not value:
            yield "/".join((part, *path)), node.element
        for number, below in enumerate(value):
            yield from _empty(part, (*path, str(number)), below)
