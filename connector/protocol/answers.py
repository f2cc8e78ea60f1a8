"""What peers answer us: acknowledgements, errors, catalogs, version metadata.

Tolerant where a peer may differ without harm (EDC and the official kit answer 200 without a body, leave out arrays,
send other error shapes); strict where a wrong guess would matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from connector.errors import Malformed, SaltbridgeError

from . import negotiation, transfer
from .door import admit
from .messages import Ack, NegotiationAck, TransferAck, Version
from .plain import Json, Limits, cut, pointer, read_json
from .vocabulary import ID_LENGTH


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """Limits of answers we asked for: the courier caps their bytes first, catalogs of others come without pages."""

    message_bytes: int = 16 * 1024 * 1024
    message_depth: int = 64
    message_nodes: int = 1_000_000
    text_bytes: int = 2048


ANSWER = AnswerLimits()
_NEGOTIATION_STATES, _TRANSFER_STATES = frozenset(negotiation.State), frozenset(transfer.State)
_CATALOG_VALUES = 400_000  # ten thousand datasets of an EDC in one answer


def read_ack(body: bytes, family: str, limits: Limits = ANSWER) -> Ack | None:
    """The process object of a `negotiation` or `transfer` in an answer of a peer, or None when it holds none."""
    try:
        found = read_json(body, limits)
    except SaltbridgeError:
        return None
    if not isinstance(found, dict):
        return None
    consumer, provider, state = (found.get(key) for key in ("consumerPid", "providerPid", "state"))
    if not isinstance(consumer, str) or not isinstance(provider, str) or not isinstance(state, str):
        return None
    if not (0 < len(consumer) <= ID_LENGTH and 0 < len(provider) <= ID_LENGTH):
        return None
    if family == "negotiation" and state in _NEGOTIATION_STATES and found.get("@type", NegotiationAck.type) == NegotiationAck.type:
        return NegotiationAck(consumer_pid=consumer, provider_pid=provider, state=negotiation.State(state))
    if family == "transfer" and state in _TRANSFER_STATES and found.get("@type", TransferAck.type) == TransferAck.type:
        return TransferAck(consumer_pid=consumer, provider_pid=provider, state=transfer.State(state))
    return None


def read_error(body: bytes, limits: Limits = ANSWER) -> tuple[str, tuple[str, ...]]:
    """(code, reasons) of a refusal: DSP's error objects, EDC's arrays, plain text; ("", ()) when it says nothing readable."""
    try:
        found = read_json(body, limits)
    except SaltbridgeError:
        text = body[: 4 * limits.text_bytes].decode("utf-8", "replace").strip()
        return "", reasons([] if text.startswith("<") else [text], limits)  # an HTML page of some proxy says nothing
    if isinstance(found, list):  # EDC's management API and its context check
        first = found[0] if found and isinstance(found[0], dict) else {}
        code = first.get("type")
        return _code(code, limits), reasons([item.get("message", item) if isinstance(item, dict) else item for item in found], limits)
    if isinstance(found, dict):
        reason = found.get("reason", found.get("message", []))
        return _code(found.get("code"), limits), reasons(reason if isinstance(reason, list) else [reason], limits)
    return "", reasons([found], limits)


def reasons(items: Iterable[Any], limits: Limits) -> tuple[str, ...]:
    """A peer's `reason` as strings, at most `limits.text_bytes` of UTF-8 in all."""
    kept: list[str] = []
    room = limits.text_bytes
    for text in filter(None, map(_text, items)):
        kept.append(cut(text, room))
        room -= len(text.encode("utf-8", "replace"))
        if room <= 0:
            break
    return tuple(filter(None, kept))


def read_catalog(body: bytes, limits: Limits = ANSWER) -> Json:
    """A peer's Catalog in plain form: `dataset`, `catalog`, `service`, `distribution` and every `hasPolicy` are lists.

    An EDC's costs a millisecond per dataset: call it off the event loop.
    """
    return _catalog(admit(read_json(body, limits), "Catalog", foreign_values=_CATALOG_VALUES), ())


def read_dataset(body: bytes, limits: Limits = ANSWER) -> Json:
    """A peer's Dataset in plain form: `distribution` and `hasPolicy` are lists."""
    return _dataset(admit(read_json(body, limits), "Dataset"), ())


def read_version(body: bytes, limits: Limits = ANSWER) -> tuple[Version, ...]:
    """The entries of a peer's `/.well-known/dspace-version`, also where an older EDC sends the bare array."""
    found = read_json(body, limits)
    entries = found.get("protocolVersions") if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise Malformed(
            "The version metadata has no protocolVersions.",
            "DSP 2025-1 demands an array of versions.",
            "Check that the address is the root of a DSP endpoint.",
            where="/protocolVersions",
        )
    return tuple(_version(entry, ("protocolVersions", index)) for index, entry in enumerate(entries))


def _version(entry: Any, at: tuple[Any, ...]) -> Version:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("version", "path")):
        raise Malformed("A version has no version or path.", "Both are strings in DSP 2025-1.", where=pointer(at))
    auth = entry.get("auth")
    return Version(
        version=entry["version"],
        path=entry["path"],
        binding=_string(entry.get("binding")),
        service_id=_string(entry.get("serviceId")),
        identifier_type=_string(entry.get("identifierType")),
        auth=auth if isinstance(auth, dict) else None,
    )


def _catalog(catalog: Json, at: tuple[Any, ...]) -> Json:
    plain = _resource(catalog, at)
    plain["dataset"] = [_dataset(item, (*at, "dataset", i)) for i, item in enumerate(_objects(plain, "dataset", at))]
    plain["catalog"] = [_catalog(item, (*at, "catalog", i)) for i, item in enumerate(_objects(plain, "catalog", at))]
    for key in ("service", "distribution"):
        plain[key] = _objects(plain, key, at)
    return plain


def _dataset(dataset: Json, at: tuple[Any, ...]) -> Json:
    plain = _resource(dataset, at)
    plain["distribution"] = _objects(plain, "distribution", at)
    plain["hasPolicy"] = [_resource(item, (*at, "hasPolicy", i)) for i, item in enumerate(_objects(plain, "hasPolicy", at))]
    for distribution in plain["distribution"]:
        if "hasPolicy" in distribution:
            distribution["hasPolicy"] = _objects(distribution, "hasPolicy", at)
    return plain


def _resource(node: Json, at: tuple[Any, ...]) -> Json:
    if not isinstance(node.get("@id"), str) or not node["@id"]:
        raise Malformed("An entry of the catalog has no @id.", "Nothing could refer to it.", "Ask the peer.", where=pointer(at))
    return dict(node)


def _objects(node: Json, key: str, at: tuple[Any, ...]) -> list[Json]:
    """The objects under a key, where a single one may stand without its array."""
    value = node.get(key)
    items = [] if value is None else value if isinstance(value, list) else [value]
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            where = pointer((*at, key, index))
            raise Malformed(f"An entry of {key} is not an object.", "DSP 2025-1 has objects here.", "Ask the peer.", where=where)
    return [dict(item) for item in items]


def _text(item: Any) -> str:
    """One reason as a string: JSON-LD values and language strings lose their wrapping, other things stay JSON."""
    if isinstance(item, str):
        return item.strip()
    if isinstance(item, dict):
        for key in ("@value", "message", "text", "description"):
            if isinstance(item.get(key), str):
                return str(item[key]).strip()
    return "" if item is None or item in ({}, []) else json.dumps(item, ensure_ascii=False)


def _code(code: Any, limits: Limits) -> str:
    return cut(_text(code), min(limits.text_bytes, 200))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
