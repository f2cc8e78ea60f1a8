"""Secrets at rest: AES-256-GCM under a key made from the node's own, bound to what they belong to.

Whoever holds the database alone reads nothing; a sealed text that is moved to another record does not open.
"""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import SaltbridgeError

_NONCE = 12  # bytes, NIST SP 800-38D 8.2.2: random, one each time


def seal(secret: bytes, about: str, text: str) -> str:
    """The text encrypted for the record `about` (`secret/<id>`), as base64url; `secret` is the node's own key."""
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(_key(secret)).encrypt(nonce, text.encode(), about.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(secret: bytes, about: str, sealed: str) -> str:
    """What was sealed for this record; SaltbridgeError when it was sealed under another key or for another record."""
    try:
        data = base64.urlsafe_b64decode(sealed)
        return AESGCM(_key(secret)).decrypt(data[:_NONCE], data[_NONCE:], about.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise SaltbridgeError(
            f"The secret of {about} cannot be read.",
            "It was sealed under another key than this node's, or it is damaged.",
            "Restore the keys folder that belongs to this database, or write the secret again.",
            code="secret.unreadable",
        ) from error


def _key(secret: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"saltbridge secrets at rest").derive(secret)
