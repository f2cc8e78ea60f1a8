"""Signed tokens of DSP calls: compact JWS, ES256 and nothing else, read in strict steps.

    1  form        size, three parts of canonical base64url, flat JSON without duplicate members
    2  header      exactly `alg` ES256 and `typ` saltbridge-dsp+jwt; `kid` is allowed and ignored
    3  signature   under the key that we hold of the issuer; the header never chooses one
    4  claims      iss = sub, aud is us, iat and exp around now, a life of at most five minutes, a jti

The primitive is taken from `cryptography` (which jwcrypto stands on): a token costs 50 instead of 300 microseconds, and
every message carries a fresh one.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwcrypto.jwk import JWK

from connector.errors import Unauthenticated
from connector.records import Json

TYPE = "saltbridge-dsp+jwt"
LIFE = timedelta(seconds=120)  # of what we send
LONGEST_LIFE = 300  # seconds, of what we take
SKEW = 30  # seconds
LARGEST = 4096  # characters

_ES256 = ec.ECDSA(SHA256())
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_NONCE = re.compile(r"[\x21-\x7e]{8,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token that has the right form and header; nothing in it is true yet."""

    claims: Json
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        """Whose key to try."""
        return cast(str, self.claims["iss"])


def sign(key: JWK, issuer: str, audience: str, now: datetime) -> str:
    """A fresh token for one call to `audience`."""
    issued = int(now.timestamp())
    expires = issued + LIFE // timedelta(seconds=1)
    claims = {"iss": issuer, "sub": issuer, "aud": audience, "iat": issued, "exp": expires, "jti": secrets.token_urlsafe(16)}
    return sign_claims(key, claims)


def sign_claims(key: JWK, claims: Json, typ: str = TYPE) -> str:
    """The compact JWS of any claims."""
    signed = f"{_header(typ)}.{_encoded(_json(claims))}"
    return f"{signed}.{_encoded(_signature(key, signed.encode(), _ES256))}"


def sign_bytes(key: JWK, data: bytes) -> str:
    """An ES256 signature over bytes, base64url; the same each time (RFC 6979), so that what carries it does not change."""
    return _encoded(_signature(key, data, ec.ECDSA(SHA256(), deterministic_signing=True)))


def bytes_signed_by(signature: object, data: bytes, key: Json) -> bool:
    """Whether this key made the signature of `sign_bytes`."""
    try:
        return isinstance(signature, str) and _fits(_decoded(signature), data, key)
    except Unauthenticated:
        return False


def read(token: str) -> Unverified:
    """Steps 1 and 2; Unauthenticated."""
    parts = token.split(".") if len(token) <= LARGEST else []
    if len(parts) != 3:
        raise Unauthenticated("the token is no compact JWS, or too long")
    _check_header(parts[0])
    claims = _object(parts[1])
    if not isinstance(claims.get("iss"), str):
        raise Unauthenticated("the token names no issuer")
    return Unverified(claims, f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2]))


@lru_cache(maxsize=64)
def _check_header(part: str) -> None:
    """Step 2; a peer's headers are nearly always the same, and only good ones are remembered."""
    header = _object(part)
    if header.get("alg") != "ES256" or header.get("typ") != TYPE or not header.keys() <= {"alg", "typ", "kid"}:
        raise Unauthenticated("the token's header is not ES256 and saltbridge-dsp+jwt alone")


def signed_by(token: Unverified, keys: Iterable[Json]) -> bool:
    """Step 3: whether one of these public keys made the signature."""
    return any(_fits(token.signature, token.signed, key) for key in keys)


def check_claims(token: Unverified, audience: str, now: datetime) -> tuple[str, datetime]:
    """Step 4: the token's nonce and until when it has to be remembered; Unauthenticated."""
    claims, at = token.claims, now.timestamp()
    issued, expires, nonce = claims.get("iat"), claims.get("exp"), claims.get("jti")
    if claims.get("sub") != claims["iss"]:
        raise Unauthenticated("sub is not iss")
    if claims.get("aud") != audience:
        raise Unauthenticated("the token is for somebody else")
    if type(issued) is not int or type(expires) is not int or not issued < expires <= issued + LONGEST_LIFE:
        raise Unauthenticated(f"iat and exp are not whole seconds at most {LONGEST_LIFE} apart")
    if issued > at + SKEW:
        raise Unauthenticated("the token comes from the future; compare the clocks")
    if expires <= at - SKEW:
        raise Unauthenticated("the token has expired; compare the clocks")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise Unauthenticated("the token has no usable jti")
    return nonce, datetime.fromtimestamp(expires + SKEW, UTC)


def _signature(key: JWK, data: bytes, algorithm: ec.ECDSA) -> bytes:
    """r and s as JWS has them (RFC 7518, 3.4): 32 bytes each."""
    private = cast(ec.EllipticCurvePrivateKey, key.get_op_key("sign"))
    r, s = decode_dss_signature(private.sign(data, algorithm))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _fits(signature: bytes, data: bytes, key: Json) -> bool:
    if len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        _public(key["x"], key["y"]).verify(encode_dss_signature(r, s), data, _ES256)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=1024)
def _public(x: str, y: str) -> ec.EllipticCurvePublicKey:
    key = JWK(kty="EC", crv="P-256", x=x, y=y)
    return cast(ec.EllipticCurvePublicKey, key.get_op_key("verify"))


@lru_cache(maxsize=8)
def _header(typ: str) -> str:
    return _encoded(_json({"alg": "ES256", "typ": typ}))


def _json(value: Json) -> bytes:
    return _ENCODER.encode(value).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    """Canonical base64url only: bits left over would make two spellings of one token."""
    if not _PART.fullmatch(part) or len(part) % 4 == 1:
        raise Unauthenticated("a part of the token is not base64url")
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if _encoded(data) != part:
        raise Unauthenticated("a part of the token is not canonical base64url")
    return data


def _object(part: str) -> Json:
    try:
        value = _DECODER.decode(_decoded(part).decode())
    except (ValueError, RecursionError) as error:
        raise Unauthenticated("a part of the token is no JSON") from error
    if not isinstance(value, dict) or not all(type(item) in (str, int) for item in value.values()):
        raise Unauthenticated("a part of the token is not a flat JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> Json:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member stands twice")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_once)  # made once: making one costs as much as a token takes to read
