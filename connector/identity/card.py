"""The peer card: a node's DID document, from which another operator learns whom to trust and where to call.

    id, verificationMethod (the ES256 key; a second one while a rotation is announced), authentication, assertionMethod,
    service DataService -> /.well-known/dspace-version,
    saltbridge: {name, address (DSP base), claims (wishes), nextKey (id of the announced method)}

What stands in a card is what its owner says.  The operator who adds it compares the fingerprint over another channel.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

import rfc8785
from jwcrypto.jwk import JWK

from connector.addresses import read_address
from connector.errors import Malformed
from connector.ports import Me
from connector.records import Json

from .keys import public_jwk, read_public, thumbprint

_CONTEXT = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"]
_ID = re.compile(r"[\x21-\x7e]{1,512}")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]{1,100}")
_CLAIM = re.compile(r"[\x21-\x7e]{1,200}")
_MOST_CLAIMS = 32


class Card(NamedTuple):
    """What a card says, checked for form."""

    id: str
    name: str
    address: str  # DSP base URL, no trailing slash
    origins: tuple[str, ...]
    key: Json
    next_key: Json | None
    wishes: Mapping[str, tuple[str, ...]]


def card(me: Me, key: JWK, next_key: JWK | None = None) -> Json:
    """This node's card; `next_key` announces the key it will sign with after a rotation."""
    methods = [_method(me.id, key)] + ([_method(me.id, next_key)] if next_key is not None else [])
    own: Json = {"name": me.name, "address": me.dsp}
    if me.wishes:
        own["claims"] = {name: list(values) for name, values in me.wishes.items()}
    if next_key is not None:
        own["nextKey"] = methods[1]["id"]
    endpoint = f"{me.public_url}/.well-known/dspace-version"
    return {
        "@context": _CONTEXT,
        "id": me.id,
        "verificationMethod": methods,
        "authentication": [methods[0]["id"]],
        "assertionMethod": [methods[0]["id"]],
        "service": [{"id": f"{me.id}#dsp", "type": "DataService", "serviceEndpoint": endpoint}],
        "saltbridge": own,
    }


def read_card(json: object) -> Card:
    """Read a card strictly; Malformed says where.  Members we do not know are passed over, as DID documents want it."""
    document = _object(json, "")
    id = _text(document.get("id"), _ID, "id")
    own = _object(document.get("saltbridge"), "saltbridge")
    address = _text(own.get("address"), _CLAIM, "saltbridge/address").rstrip("/")
    read = read_address(address, "saltbridge/address")
    if "?" in address:
        raise _bad("saltbridge/address", "a base address has no query")
    methods = dict(_methods(document.get("verificationMethod")))
    match document.get("authentication"):
        case [str(current)] if current in methods:
            pass
        case _:
            raise _bad("authentication", "it must name exactly one verificationMethod")
    following = own.get("nextKey")
    if following is not None and (not isinstance(following, str) or following not in methods or following == current):
        raise _bad("saltbridge/nextKey", "it must name another verificationMethod")
    return Card(
        id=id,
        name=_text(own.get("name"), _NAME, "saltbridge/name"),
        address=address,
        origins=(read.origin,),
        key=methods[current],
        next_key=None if following is None else methods[following],
        wishes=_wishes(own.get("claims", {})),
    )


def fingerprint(json: object) -> str:
    """What two operators compare: SHA-256 over the card's id, address and key (thumbprint, RFC 7638), hex in groups of four.

    The address is in it because whoever could change it unseen would receive our signed calls.
    """
    read = read_card(json)
    said = rfc8785.dumps({"address": read.address, "id": read.id, "key": thumbprint(read.key)})
    digits = hashlib.sha256(said).hexdigest()
    return "-".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints are equal however they were typed; an empty or shortened one equals nothing."""
    plain = [re.sub(r"[^0-9a-f]", "", text.lower()) for text in (one, other)]
    return len(plain[0]) == 64 and plain[0] == plain[1]


def default_id(public_url: str) -> str:
    """The did:web that a public address leads to: `http://localhost:7401` -> `did:web:localhost%3A7401`."""
    address = read_address(public_url)
    host = address.origin.split("://", 1)[1].replace(":", "%3A")
    segments = [segment for segment in address.path.split("/") if segment]
    return ":".join(["did:web", host, *segments])


def _method(id: str, key: JWK) -> Json:
    jwk = public_jwk(key)
    return {"id": f"{id}#{thumbprint(jwk)}", "type": "JsonWebKey2020", "controller": id, "publicKeyJwk": jwk}


def _methods(value: object) -> list[tuple[str, Json]]:
    if not isinstance(value, list) or not 1 <= len(value) <= 16:
        raise _bad("verificationMethod", "it must be a list of keys")
    found: list[tuple[str, Json]] = []
    for number, item in enumerate(value):
        where = f"verificationMethod/{number}"
        method = _object(item, where)
        found.append((_text(method.get("id"), _ID, f"{where}/id"), read_public(method.get("publicKeyJwk"), f"{where}/publicKeyJwk")))
    if len({id for id, _ in found}) != len(found):
        raise _bad("verificationMethod", "two keys have one id")
    return found


def _wishes(value: object) -> dict[str, tuple[str, ...]]:
    claims = _object(value, "saltbridge/claims")
    if len(claims) > _MOST_CLAIMS:
        raise _bad("saltbridge/claims", f"there are more than {_MOST_CLAIMS}")
    wishes: dict[str, tuple[str, ...]] = {}
    for name, values in claims.items():
        where = "saltbridge/claims"
        if not isinstance(values, list) or len(values) > _MOST_CLAIMS:
            raise _bad(where, "each claim has a list of values")
        wishes[_text(name, _CLAIM, where)] = tuple(_text(item, _CLAIM, where) for item in values)
    return wishes


def _object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise _bad(where, "it must be an object")
    return value


def _text(value: object, form: re.Pattern[str], where: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _bad(where, "it is missing, too long or has characters that may not stand there")
    return value


def _bad(where: str, why: str) -> Malformed:
    next = "Ask the other operator for the output of: saltbridge peer card"
    return Malformed("The peer card cannot be read.", why, next, code="card.malformed", where=where)
