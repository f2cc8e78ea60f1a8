"""Is this a message?  Compiled checks over `dsp.json`, with errors a person can act on.

The door has judged `@context` and `@type` before; unknown properties are none of our business (DSP 2025-1: ignored).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs

from connector.errors import Malformed

from ..plain import Json, cut, pointer

_AN = {"array": "an array", "object": "an object", "string": "a string", "number": "a number", "integer": "a number"}


def check(type: str, message: Json) -> None:
    """Malformed, naming the first fault, unless the message has the shape of its `@type`."""
    try:
        _validator(type).validate(message)  # not iter_errors: a hostile message has ten thousand faults
    except jsonschema_rs.ValidationError as error:
        where, what, next = _explain(error)
        raise Malformed(what, f"DSP 2025-1 demands it of a {type}.", next, where=where) from None


@cache
def _definitions() -> Json:
    definitions: Json = json.loads(resources.files(__name__).joinpath("dsp.json").read_text("utf-8"))["$defs"]
    return definitions


TYPES = frozenset(name for name in _definitions() if name.endswith("Message"))


@cache
def _validator(type: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{type}", "$defs": _definitions()})


def _explain(error: jsonschema_rs.ValidationError) -> tuple[str, str, str]:
    """(where, what, next)."""
    *above, last = ["the message", *error.instance_path]
    name = f"{above[-1]}[{last}]" if isinstance(last, int) else last
    what, next = _words(error.kind.name, str(name), error.kind.as_dict(), error.instance)
    return pointer(error.instance_path), cut(what, 400), next


def _words(rule: str, name: str, kind: Mapping[str, Any], value: Any) -> tuple[str, str]:
    match rule:
        case "required":
            return f"{kind['property']} is missing in {name}.", f"Add {kind['property']}."
        case "type":
            wanted = " or ".join(_AN.get(type, type) for type in kind.get("types", [kind.get("type", "")]))
            return f"{name} must be {wanted}, not {_named(value)}.", f"Send {wanted}."
        case "const":
            return f"{name} must be {kind['expected_value']}.", f"Send {kind['expected_value']}."
        case "enum":
            return f"{name} has an unknown value.", f"Send one of {', '.join(kind['options'])}."
        case "minItems":
            return f"{name} must not be empty.", f"Leave {name} out instead."
        case "minLength":
            return f"{name} must not be empty.", f"Send {name}, or leave it out where it is optional."
        case "maxLength":
            return f"{name} is longer than {kind['limit']} characters.", "Send a shorter one."
        case "pattern":
            return f"{name} is not an xsd:dateTime.", "Send an instant such as 2027-12-31T23:59:59Z."
        case "anyOf":
            return f"permission or prohibition is missing in {name}.", "Embed the whole policy, not only its id."
        case "oneOf" if name == "the message":
            return "Exactly one of callbackAddress and the receiver's pid must be there.", (
                "An opening message carries callbackAddress only, a later one the pid only."
            )
        case "oneOf":
            return f"{name} has more than one meaning.", "Use exactly one of and, or, xone, andSequence, or three operands."
        case _:
            return f"{name} is not as DSP 2025-1 has it.", "Compare it with the specification's schema."


def _named(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return next(
        (text for type, text in ((str, "a string"), (dict, "an object"), (list, "an array")) if isinstance(value, type)), "a number"
    )
