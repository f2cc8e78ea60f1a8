"""Data tokens: a function of what they say, readable by their maker only."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from connector.dataplane.tokens import TYPE, HmacTokens
from connector.errors import Unauthenticated

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
END = NOW + timedelta(days=90)
SECRET = bytes(range(32))
TOKENS = HmacTokens(SECRET)
SAID = ("urn:uuid:1", 3, "did:web:recycler.example")
TOKEN = TOKENS.issue(*SAID, END)


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
def test_a_token_says_what_it_was_made_for_bare_or_as_bearer(prefix: str) -> None:
    assert TOKENS.read(prefix + TOKEN, NOW) == SAID


def test_the_same_start_carries_the_same_bytes_also_after_a_restart() -> None:
    assert HmacTokens(SECRET).issue(*SAID, END) == TOKEN


def test_another_generation_transfer_consumer_or_end_is_another_token() -> None:
    others = {
        TOKENS.issue("urn:uuid:2", 3, SAID[2], END),
        TOKENS.issue(SAID[0], 4, SAID[2], END),
        TOKENS.issue(SAID[0], 3, "did:web:oem.example", END),
        TOKENS.issue(*SAID, END + timedelta(seconds=1)),
        HmacTokens(bytes(32)).issue(*SAID, END),
    }
    assert len(others | {TOKEN}) == 6


def test_a_token_ends_when_it_says() -> None:
    assert TOKENS.read(TOKEN, END - timedelta(microseconds=1)) == SAID
    with pytest.raises(Unauthenticated):
        TOKENS.read(TOKEN, END)


def test_it_is_a_jwt_for_whoever_holds_the_key() -> None:
    other = JWS()
    other.allowed_algs = ["HS256"]
    other.deserialize(TOKEN, JWK(kty="oct", k=base64.urlsafe_b64encode(SECRET).decode().rstrip("=")))
    assert json.loads(other.objects["protected"]) == {"alg": "HS256", "typ": TYPE}
    assert json.loads(other.payload)["transfer"] == SAID[0]


def foreign(header: dict[str, str], secret: bytes = SECRET) -> str:
    made = JWS(TOKEN.split(".")[1].encode())
    made.add_signature(JWK(kty="oct", k=base64.urlsafe_b64encode(secret).decode().rstrip("=")), None, json.dumps(header), None)
    token: str = made.serialize(compact=True)
    return token


def test_nothing_but_our_own_tokens_is_read() -> None:
    header, claims, signature = TOKEN.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": TYPE}).encode()).decode().rstrip("=")
    wrong = ["", ".", "..", "Bearer", "Bearer ", TOKEN + "=", TOKEN + ".", f"{header}.{claims}", f"{header}.{claims}.", f"{none}.{claims}."]
    wrong += [f"{header}.{claims[:-2]}xx.{signature}", f"{header}.{claims}.{signature[:-1]}", "ä" * 20, "a" * 5000, f"Basic {TOKEN}"]
    wrong += [foreign({"alg": "HS256", "typ": "JWT"}), foreign({"alg": "HS256", "typ": "saltbridge-dsp+jwt"})]
    wrong += [foreign({"alg": "HS256", "typ": TYPE}, bytes(32)), HmacTokens(bytes(32)).issue(*SAID, END)]
    for text in wrong:
        with pytest.raises(Unauthenticated):
            TOKENS.read(text, NOW)


def test_a_short_secret_makes_no_tokens() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        HmacTokens(b"short")
