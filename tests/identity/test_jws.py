"""Signed tokens: each rule of reading one has a token that breaks it alone."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from connector.errors import Unauthenticated
from connector.identity import jws
from connector.identity.keys import new_key, public_jwk
from connector.records import Json

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
KEY, OTHER = new_key(), new_key()
US, PEER = "did:web:us.example", "did:web:peer.example"


def claims(**changes: object) -> Json:
    plain = {"iss": PEER, "sub": PEER, "aud": US, "iat": AT, "exp": AT + 120, "jti": "0123456789abcdef"}
    return {name: value for name, value in (plain | changes).items() if value is not None}


def verify(token: str, key: JWK = KEY, now: datetime = NOW) -> tuple[str, datetime]:
    read = jws.read(token)
    if not jws.signed_by(read, [public_jwk(key)]):
        raise Unauthenticated("signature")
    return jws.check_claims(read, US, now)


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def foreign(header: Json, payload: bytes, key: JWK = KEY) -> str:
    """A compact JWS made by jwcrypto."""
    made = JWS(payload)
    made.allowed_algs = ["ES256", "HS256", "ES384", "none"]
    made.add_signature(key, None, json.dumps(header), None)
    token: str = made.serialize(compact=True)
    return token


def test_what_we_sign_we_accept_and_another_library_too() -> None:
    token = jws.sign(KEY, PEER, US, NOW)
    nonce, until = verify(token)
    assert len(nonce) >= 16
    assert until == NOW + jws.LIFE + timedelta(seconds=jws.SKEW)
    other = JWS()
    other.allowed_algs = ["ES256"]
    other.deserialize(token, JWK(**public_jwk(KEY)))
    assert json.loads(other.payload)["iss"] == PEER
    assert json.loads(other.objects["protected"])["typ"] == "saltbridge-dsp+jwt"


def test_what_another_library_signs_we_accept() -> None:
    token = foreign({"alg": "ES256", "typ": jws.TYPE, "kid": "whatever"}, json.dumps(claims()).encode())
    assert verify(token)[0] == "0123456789abcdef"


def test_no_two_tokens_are_alike() -> None:
    assert len({verify(jws.sign(KEY, PEER, US, NOW))[0] for _ in range(50)}) == 50


GOOD_CLAIMS = {
    "the longest life": {"exp": AT + 300},
    "their clock is ahead by the skew": {"iat": AT + 30, "exp": AT + 60},
    "our clock is ahead by almost the skew": {"iat": AT - 140, "exp": AT - 29},
    "further claims": {"nbf": AT, "extra": "x"},
}

BAD_CLAIMS: dict[str, Json] = {
    "sub is another": {"sub": "did:web:else.example"},
    "no sub": {"sub": None},
    "for somebody else": {"aud": PEER},
    "for several": {"aud": [US]},
    "for nobody": {"aud": None},
    "no issuer": {"iss": None},
    "an issuer that is no text": {"iss": 5, "sub": 5},
    "no iat": {"iat": None},
    "no exp": {"exp": None},
    "times as text": {"iat": str(AT), "exp": str(AT + 60)},
    "times as fractions": {"iat": AT + 0.5, "exp": AT + 60.5},
    "times as truth": {"iat": True, "exp": True},
    "a life too long": {"exp": AT + 301},
    "no life": {"exp": AT},
    "expired": {"iat": AT - 120, "exp": AT - 30},
    "from the future": {"iat": AT + 31, "exp": AT + 60},
    "no nonce": {"jti": None},
    "a short nonce": {"jti": "1234567"},
    "a huge nonce": {"jti": "x" * 129},
    "a nonce with a line break": {"jti": "0123456789\n"},
    "a nested claim": {"extra": {"a": 1}},
}


@pytest.mark.parametrize("case", GOOD_CLAIMS)
def test_claims_at_the_edge_are_accepted(case: str) -> None:
    verify(jws.sign_claims(KEY, claims(**GOOD_CLAIMS[case])))


@pytest.mark.parametrize("case", BAD_CLAIMS)
def test_claims_that_break_one_rule_are_refused(case: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(jws.sign_claims(KEY, claims(**BAD_CLAIMS[case])))


BAD_HEADERS: dict[str, Json] = {
    "another type": {"alg": "ES256", "typ": "JWT"},
    "a data token's type": {"alg": "ES256", "typ": "saltbridge-data+jwt"},
    "no type": {"alg": "ES256"},
    "a key of its own": {"alg": "ES256", "typ": jws.TYPE, "jwk": public_jwk(KEY)},
    "an address of keys": {"alg": "ES256", "typ": jws.TYPE, "jku": "https://evil.example"},
    "a certificate": {"alg": "ES256", "typ": jws.TYPE, "x5u": "https://evil.example"},
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_headers_other_than_our_own_are_refused(case: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(foreign(BAD_HEADERS[case], json.dumps(claims()).encode()))


def test_no_algorithm_but_es256_is_taken() -> None:
    body = encoded(json.dumps(claims()).encode())
    for alg in ("none", "None", "", "es256", "ES384", "HS256"):
        header = encoded(json.dumps({"alg": alg, "typ": jws.TYPE}).encode())
        good = jws.sign_claims(KEY, claims()).rsplit(".", 1)[1]
        for signature in ("", good):
            with pytest.raises(Unauthenticated):
                verify(f"{header}.{body}.{signature}")
    shared = JWK(kty="oct", k=encoded(json.dumps(public_jwk(KEY)).encode()))  # the public key used as a shared secret
    with pytest.raises(Unauthenticated):
        verify(foreign({"alg": "HS256", "typ": jws.TYPE}, json.dumps(claims()).encode(), shared))


def test_a_signature_of_another_key_or_over_other_bytes_does_not_hold() -> None:
    token = jws.sign_claims(KEY, claims())
    with pytest.raises(Unauthenticated):
        verify(token, OTHER)
    header, _, signature = token.split(".")
    other = encoded(json.dumps(claims(iss="did:web:evil.example")).encode())
    with pytest.raises(Unauthenticated):
        verify(f"{header}.{other}.{signature}")
    for wrong in (bytes(64), b"\xff" * 64, b"\x01" * 63, b"\x01" * 65):
        with pytest.raises(Unauthenticated):
            verify(f"{header}.{token.split('.')[1]}.{encoded(wrong)}")


def test_a_token_has_one_spelling() -> None:
    token = jws.sign_claims(KEY, claims())
    header, body, signature = token.split(".")
    last = signature[-1]
    twins = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" if letter != last]
    respelled = [f"{header}.{body}.{signature[:-1]}{letter}" for letter in twins]
    odd = [f"{token}=", f"{token}.", f".{token}", f" {token}", f"{token}\n", f"{header}.{body}", "", "..", "a.b.c", "ä.ö.ü"]
    for wrong in [*respelled, *odd, token.replace("-", "+").replace("_", "/") + "=", f"{token}.{signature}"]:
        with pytest.raises(Unauthenticated):
            verify(wrong)


def test_json_that_could_be_read_two_ways_is_refused() -> None:
    header = {"alg": "ES256", "typ": jws.TYPE}
    twice = json.dumps(claims()).encode()[:-1] + b', "iss": "did:web:evil.example"}'
    for payload in (twice, b"[]", b'"text"', b"{", b"\xff", b"[" * 3000, b'{"iss": NaN}', b'{"iat": ' + b"9" * 2000 + b"}"):
        with pytest.raises(Unauthenticated):
            verify(foreign(header, payload))


def test_a_huge_token_is_refused_unread() -> None:
    with pytest.raises(Unauthenticated):
        verify(jws.sign_claims(KEY, claims(extra="x" * 4096)))
