"""Canonical JSON (RFC 8785), quickly where orjson writes the same bytes, by the book everywhere else.

The two agree on text, truth values, null and integers up to 2^53 - 1, in objects whose keys are ASCII (RFC 8785 sorts by
UTF-16 units, orjson by UTF-8 bytes).  They do not agree on floats.  A property test holds this module to `rfc8785`.
"""

from __future__ import annotations

from typing import Any

import orjson
import rfc8785

_LARGEST = 2**53 - 1


def canonical(value: Any) -> bytes:
    """The canonical bytes of a JSON value; ValueError for what has none (a float that is no number, a huge integer, half a character)."""
    if _alike(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # nested too deeply for it, or a lone surrogate: rfc8785 says which
            pass
    return rfc8785.dumps(value)


def canonical_text(text: str) -> bytes:
    """The same for a text, which both writers always write alike."""
    try:
        return orjson.dumps(text)
    except TypeError:
        return rfc8785.dumps(text)


def _alike(value: Any) -> bool:
    """Whether both writers write this value alike."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or not (type(item) is str or _alike(item)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_alike, value))
    return kind is int and -_LARGEST <= value <= _LARGEST
