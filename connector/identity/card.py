"""The peer card: a node's DID document, from which another operator learns whom to trust and where to call.

    id, verificationMethod (the ES256 key; a second one while a rotation is announced), authentication, assertionMethod,
    service DataService -> /.well-known/dspace-version,
    saltbridge: {name, address (DSP base), claims (wishes), nextKey (id of the announced method), signature}

The card is signed by its own key, so the key's fingerprint, which two operators compare over another channel, vouches for
all of it: whoever could change the address unseen would receive our signed calls.
"""

from __future__ import annotations

import re

import rfc8785
from jwcrypto.jwk import JWK

from connector.addresses import read_address
from connector.errors import Malformed
from connector.operate.peers import Card
from connector.ports import Me
from connector.records import Json

from . import jws
from .keys import fingerprint, public_jwk, read_public, thumbprint

_CONTEXT = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"]
_ID = re.compile(r"[\x21-\x7e]{1,512}")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]{1,100}")
_CLAIM = re.compile(r"[\x21-\x7e]{1,200}")
_MOST_CLAIMS = 32


def card(me: Me, key: JWK, next_key: JWK | None = None) -> Json:
    """This node's card, the same bytes every time; `next_key` announces the key it will sign with after a rotation."""
    methods = [_method(me.id, key)] + ([_method(me.id, next_key)] if next_key is not None else [])
    own: Json = {"name": me.name, "address": me.dsp}
    if me.wishes:
        own["claims"] = {name: list(values) for name, values in me.wishes.items()}
    if next_key is not None:
        own["nextKey"] = methods[1]["id"]
    endpoint = f"{me.public_url}/.well-known/dspace-version"
    document: Json = {
        "@context": _CONTEXT,
        "id": me.id,
        "verificationMethod": methods,
        "authentication": [methods[0]["id"]],
        "assertionMethod": [methods[0]["id"]],
        "service": [{"id": f"{me.id}#dsp", "type": "DataService", "serviceEndpoint": endpoint}],
        "saltbridge": own,
    }
    own["signature"] = jws.sign_bytes(key, _signed(document))
    return document


def read_card(json: object) -> Card:
    """Read a card strictly and check its signature; Malformed says where.

    Members we do not know are passed over, as DID documents want it.
    """
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
    key, next_key = methods[current], None if following is None else methods[following]
    name, wishes = _text(own.get("name"), _NAME, "saltbridge/name"), _wishes(own.get("claims", {}))
    if not jws.bytes_signed_by(own.get("signature"), _signed(document), key):
        raise _bad("saltbridge/signature", "it is not the card's own: the card was changed on its way, or never signed")
    return Card(
        id=id,
        name=name,
        address=address,
        origins=(read.origin,),
        key=key,
        fingerprint=fingerprint(key),
        next_key=next_key,
        next_fingerprint="" if next_key is None else fingerprint(next_key),
        wishes=wishes,
        document=document,
    )


def default_id(public_url: str) -> str:
    """The did:web that a public address leads to: `http://localhost:7401` -> `did:web:localhost%3A7401`."""
    address = read_address(public_url)
    host = address.origin.split("://", 1)[1].replace(":", "%3A")
    segments = [segment for segment in address.path.split("/") if segment]
    return ":".join(["did:web", host, *segments])


def _signed(document: Json) -> bytes:
    """What a card's signature covers: all of it but the signature, under a name that no other signature of ours begins with."""
    own = {name: value for name, value in document["saltbridge"].items() if name != "signature"}
    try:
        return b"saltbridge-card:" + rfc8785.dumps(document | {"saltbridge": own})
    except (ValueError, RecursionError) as error:
        raise _bad("", "it holds a value without canonical form") from error


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
    next = "Ask the other operator for the output of: peer card"
    return Malformed("The peer card cannot be read.", why, next, code="card.malformed", where=where)
