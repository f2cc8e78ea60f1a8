"""Where `@context` is judged, once; past this door nobody sees it.

Two doors (DSP 2025-1 `common/context-schema.json`): messages under the DSP context alone are plain JSON already; messages
under further pinned contexts are brought into that form by `jsonld`.  Any other context is refused and named.
"""

from __future__ import annotations

from typing import Any

from connector.errors import Malformed, TooLarge

from .plain import Json, cut, pointer
from .vocabulary import DSP_CONTEXT, PINNED_CONTEXTS

_MAX_CONTEXTS = 8
_KEYWORDS = frozenset({"@id", "@type", "@value", "@language", "@direction"})


def admit(document: Any, *types: str, foreign_values: int = 10_000) -> Json:
    """The document in the plain form of DSP 2025-1, without `@context`; Malformed unless its `@type` is one of `types`.

    Under foreign contexts it may hold at most `foreign_values` values (TooLarge): they cost 25 microseconds each, on the loop.
    """
    if not isinstance(document, dict):
        raise Malformed("The message is not a JSON object.", "DSP 2025-1 messages are objects.", "Send one object.")
    contexts = _contexts(document)
    found = document.get("@type")
    if found not in types:
        raise Malformed(
            f"@type {cut(found, 200)!r} is not expected here." if isinstance(found, str) else "@type is missing or not a string.",
            f"Expected here: {' or '.join(types)}, as a plain term.",
            "Send the message to its own endpoint, with @type as the specification spells it.",
            where="/@type",
        )
    values = _refuse_keywords(document)
    if contexts == {DSP_CONTEXT}:
        return {key: value for key, value in document.items() if key != "@context"}
    if values > foreign_values:
        raise TooLarge(
            "The message has too many values for its contexts.",
            f"At most {foreign_values} are read under contexts other than that of DSP 2025-1.",
            f"Send less in one message, or send it under {DSP_CONTEXT} alone.",
        )
    from .jsonld import plain  # late: a node without EDC peers never pays for PyLD

    return plain(document)


def _contexts(document: Json) -> set[str]:
    contexts = document.get("@context")
    if not isinstance(contexts, list) or not all(isinstance(item, str) for item in contexts):
        raise Malformed(
            "@context is not an array of strings.",
            "DSP 2025-1 allows neither a single string nor an inline object.",
            f'Send ["{DSP_CONTEXT}"].',
            where="/@context",
        )
    if DSP_CONTEXT not in contexts or len(contexts) > _MAX_CONTEXTS:
        raise Malformed(
            "@context does not hold the context of DSP 2025-1." if len(contexts) <= _MAX_CONTEXTS else "@context is too long.",
            "It says which protocol this is.",
            f'Send ["{DSP_CONTEXT}"].',
            where="/@context",
        )
    for index, context in enumerate(contexts):
        if context not in PINNED_CONTEXTS:
            raise Malformed(
                f"The context {cut(context, 200)!r} is not known here.",
                "Contexts are never fetched; what a term means must be known beforehand.",
                f"Send {DSP_CONTEXT} alone, with full IRIs for terms of your own.",
                code="context.unknown",
                where=f"/@context/{index}",
            )
    return set(contexts)


def _refuse_keywords(document: Json) -> int:
    """Below the root no `@context`, nowhere a keyword that plain JSON and JSON-LD would read differently.  Counts values."""
    values = 0
    level: list[tuple[Any, tuple[Any, ...]]] = [(document, ())]
    while level:
        value, path = level.pop()
        values += len(value)
        if isinstance(value, dict):
            for key, item in value.items():
                if key.startswith("@") and key not in _KEYWORDS and not (key == "@context" and not path):
                    raise Malformed(
                        f"The key {cut(key, 200)!r} has no place here.",
                        "@context stands on the root object only, and no other JSON-LD keyword may change what the rest means.",
                        "Send the message in the plain form of DSP 2025-1.",
                        where=pointer((*path, key)),
                    )
                if isinstance(item, dict | list):
                    level.append((item, (*path, key)))
        else:
            level.extend((item, (*path, index)) for index, item in enumerate(value) if isinstance(item, dict | list))
    return values
