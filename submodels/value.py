"""Values of a part as AAS `$value` JSON: read and written with their number tokens, brought to IDTA names.

Two dialects exist.  IDTA's templates (newest patch) are what a node keeps; the SAMM schemas of the same parts and older
template spellings are accepted on reading and written on request.  What differs stands in the element table (names) and
in `_MOVED` and the leaf rules below (shapes).
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import TypeAlias

import orjson

from submodels.errors import Finding, Invalid
from submodels.table import LIST, PARTS, Element, Node, tree

__all__ = ["Finding", "Number", "Tree", "normalise", "read_json", "to_samm", "typed", "walk", "write_json"]

_TOKEN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")  # exponents as a double can have
_LONGEST_NUMBER = 64  # characters; longer ones only serve to make arithmetic slow


class Number(str):
    """A JSON number as it was written: `3.70` stays `3.70`."""

    __slots__ = ()

    def __new__(cls, token: str) -> Number:
        if len(token) > _LONGEST_NUMBER or not _TOKEN.fullmatch(token):
            raise Invalid("", f"no number of ordinary size: {token[:80]!r}", "write digits with a point, as 3.70")
        return super().__new__(cls, token)

    @property
    def decimal(self) -> Decimal:
        """Its value."""
        return Decimal(self)

    def __repr__(self) -> str:
        return f"Number({str(self)!r})"


Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | Number | bool | None"


def read_json(data: bytes | str, *, where: str = "", max_bytes: int = 16 * 1024 * 1024, depth: int = 64, nodes: int = 100_000) -> Tree:
    """Read JSON strictly: no duplicate keys, no NaN, no lone surrogates, within the limits.  Invalid says where."""
    if len(data) > max_bytes:
        raise Invalid(where, f"more than {max_bytes} bytes")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        found: Tree = json.loads(text, object_pairs_hook=_unique, parse_int=Number, parse_float=Number, parse_constant=_no_constant)
        text.encode()
    except UnicodeError:
        raise Invalid(where, "not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Invalid(
            where or f"line {error.lineno}, column {error.colno}", f"not JSON: {error.msg}, line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise Invalid(where, f"nested deeper than {depth}") from None
    except Invalid as error:
        raise Invalid(where, error.what, error.next) from None
    _within(found, where, depth, nodes)
    return found


def _unique(pairs: list[tuple[str, Tree]]) -> Tree:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Invalid("", f"the key {twice[:80]!r} stands twice in one object", "keep one of them")
    return found


def _no_constant(name: str) -> Tree:
    raise Invalid("", f"{name} is no JSON value", "leave the element out")


def _within(found: Tree, where: str, depth: int, nodes: int) -> None:
    level: list[Tree] = [found]
    count = 0
    for _ in range(depth):
        count += len(level)
        if count > nodes:
            raise Invalid(where, f"more than {nodes} values")
        below: list[Tree] = []
        for each in level:
            if isinstance(each, str):
                _text(each, where)
            elif isinstance(each, dict):
                for key in each:
                    _text(key, where)
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        if not below:
            return
        level = below
    raise Invalid(where, f"nested deeper than {depth}")


def _text(text: str, where: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid(where, "a text holds half a surrogate pair", "write the character itself") from None


def write_json(found: Tree | Mapping[str, Tree]) -> bytes:
    """The tree as compact UTF-8 JSON, number tokens as they came."""
    return orjson.dumps(found, default=_token, option=orjson.OPT_PASSTHROUGH_SUBCLASS)


def _token(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


_WIDTHS = ("byte", "short", "int", "long", "unsignedByte", "unsignedShort", "unsignedInt", "unsignedLong")
_SIGNS = ("nonNegativeInteger", "nonPositiveInteger", "positiveInteger", "negativeInteger")
INTEGERS = frozenset("xs:" + name for name in ("integer", *_WIDTHS, *_SIGNS))
NUMERIC = INTEGERS | {"xs:decimal", "xs:float", "xs:double"}


def typed(value_type: str, text: str) -> Tree:
    """The `$value` of a Property from its lexical form: numbers keep their token where JSON can write it."""
    text = text.strip() if value_type != "xs:string" else text
    if value_type == "xs:boolean":
        if text not in ("true", "false", "1", "0"):
            raise Invalid("", f"not a boolean: {text[:80]!r}", "write true or false")
        return text in ("true", "1")
    if value_type not in NUMERIC:
        return text
    if _TOKEN.fullmatch(text):
        return Number(text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Invalid("", f"not a number: {text[:80]!r}", "write digits with a point, as 3.70") from None
    if not value.is_finite():
        raise Invalid("", f"{text[:80]} has no JSON form", "leave the element out")
    return Number(str(value))


def walk(part: str, found: Tree) -> Iterator[tuple[tuple[str, ...], Element | None, Tree]]:
    """Every leaf of a part: its path with list positions, its element (None: the table has none), its value.

    A text in several languages and a file are one leaf each; what has no element is walked down to its scalars.
    """
    yield from _leaves(tree(part), (), found)


def _leaves(node: Node | None, path: tuple[str, ...], value: Tree) -> Iterator[tuple[tuple[str, ...], Element | None, Tree]]:
    if node is not None and node.element is not None and not node.element.container:
        yield path, node.element, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(node.children.get(key) if node else None, (*path, key), each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _leaves(node.item if node else None, (*path, str(number)), each)
    else:
        yield path, None, value


# --- dialects ------------------------------------------------------------------------------------

# Where an older SAMM schema has an element at another place: part -> (there, here).
_MOVED = {"technical": ((("GeneralInformation", "WarrantyPeriod"), ("GeneralInformation", "WarrantyInformation", "WarrantyPeriod")),)}


def normalise(part: str, found: Tree) -> tuple[Tree, tuple[Finding, ...]]:
    """The part's tree in IDTA names at the newest patch, from either dialect; unknown names stay and are reported.

    Normalising twice changes nothing.  Unknown names have no class, so they never leave the node.
    """
    if part not in PARTS:
        raise Invalid(part, "is no part of a battery passport", "parts are " + ", ".join(PARTS))
    if not isinstance(found, dict):
        raise Invalid(part, "a part is a JSON object", "write its elements as { name: value }")
    findings: list[Finding] = []
    result = _into_idta(tree(part), _moved(part, found), part, findings)
    return result, tuple(findings)


# SAMM gives a product image a note, and a File of IDTA 02035-4 has no place for one: kept beside the images, by their order.
_IMAGES, _NOTES = ("GeneralInformation", "ProductImages"), "ProductImageNotes"


def _moved(part: str, found: dict[str, Tree]) -> dict[str, Tree]:
    if part == "technical":
        found = _notes_apart(found)
    for (outer, old), (_, inner, new) in _MOVED.get(part, ()):
        below = found.get(outer)
        if isinstance(below, dict) and old in below and inner not in below:
            rest = {key: value for key, value in below.items() if key != old}
            found = {**found, outer: {**rest, inner: {new: below[old]}}}
    return found


def _notes_apart(found: dict[str, Tree]) -> dict[str, Tree]:
    outer, images = _IMAGES
    general = found.get(outer)
    listed = general.get(images) if isinstance(general, dict) else None
    items = listed if isinstance(listed, list) else [listed]
    notes: list[Tree] = [each.get("ImageNote") if isinstance(each, dict) else None for each in items]
    if not isinstance(general, dict) or not any(notes):
        return found
    bare: list[Tree] = [
        {key: value for key, value in each.items() if key != "ImageNote"} if isinstance(each, dict) else each for each in items
    ]
    return {**found, outer: {**general, images: bare, _NOTES: notes}}


def _notes_back(found: Tree) -> Tree:
    outer, images = _IMAGES
    general = found.get(outer) if isinstance(found, dict) else None
    notes = general.get(_NOTES) if isinstance(general, dict) else None
    listed = general.get(images) if isinstance(general, dict) else None
    if not isinstance(found, dict) or not isinstance(general, dict) or not isinstance(notes, list) or not isinstance(listed, list):
        return found
    if len(notes) != len(listed):  # one came or went since: nobody can say which note is whose
        return found
    joined: list[Tree] = [
        {**each, "ImageNote": note} if note and isinstance(each, dict) else each for each, note in zip(listed, notes, strict=True)
    ]
    rest = {key: value for key, value in general.items() if key != _NOTES}
    return {**found, outer: {**rest, images: joined}}


def _into_idta(node: Node, value: Tree, where: str, findings: list[Finding]) -> Tree:
    element = node.element
    if element is not None and not element.container:
        return _LEAF.get(element.kind, _as_it_is)(value, where, findings)
    if element is not None and element.kind == LIST:
        items = value if isinstance(value, list) else [value]  # SAMM examples write a set of one as its value
        if not isinstance(value, list):
            findings.append(Finding(where, "is one value where a list of them belongs; read as a list of one", "write [ ... ]"))
        return [_into_idta(node.item, item, f"{where}/{number}", findings) if node.item else item for number, item in enumerate(items)]
    if not isinstance(value, dict):
        findings.append(Finding(where, "holds elements, not a value", "write { name: value }", "error"))
        return value
    result: dict[str, Tree] = {}
    for key, child in value.items():
        name = key if key in node.children else node.aliases.get(key, key)
        if name != key and name in value:
            findings.append(Finding(f"{where}/{key}", f"is the older name of {name}, which is given too; ignored", f"remove {key}"))
            continue
        below = node.children.get(name)
        if below is None:
            findings.append(_unknown(f"{where}/{key}", key, node))
        result[name] = _into_idta(below, child, f"{where}/{name}", findings) if below else child
    return result


def _unknown(where: str, key: str, node: Node) -> Finding:
    near = get_close_matches(key, node.children, 1, 0.6)
    return Finding(where, "no such element; kept here, never given out", f"did you mean {near[0]}?" if near else "")


def _as_it_is(value: Tree, where: str, findings: list[Finding]) -> Tree:
    return value


def _texts(value: Tree, where: str, findings: list[Finding]) -> Tree:
    """[{"de": "..."}] from that, from {"de": "..."} and from [{"language": "de", "text": "..."}]."""
    items = value if isinstance(value, list) else [value]
    if isinstance(value, dict):
        findings.append(Finding(where, "is an object where a list of texts belongs; read as that list", 'write [{"en": "..."}]'))
    result: list[Tree] = []
    for item in items:
        if not isinstance(item, dict) or not all(type(text) is str for text in item.values()):
            findings.append(Finding(where, "is a text in several languages", 'write [{"en": "..."}]', "error"))
            return value
        if item.keys() == {"language", "text"}:
            item = {str(item["language"]): item["text"]}
        result.extend({language: text} for language, text in item.items())
    return result


def _file(value: Tree, where: str, findings: list[Finding]) -> Tree:
    """{"contentType", "value"} from that, from a bare path, and from SAMM's {"ImageFile": {...}, "ImageNote": ...}."""
    if isinstance(value, dict) and isinstance(value.get("ImageFile"), dict):
        value = value["ImageFile"]
    if type(value) is str:
        return {"contentType": mimetypes.guess_type(value)[0] or "application/octet-stream", "value": value}
    if not isinstance(value, dict) or not {"value"} <= value.keys() <= {"value", "contentType"}:
        findings.append(Finding(where, "is a file", 'write {"contentType": "application/pdf", "value": "path"}', "error"))
    return value


_LEAF: Mapping[str, Callable[[Tree, str, list[Finding]], Tree]] = {"MultiLanguageProperty": _texts, "File": _file}


def to_samm(part: str, found: Tree) -> Tree:
    """A part in the names and shapes of its newest SAMM schema; unknown names as they are."""
    written = _into_samm(tree(part), found)
    return _notes_back(written) if part == "technical" else written


def _into_samm(node: Node, value: Tree) -> Tree:
    if node.element is not None and not node.element.container:
        return _samm_file(node.element, value) if node.element.kind == "File" else value
    if isinstance(value, list) and node.item is not None:
        return [_into_samm(node.item, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_samm_name(node.children.get(key), key): _into_samm(node.children.get(key, Node()), child) for key, child in value.items()}


def _samm_name(node: Node | None, key: str) -> str:
    return node.element.samm_name if node and node.element else key


def _samm_file(element: Element, value: Tree) -> Tree:
    if element.path[-2:] == ("ProductImages", "*"):
        return {"ImageFile": value}
    if element.path[-1] == "CompanyLogo" and isinstance(value, dict):
        return value.get("value")
    return value
