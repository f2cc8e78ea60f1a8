"""Data tokens: issued and read by our own data plane only, made anew whenever they are needed, stored nowhere.

A token is a function of (transfer, generation, consumer, expiry) and the node's own secret: a start message that is sent
again carries the same bytes.  Holding one permits nothing by itself; every pull is authorised (grants.md 11).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any

from connector.errors import Unauthenticated

TYPE = "saltbridge-data+jwt"
LARGEST = 4096  # characters
_BEARER = "bearer "
_PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class HmacTokens:
    """`ports.DataTokens` as HS256 JWTs.  There is one header that we write, so it is the only one that we read."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("a data key has at least 32 bytes")
        self._secret = secret
        self._header = _encoded(_json({"alg": "HS256", "typ": TYPE}))

    def issue(self, transfer: str, generation: int, consumer: str, expires: datetime) -> str:
        """The token of one generation of a transfer; the same arguments give the same bytes."""
        claims = {"exp": int(expires.timestamp()), "generation": generation, "sub": consumer, "transfer": transfer}
        signed = f"{self._header}.{_encoded(_json(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, authorization: str, now: datetime) -> tuple[str, int, str]:
        """(transfer id, generation, consumer) of a bare or Bearer token; Unauthenticated when it is not ours or has expired."""
        token = authorization[len(_BEARER) :] if authorization[: len(_BEARER)].lower() == _BEARER else authorization
        signed, _, signature = token.rpartition(".")
        if len(token) > LARGEST or not token.isascii() or not hmac.compare_digest(signature, self._signature(signed)):
            raise Unauthenticated("the data token is not one of ours")
        header, _, claims = signed.partition(".")
        if header != self._header or not _PART.fullmatch(claims):
            raise Unauthenticated("the data token has a header that we do not write")
        read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        if now.timestamp() >= read["exp"]:
            raise Unauthenticated("the data token has expired")
        return read["transfer"], read["generation"], read["sub"]

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.digest(self._secret, signed.encode(), hashlib.sha256))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
