"""The management door: a body in any JSON-LD spelling becomes a node that is read by name.

Inline object contexts, prefixes and bundled context URLs are understood; a missing `@vocab` is EDC's namespace, as in
EDC.  Nothing is ever fetched.  A context that takes words away (null) is refused: a lost constraint widens a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from connector.errors import Malformed, Unsupported
from connector.http.doorway import JSON, read_body
from connector.ports import World
from connector.protocol.contexts import PREFIXES, documents
from connector.protocol.plain import cut, pointer, read_json
from connector.protocol.vocabulary import EDC_NS

Json = dict[str, Any]

ODRL = PREFIXES["odrl"]
OURS: Json = {"@vocab": EDC_NS, **{name: PREFIXES[name] for name in ("edc", "odrl", "dct", "dcat")}}
_KEYWORDS = frozenset({"@context", "@id", "@type", "@value", "@language", "@direction", "@list", "@set"})


@dataclass(frozen=True, slots=True)
class Node:
    """An expanded JSON-LD object.  A bare name is EDC's; what is not asked for by name is not there for the caller."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    @property
    def id(self) -> str:
        """The `@id`, or ''."""
        return str(self.fields.get("@id", ""))

    def __contains__(self, name: str) -> bool:
        return bool(self._values(name))

    def text(self, name: str, *, needed: bool = False) -> str:
        """The one text (or id, or number as text) under a name, '' when absent; Malformed for several or for an object."""
        values = self._values(name)
        if len(values) > 1:
            raise self.wrong(name, "one value is expected", values)
        found = literal(values[0]) if values else ""
        if found is None:
            raise self.wrong(name, "text is expected, not an object", values)
        if needed and not found:
            raise self.wrong(name, "mandatory value is missing or empty")
        return found

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number, also where a client writes it as text."""
        text = self.text(name)
        if not text:
            return default
        if not text.lstrip("-").isdecimal() or not text.isascii() or len(text) > 12 or not least <= int(text) <= most:
            raise self.wrong(name, f"a whole number from {least} to {most} is expected", text)
        return int(text)

    def node(self, name: str) -> Node | None:
        """The object under a name."""
        found = self.nodes(name)
        if len(found) > 1:
            raise self.wrong(name, "one object is expected")
        return found[0] if found else None

    def nodes(self, name: str) -> list[Node]:
        """The objects under a name."""
        values = self._values(name)
        if any(not isinstance(value, dict) or "@value" in value for value in values):
            raise self.wrong(name, "an object is expected", values)
        several = len(values) > 1
        return [Node(value, f"{self.where}/{name}{f'/{index}' if several else ''}") for index, value in enumerate(values)]

    def values(self, name: str) -> list[Any]:
        """Everything under a name, in expanded form."""
        return self._values(name)

    def wrong(self, name: str, what: str, value: Any = None) -> Malformed:
        """The error for a field of this node."""
        where = f"{self.where}/{name}"
        error = Malformed(f"{where.lstrip('/') or 'body'}: {what}.", code="body.invalid", where=where.lstrip("/"))
        if value is not None and not secret(name):
            error.value = cut(str(plain(value) if isinstance(value, list) else value), 200)
        return error

    def _values(self, name: str) -> list[Any]:
        found = self.fields.get(name if ":" in name or name.startswith("@") else EDC_NS + name, [])
        values = found if isinstance(found, list) else [found]
        return [item for value in values for item in (value["@list"] if isinstance(value, dict) and "@list" in value else [value])]


async def read(request: web.Request, world: World) -> Node:
    """The request's body; an empty node for an empty body, which needs no Content-Type."""
    content = await read_body(request)
    if not content.strip():
        return Node()
    if "Content-Type" not in request.headers:
        raise Unsupported("A body needs a type.", next=f"Send Content-Type: {JSON}.")
    return understand(read_json(content, world.limits))


def understand(document: Any) -> Node:
    """A parsed body as a node; Malformed for one that JSON-LD would read in part only."""
    if not isinstance(document, dict):
        raise Malformed("The body is not a JSON object.", next="Send one object.", code="body.invalid")
    _check(document)
    given = document.get("@context", [])
    from connector.protocol import jsonld  # late: PyLD is a tenth of a start, and many a node is never driven this way

    nodes = jsonld.expand(document, [OURS, *(given if isinstance(given, list) else [given])])
    if len(nodes) > 1:
        raise Malformed("The body is more than one object.", next="Send one object.", code="body.invalid")
    # JSON-LD drops an object that says nothing but its name.
    return Node(nodes[0] if nodes else {name: held for name, held in document.items() if name == "@id" and isinstance(held, str)})


def literal(value: Any) -> str | None:
    """The text of an expanded value or reference; None for an object."""
    if isinstance(value, dict):
        if "@value" not in value:
            return str(value["@id"]) if set(value) == {"@id"} else None
        value = value["@value"]
    return str(value).lower() if isinstance(value, bool) else str(value)


def plain(values: Any) -> Any:
    """Expanded values as JSON without wrapping: EDC's names bare, other names as IRIs, references as `{"@id": ...}`."""
    items = [_plain(value) for value in values] if isinstance(values, list) else [_plain(values)]
    return items[0] if len(items) == 1 else items


def bare(name: str) -> str:
    """A name without EDC's namespace."""
    return name.removeprefix(EDC_NS)


def secret(name: str) -> bool:
    """Whether a field's value is never repeated: not in an answer, not in an error."""
    return name in ("value", "authCode") or name.startswith("header:")


def _plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "@list" in value:
        return [_plain(item) for item in value["@list"]]
    if set(value) == {"@value"}:
        return value["@value"]
    if "@value" in value:
        return value
    types = [bare(each) for each in value.get("@type", [])]
    typed = {"@type": types[0] if len(types) == 1 else types} if types else {}
    named = {"@id": value["@id"]} if "@id" in value else {}
    return named | typed | {bare(name): plain(held) for name, held in value.items() if not name.startswith("@")}


# --- what may stand in a body --------------------------------------------------------------------


def _check(document: Json) -> None:
    """Only keywords that keep what stands beside them, and only contexts that we know or that stand inline."""
    level: list[tuple[Any, tuple[Any, ...]]] = [(document, ())]
    while level:
        value, path = level.pop()
        if isinstance(value, list):
            level.extend((item, (*path, index)) for index, item in enumerate(value))
            continue
        if not isinstance(value, dict):
            continue
        for key, item in value.items():
            if key == "@context":
                _check_context(item, (*path, key))
            elif key.startswith("@") and key not in _KEYWORDS:
                raise Malformed(f"The key {cut(key, 100)!r} has no place here.", next="Leave it out.", where=pointer((*path, key)))
            else:
                level.append((item, (*path, key)))


def _check_context(context: Any, path: tuple[Any, ...]) -> None:
    for one in context if isinstance(context, list) else [context]:
        if isinstance(one, str):
            if one not in documents():
                raise Malformed(
                    f"The context {cut(one, 200)!r} is not known here.",
                    "Contexts are never fetched.",
                    'Send an inline one: {"@vocab": "' + EDC_NS + '"}.',
                    code="context.unknown",
                    where=pointer(path),
                )
        elif not isinstance(one, dict) or _takes_away(one):
            raise Malformed(
                "A context here is an object or a known URL, and defines words only.",
                "One that maps words to null would lose what stands under them.",
                "Leave out what you do not want to say.",
                code="context.unreadable",
                where=pointer(path),
            )


def _takes_away(context: Json) -> bool:
    for key, value in context.items():
        if value is None or key in ("@import", "@propagate"):
            return True
        if isinstance(value, dict) and _takes_away(value):
            return True
        if key == "@context" and isinstance(value, str | list):  # a scoped context by reference
            return True
    return False
