"""The second door: a message under further pinned contexts, brought into the plain form of DSP 2025-1.

Expanded and compacted once, under bundled copies only.  Words that no context defines keep their spelling, so that no
restriction in an unknown term can vanish (it stays, unknown, and the policy's reader refuses it).  A known word of a
foreign context becomes its full IRI: `inForceDate` is `https://w3id.org/edc/v0.0.1/ns/inForceDate` from here on.

PyLD costs about a millisecond for a message and a second and a half for a catalog of a thousand.
"""

from __future__ import annotations

from typing import Any

from pyld import jsonld

from connector.errors import Malformed

from . import contexts
from .plain import Json, cut

_BROKEN = (jsonld.JsonLdError, RecursionError, TypeError, ValueError, AttributeError, KeyError, IndexError)


def plain(document: Json) -> Json:
    """The document as DSP 2025-1 writes it, without `@context`; Malformed when its contexts do not allow a reading."""
    guarded = {**document, "@context": [*document["@context"], contexts.GUARD]}
    try:
        expanded = jsonld.expand(guarded, _options())
        compacted = jsonld.compact(expanded, contexts.PLAIN_FORM, {**_options(), "skipExpansion": True})
    except _BROKEN as error:
        raise Malformed(
            "The message cannot be read under its contexts.",
            cut(f"{getattr(error, 'code', None) or type(error).__name__}", 200),
            "Send plain DSP 2025-1 JSON under its own context alone.",
            code="context.unreadable",
            where="/@context",
        ) from error
    return {key: value for key, value in compacted.items() if key != "@context"}


def expand(document: Json, context: list[Any]) -> list[Json]:
    """The document's nodes in expanded form under `context` (bundled URLs, inline objects) and the contexts inside it.

    Malformed when they do not allow a reading.  What may stand in an inline context is the caller's to judge.
    """
    try:
        nodes: list[Json] = jsonld.expand({**document, "@context": context}, _options())
    except _BROKEN as error:
        raise Malformed(
            "The body cannot be read under its contexts.",
            cut(f"{getattr(error, 'code', None) or type(error).__name__}", 200),
            "Send it under an inline @context.",
            code="context.unreadable",
            where="/@context",
        ) from error
    return nodes


def _options() -> Json:
    return {"base": None, "documentLoader": _bundled, "processingMode": "json-ld-1.1"}


def _bundled(url: str, options: Any = None) -> Json:
    """PyLD's document loader: the bundled copies and nothing else."""
    document = contexts.documents().get(url)
    if document is None:
        raise jsonld.JsonLdError(f"{url} is not bundled", "jsonld.LoadDocumentError", code="loading document failed")
    # `static` lets PyLD keep the processed context: 1 ms a message instead of 6.
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": document, "tag": "static"}
