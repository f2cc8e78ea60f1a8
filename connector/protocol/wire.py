"""DSP messages as bytes: read what a peer sends, write what we send.

Reading takes numbered steps: size and JSON, `@context` and `@type` (the door), schema, frozen message.  Nothing here knows
whether a message is allowed now (the machine) or what its policy means.  Ids are opaque strings of 1 to 2048 characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar, get_args

from . import schemas
from .addresses import DataAddress, callback_address, data_address, read_data_address
from .answers import ANSWER, read_ack, read_catalog, read_dataset, read_error, read_version, reasons
from .door import admit
from .messages import Ack, Message, Version
from .plain import Json, Limits, cut, digest_of, read_json, write_json
from .vocabulary import CONTEXT, NEVER_EMPTY, NIL_PID

__all__ = [
    "ANSWER",
    "DataAddress",
    "Limits",
    "content_digest",
    "data_address",
    "digest",
    "error_body",
    "read",
    "read_ack",
    "read_catalog",
    "read_data_address",
    "read_dataset",
    "read_error",
    "read_json",
    "read_version",
    "write",
    "write_document",
    "write_json",
    "write_version",
]

M = TypeVar("M")
_ERRORS = {"catalog": "CatalogError", "negotiation": "ContractNegotiationError", "transfer": "TransferError"}


def read(body: bytes, expected: type[M] | tuple[type[M], ...], limits: Limits) -> M:
    """The message in a peer's body, one of the expected classes; Malformed or TooLarge with a JSON pointer in `where`."""
    classes = expected if isinstance(expected, tuple) else (expected,)
    by_type = {_type(cls): cls for cls in classes}
    content = admit(read_json(body, limits), *by_type)  # 1, 2
    type = content["@type"]
    schemas.check(type, content)  # 3
    return by_type[type](**_values(by_type[type], content, limits))  # 4


def write(message: Message | Ack) -> bytes:
    """The message as JSON bytes under the DSP context alone, without nulls and without the empty arrays that schemas forbid."""
    return _written({"@context": list(CONTEXT), "@type": message.type, **_content(message)})


def write_document(document: Json) -> bytes:
    """Any root object (a Catalog, a Dataset) under the DSP context alone, otherwise as it is."""
    return write_json({"@context": list(CONTEXT), **{key: value for key, value in document.items() if key != "@context"}})


def write_version(*versions: Version) -> bytes:
    """The version metadata of a node, which has no `@context`."""
    return _written({"protocolVersions": [_content(version) for version in versions]})


def error_body(family: str, code: str, reasons: Iterable[str] = (), consumer_pid: str = "", provider_pid: str = "") -> bytes:
    """The protocol's own error of a family (catalog, negotiation, transfer); pids that do not exist are NIL_PID."""
    pids = {} if family == "catalog" else {"consumerPid": consumer_pid or NIL_PID, "providerPid": provider_pid or NIL_PID}
    said = {"code": code, "reason": [text for text in reasons if text]}
    return write_document({"@type": _ERRORS[family], **pids, **{key: value for key, value in said.items() if value}})


def digest(message: Message) -> str:
    """Names this very message, its @id included: the same digest again is the same message again."""
    return _digested({"@type": message.type, **_content(message)})


def content_digest(message: Message) -> str:
    """Names what the message says, its @id apart: recognises an opening message that is sent anew."""
    content = _content(message)
    content.pop("@id", None)
    return _digested({"@type": message.type, **content})


def _values(cls: type[Any], content: Json, limits: Limits) -> Json:
    said = {name: content[key] for name, key in _KEYS[cls] if key in content}
    if "callback_address" in said:
        said["callback_address"] = callback_address(said["callback_address"])
    if "reason" in said:
        said["reason"] = reasons(said["reason"], limits)
    if "code" in said:
        said["code"] = cut(said["code"], limits.text_bytes)
    if "filter" in said:
        said["filter"] = tuple(said["filter"])
    return said


def _content(message: Message | Ack | Version) -> Json:
    said = {key: getattr(message, name) for name, key in _KEYS[type(message)]}
    return {key: value for key, value in said.items() if value not in ("", None, ())}


def _written(document: Json) -> bytes:
    data = write_json(document)
    return write_json(_pruned(document)) if _may_be_pruned(data) else data


def _digested(document: Json) -> str:
    return digest_of(_pruned(document) if _may_be_pruned(write_json(document)) else document)


def _may_be_pruned(data: bytes) -> bool:
    """Whether the bytes of a document show that there may be something to prune; rarely there is."""
    return b"null" in data or b"[]" in data


def _pruned(node: Any) -> Any:
    """Without nulls and without arrays that must not be empty."""
    if isinstance(node, dict):
        return {key: _pruned(value) for key, value in node.items() if value is not None and not (key in NEVER_EMPTY and value in ([], ()))}
    return [_pruned(item) for item in node] if isinstance(node, list | tuple) else node


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _type(cls: type[Any]) -> str:
    return str(cls.type)


# (attribute, JSON name) of every message class: `consumer_pid` is `consumerPid`, `id` is `@id`.
_KEYS: dict[type[Any], tuple[tuple[str, str], ...]] = {
    cls: tuple((field.name, "@id" if field.name == "id" else _camel(field.name)) for field in fields(cls))
    for cls in (*get_args(Message), *get_args(Ack), Version)
}
