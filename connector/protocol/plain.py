"""JSON as strangers send it, read under limits; JSON as we write it.

Knows nothing of DSP.  The standard library reads (its hooks see duplicate keys), orjson writes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, NoReturn, Protocol

import orjson

from connector.errors import Malformed, TooLarge

Json = dict[str, Any]

_SAFE_INTEGER = 2**53 - 1  # RFC 8259 section 6: beyond it receivers do not agree on the number


class Limits(Protocol):
    """The part of `connector.ports.Limits` that reading needs."""

    @property
    def message_bytes(self) -> int: ...
    @property
    def message_depth(self) -> int: ...
    @property
    def message_nodes(self) -> int: ...
    @property
    def text_bytes(self) -> int: ...


def read_json(body: bytes, limits: Limits) -> Any:
    """The JSON value in UTF-8 bytes; Malformed or TooLarge for anything that two readers could understand differently.

    Refused: duplicate keys, NaN and infinities, integers beyond 2^53 - 1, lone surrogates, NUL, a byte order mark.
    """
    if len(body) > limits.message_bytes:
        raise TooLarge(
            "The message is too large.",
            f"It has {len(body)} bytes; at most {limits.message_bytes} are read.",
            "Send less in one message.",
        )
    try:
        text = body.decode("utf-8")
        tree = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed("The message is not JSON.", f"{error.msg}.", "Send one JSON object in UTF-8.", where=where) from None
    except UnicodeDecodeError as error:
        raise Malformed("The message is not UTF-8.", f"Byte {error.start} cannot be read.", "Send JSON in UTF-8.") from None
    except RecursionError:
        raise _too_deep(limits) from None
    strict_text = "\\u" in text
    if strict_text or len(body) > limits.message_nodes or text.count("{") + text.count("[") >= limits.message_depth:
        _measure(tree, limits, strict_text=strict_text)  # a short text cannot hold too many values, nor a flat one be too deep
    return tree


def write_json(tree: Any) -> bytes:
    """JSON bytes in the order of the tree."""
    return orjson.dumps(tree)


def digest_of(tree: Any) -> str:
    """base64url(SHA-256) over a tree that `read_json` takes, keys sorted: equal content, equal digest, whatever the order of keys."""
    data = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def cut(text: str, limit: int) -> str:
    """The text, or as much of it as fits into `limit` bytes of UTF-8, with an ellipsis."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return data[: max(limit - 3, 0)].decode("utf-8", "ignore") + "…" if limit >= 3 else ""


def pointer(path: Any) -> str:
    """A JSON pointer (RFC 6901) from its steps; "" is the whole document."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _pairs(pairs: list[tuple[str, Any]]) -> Json:
    found: Json = {}
    for key, value in pairs:
        if key in found:
            raise Malformed(
                f"The key {cut(key, 200)!r} stands twice in one object.", "Two readers could take different values.", "Send it once."
            )
        found[key] = value
    return found


def _constant(token: str) -> NoReturn:
    raise Malformed(f"{token} is not a JSON number.", next="Leave it out or send a string.")


def _integer(token: str) -> int:
    if len(token) > 17 or abs(int(token)) > _SAFE_INTEGER:
        raise Malformed("A number is too large to be exchanged exactly.", f"It begins with {token[:20]}.", "Send it as a string.")
    return int(token)


def _float(token: str) -> float:
    value = float(token)
    if value in (float("inf"), float("-inf")):
        raise Malformed("A number is too large.", f"It begins with {token[:20]}.", "Send it as a string.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer, parse_float=_float)


def _measure(tree: Any, limits: Limits, *, strict_text: bool) -> None:
    nodes = 0
    level: list[Any] = [tree]
    depth = 0
    while level:
        depth += 1
        nodes += len(level)
        if nodes > limits.message_nodes:
            why = f"It has more than {limits.message_nodes} values."
            raise TooLarge("The message has too many values.", why, "Send less in one message.")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
                if strict_text:
                    for key in value:
                        _check_text(key)
            elif isinstance(value, list):
                below.extend(value)
            elif strict_text and isinstance(value, str):
                _check_text(value)
        if below and depth >= limits.message_depth:
            raise _too_deep(limits)
        level = below


def _check_text(text: str) -> None:
    if "\0" in text:
        raise Malformed("A text contains a NUL character.", next="Send text without it.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Malformed("A text contains half of a surrogate pair.", next="Send well-formed Unicode.")


def _too_deep(limits: Limits) -> TooLarge:
    return TooLarge("The message is nested too deeply.", f"At most {limits.message_depth} levels are read.", "Send a flatter message.")
