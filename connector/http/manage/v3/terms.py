"""ODRL as management clients send it, in any spelling, as the plain rules that `policies` reads.

Nothing is dropped on the way: a word that is no rule's stays, and the policy's own reader refuses it.  Rules that a client
wrote without ODRL's context stand in EDC's namespace, where EDC would lose them; here they mean what they say.
"""

from __future__ import annotations

from typing import Any

from connector.protocol.vocabulary import EDC_NS
from policies.operands import operand, wire_name

from .jsonld import ODRL, Node, bare, plain

Json = dict[str, Any]

_RULES = ("permission", "prohibition", "obligation")
_PARTIES = ("target", "assigner", "assignee")
_CONNECTIVES = ("and", "or", "xone", "andSequence")


def policy(node: Node) -> Json:
    """A policy's rules and parties as plain JSON; other words of ODRL are kept for its reader to refuse."""
    found: Json = {"@id": node.id} if node.id else {}
    for name, values in node.fields.items():
        word = _word(name)
        if word in _RULES:
            found[word] = [_rule(each) for each in _each(values)]
        elif word in _PARTIES:
            found[word] = _text(values)
        elif word == "profile":
            found[word] = _right(values)
        elif not name.startswith("@"):
            found[word] = plain(values)
    return found


def rules(node: Node) -> Json:
    """The rules alone.  A Set without any rule is what EDC makes of it: use, without a constraint."""
    found = {name: held for name, held in policy(node).items() if name not in ("@id", *_PARTIES)}
    return found if any(found.get(name) for name in _RULES) else {**found, "permission": [{"action": "use"}]}


def _rule(value: Any) -> Any:
    if not isinstance(value, dict):
        return plain(value)
    found: Json = {}
    for name, values in value.items():
        word = _word(name)
        if word == "action":
            found[word] = _action(values)
        elif word == "constraint":
            found[word] = [_condition(each) for each in _each(values)]
        elif word == "duty":
            found[word] = [_rule(each) for each in _each(values)]
        elif not name.startswith("@") and values != []:
            found[word] = plain(values)
    return found


def _condition(value: Any) -> Any:
    if not isinstance(value, dict):
        return plain(value)
    found: Json = {}
    for name, values in value.items():
        word = _word(name)
        if word in _CONNECTIVES:
            found[word] = [_condition(each) for each in _each(values)]
        elif word == "leftOperand":
            found[word] = _left(_text(values))
        elif word == "operator":
            found[word] = _word(_text(values))
        elif word == "rightOperand":
            found[word] = _right(values)
        elif not name.startswith("@"):
            found[word] = plain(values)
    return found


def _left(name: str) -> str:
    """A left operand; one of ours written bare became EDC's by `@vocab`, and EDC has none of that name."""
    own = bare(name)
    return wire_name(own) if name.startswith(EDC_NS) and operand(name) is None and operand(own) is not None else name


def _right(values: Any) -> Any:
    """Text, as DSP wants it: a client's numbers and truth values are written out."""
    texts = [_scalar(each) for each in _each(values)]
    return texts[0] if len(texts) == 1 else texts


def _scalar(value: Any) -> Any:
    held = value.get("@value", value.get("@id", value)) if isinstance(value, dict) else value
    return str(held).lower() if isinstance(held, bool) else str(held) if isinstance(held, int | float) else held


def _action(values: Any) -> Any:
    """`use`, `{"@id": "odrl:use"}` and EDC's older `{"type": "USE"}`."""
    items = _each(values)
    held = items[0] if len(items) == 1 else None
    if isinstance(held, dict) and not {"@id", "@value"} & held.keys():
        inner = [content for name, content in held.items() if _word(name) in ("type", "@type")]
        held = inner[0][0] if len(inner) == 1 and isinstance(inner[0], list) and len(inner[0]) == 1 else held
    text = _scalar(held)
    if not isinstance(text, str):
        return plain(values)
    word = _word(text)
    return word.lower() if word.isupper() else word


def _text(values: Any) -> Any:
    items = [_scalar(each) for each in _each(values)]
    return items[0] if len(items) == 1 and isinstance(items[0], str) else plain(values)


def _word(name: str) -> str:
    return bare(name.removeprefix(ODRL)).removeprefix("odrl:")


def _each(values: Any) -> list[Any]:
    items = values if isinstance(values, list) else [values]
    return [inner for item in items for inner in (item["@list"] if isinstance(item, dict) and "@list" in item else [item])]
