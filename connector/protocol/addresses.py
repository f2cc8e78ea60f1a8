"""Two kinds of address: where a peer is called back, and where data lies (DSP `DataAddress`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from connector.errors import Malformed

from .plain import Json
from .vocabulary import BEARER, EDC_NS, ENDPOINT_TYPE


class DataAddress(NamedTuple):
    """What a start message says of the data; each is "" when it does not say."""

    endpoint: str
    authorization: str
    auth_type: str


def callback_address(text: str) -> str:
    """A peer's base URL without trailing slash; Malformed unless it is a plain http(s) URL."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises for a port that is none
        odd = parts.username is not None or parts.password is not None or "?" in text or "#" in text
        plain = parts.scheme in ("https", "http") and bool(parts.hostname) and not odd
        plain = plain and text.isprintable() and not any(character in text for character in ' \\"<>')
        plain = plain and not any(step in ("..", ".") for step in parts.path.lower().replace("%2e", ".").split("/"))
    except ValueError:
        plain = False
    if not plain:
        raise Malformed(
            "callbackAddress is not a base URL that can be called.",
            "It must be http(s)://host[:port][/path], without user, query, fragment or '..'.",
            "Send the base of your own DSP endpoints.",
            where="/callbackAddress",
        )
    return text.rstrip("/")


def read_data_address(address: Mapping[str, Any] | None) -> DataAddress:
    """Endpoint, token and kind of token, under the short names and EDC's; nothing is called and nothing judged."""
    if not address:
        return DataAddress("", "", "")
    said: dict[str, str] = {}
    for entry in address.get("endpointProperties") or ():
        said.setdefault(str(entry["name"]), str(entry["value"]))
    endpoint, authorization, auth_type = (
        said.get(name) or said.get(EDC_NS + name, "") for name in ("endpoint", "authorization", "authType")
    )
    return DataAddress(str(address.get("endpoint") or endpoint), authorization, auth_type)


def data_address(endpoint: str, token: str) -> Json:
    """A DataAddress for HTTP pull, readable by peers of the standard and by EDC (which reads its own names only)."""
    said = {"endpoint": endpoint, "authorization": token, "authType": BEARER}
    return {
        "@type": "DataAddress",
        "endpointType": ENDPOINT_TYPE,
        "endpoint": endpoint,
        "endpointProperties": [
            {"@type": "EndpointProperty", "name": prefix + name, "value": value} for prefix in ("", EDC_NS) for name, value in said.items()
        ],
    }
