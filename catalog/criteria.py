"""One EDC criterion: `operandLeft operator operandRight` over an id and properties.

What cannot be compared does not match: a missing property matches nothing, whatever the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import Invalid

Json = dict[str, Any]

EDC = "https://w3id.org/edc/v0.0.1/ns/"
DCT = "http://purl.org/dc/terms/"
TYPE = DCT + "type"

MAX_TEXT = 1000  # characters of an operand
MAX_LIST = 1000  # values of one


@dataclass(frozen=True, slots=True)
class Criterion:
    """`path` is the property's name and, for structured values, the steps into it; `("id",)` is the id."""

    path: tuple[str, ...]
    operator: str
    right: tuple[str, ...]

    def matches(self, id: str, properties: Mapping[str, Any]) -> bool:
        values = self.found(id, properties)
        return bool(values) and _OPERATORS[self.operator](values, self.right)

    def found(self, id: str, properties: Mapping[str, Any]) -> list[str]:
        """The texts that stand under the path."""
        return [id] if self.path == ("id",) else _found(properties, self.path)


def parse_criterion(json: Any, where: str = "") -> Criterion:
    """Reads the bare and the prefixed spelling of the three keys; raises Invalid."""
    if not isinstance(json, Mapping):
        raise Invalid(where, "a criterion is an object with operandLeft, operator and operandRight")
    fields = {_bare(name): value for name, value in json.items() if not name.startswith("@")}
    if unknown := sorted(set(fields) - {"operandLeft", "operator", "operandRight"}):
        raise Invalid(f"{where}/{unknown[0][:80]}", "not a part of a criterion")
    left, operator = _scalar(fields.get("operandLeft")), _scalar(fields.get("operator"))
    if not left or len(left) > MAX_TEXT:
        raise Invalid(f"{where}/operandLeft", "the name of a property is missing or too long")
    if operator not in _OPERATORS:
        raise Invalid(f"{where}/operator", "an operator that is not known here", f"use one of {', '.join(_OPERATORS)}")
    if "operandRight" not in fields:
        raise Invalid(f"{where}/operandRight", "the value to compare with is missing")
    return Criterion(_path(left, where), operator, _right(fields["operandRight"], operator, f"{where}/operandRight"))


def _bare(name: str) -> str:
    return name.removeprefix(EDC).removeprefix("edc:")


def _scalar(json: Any) -> str:
    value = json.get("@value", json.get("@id")) if isinstance(json, Mapping) else json
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _right(json: Any, operator: str, where: str) -> tuple[str, ...]:
    several = operator in ("in", "not in")
    values = json if isinstance(json, list) else [json]
    texts = tuple(_scalar(value) for value in values)
    if len(texts) > (MAX_LIST if several else 1) or not texts or any(len(text) > MAX_TEXT for text in texts):
        raise Invalid(where, "a list of values is expected" if several else "one value is expected")
    if any(not isinstance(value, str | int | float | Mapping) for value in values):
        raise Invalid(where, "values are text, numbers or booleans")
    return texts


def _path(left: str, where: str) -> tuple[str, ...]:
    """`id`, a property, or EDC's quoted path `'http://purl.org/dc/terms/type'.'@id'`."""
    if left in ("id", "@id", EDC + "id", "edc:id"):
        return ("id",)
    if not left.startswith("'"):
        return (_name(left),)
    steps = left[1:-1].split("'.'")
    if not left.endswith("'") or not all(steps) or any("'" in step for step in steps):
        raise Invalid(f"{where}/operandLeft", "a quoted path that does not end")
    return (_name(steps[0]), *steps[1:])


def _name(name: str) -> str:
    for prefix, namespace in (("edc:", EDC), ("dct:", DCT)):
        if name.startswith(prefix):
            return namespace + name.removeprefix(prefix)
    return name


def _found(properties: Mapping[str, Any], path: Sequence[str]) -> list[str]:
    """The values under a path; a property may be kept bare or under EDC's namespace, a value plain or as `{"@id": ...}`."""
    first = path[0]
    names = {first, EDC + first, first.removeprefix(EDC)}
    nodes = [properties[name] for name in sorted(names) if name in properties]
    for step in path[1:]:
        nodes = [inner for node in _each(nodes) for inner in _step(node, step)]
    return [text for node in _each(nodes) if (text := _scalar(node))]


def _step(node: Any, step: str) -> list[Any]:
    if isinstance(node, Mapping):
        return [node[step]] if step in node else []
    return [node] if step in ("@id", "@value") else []  # kept without its wrapping


def _each(nodes: Sequence[Any]) -> list[Any]:
    return [inner for node in nodes for inner in (node if isinstance(node, list) else [node])]


# --- operators -----------------------------------------------------------------------------------


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[list[str], tuple[str, ...]], bool]:
    def holds(values: list[str], right: tuple[str, ...]) -> bool:
        limit = _number(right[0])
        numbers = [_number(value) for value in values]
        return any(limit is not None and number is not None and compare(number, limit) for number in numbers)

    return holds


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def like(text: str, pattern: str) -> bool:
    """SQL's LIKE: `%` any run, `_` any one character; linear memory and at most len(text) * len(pattern) steps."""
    at = piece = 0
    star, resume = -1, 0
    while at < len(text):
        if piece < len(pattern) and pattern[piece] == "%":
            star, resume, piece = piece, at, piece + 1
        elif piece < len(pattern) and pattern[piece] in ("_", text[at]):
            at, piece = at + 1, piece + 1
        elif star >= 0:
            resume += 1
            at, piece = resume, star + 1
        else:
            return False
    return set(pattern[piece:]) <= {"%"}


_OPERATORS: Mapping[str, Callable[[list[str], tuple[str, ...]], bool]] = {
    "=": lambda values, right: right[0] in values,
    "!=": lambda values, right: right[0] not in values,
    "in": lambda values, right: not set(values).isdisjoint(right),
    "not in": lambda values, right: set(values).isdisjoint(right),
    "contains": lambda values, right: right[0] in values,
    "like": lambda values, right: any(like(value[:MAX_TEXT], right[0]) for value in values),
    "ilike": lambda values, right: any(like(value[:MAX_TEXT].lower(), right[0].lower()) for value in values),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
}
