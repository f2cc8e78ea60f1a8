"""This node's keys: made once, kept in files that only their owner may read, named by fingerprints that people compare.

Two kinds that never mix: an ES256 key pair signs DSP calls, a secret of 32 bytes signs data tokens (or seals cursors and ETags).
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jwcrypto.common import JWException
from jwcrypto.jwk import JWK

from connector.errors import Malformed, Misconfigured
from connector.records import Json

SECRET_BYTES = 32
_COORDINATE = 43  # characters of 32 bytes in base64url


DSP, DATA, SEAL = "dsp.jwk", "data.key", "seal.key"  # files of the keys folder


class Keys(NamedTuple):
    """All keys of a node: no two of them are the same, so that none can be used for another's work."""

    dsp: JWK  # signs calls to peers
    data: bytes  # signs data tokens
    seal: bytes  # ETags and cursors


def create(folder: Path) -> Keys:
    """Make all keys in a new folder (mode 0700); Misconfigured when one exists already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Keys(new_key(datetime.now(UTC)), new_secret(), new_secret())
    save_key(made.dsp, folder / DSP)
    save_secret(made.data, folder / DATA)
    save_secret(made.seal, folder / SEAL)
    return made


def load(folder: Path) -> Keys:
    """The keys in a folder; Misconfigured names the file that is missing, exposed or damaged."""
    return Keys(load_key(folder / DSP), load_secret(folder / DATA), load_secret(folder / SEAL))


def new_key(made: datetime | None = None) -> JWK:
    """A fresh ES256 key pair; `made` is kept with it."""
    return JWK.generate(kty="EC", crv="P-256", **({"iat": int(made.timestamp())} if made else {}))


def save_key(key: JWK, path: Path) -> None:
    """Write a key pair to a new file of mode 0600; Misconfigured when there is one already."""
    _write_new(path, (key.export_private() + "\n").encode())


def load_key(path: Path) -> JWK:
    """The key pair in a file; Misconfigured when it is missing, readable by others or not an ES256 key pair."""
    try:
        key = JWK.from_json(_read_own(path).decode())
        fits = key.has_private and json.loads(key.export_public()).get("crv") == "P-256"
    except (JWException, ValueError, TypeError) as error:
        raise _unusable(path, "it does not hold a JWK") from error
    if not fits:
        raise _unusable(path, "it holds no P-256 key pair")
    return key


def new_secret() -> bytes:
    """Fresh bytes for an HMAC."""
    return secrets.token_bytes(SECRET_BYTES)


def save_secret(secret: bytes, path: Path) -> None:
    """Write a secret to a new file of mode 0600; Misconfigured when there is one already."""
    _write_new(path, f"{secret.hex()}\n".encode())


def load_secret(path: Path) -> bytes:
    """The secret in a file; Misconfigured when it is missing, readable by others or too short."""
    try:
        secret = bytes.fromhex(_read_own(path).decode().strip())
    except ValueError as error:
        raise _unusable(path, "it does not hold hexadecimal digits") from error
    if len(secret) < SECRET_BYTES:
        raise _unusable(path, f"it holds fewer than {SECRET_BYTES} bytes")
    return secret


def public_jwk(key: JWK) -> Json:
    """The public half: `{"kty", "crv", "x", "y"}` and nothing else."""
    whole = json.loads(key.export_public())
    return {name: whole[name] for name in ("kty", "crv", "x", "y")}


def read_public(jwk: object, where: str = "key") -> Json:
    """Check a public ES256 key as somebody sent it and return its four members; Malformed also when a private key was sent."""
    if not isinstance(jwk, dict):
        raise Malformed("The key cannot be read.", "it is not a JWK object", where=where)
    if "d" in jwk:
        why, next = "it is a private key", "Whoever sent it must make a new key: this one is no secret any more."
        raise Malformed("The key cannot be used.", why, next, where=where)
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or jwk.get("alg", "ES256") != "ES256" or jwk.get("use", "sig") != "sig":
        raise Malformed("The key cannot be used.", "only ES256 keys are (kty EC, crv P-256)", where=where)
    plain = {name: jwk.get(name) for name in ("kty", "crv", "x", "y")}
    try:
        if not all(_canonical(plain[name]) for name in ("x", "y")):
            raise ValueError
        JWK(**plain).get_op_key("verify")  # refuses what is no point of the curve
    except (JWException, ValueError) as error:
        raise Malformed("The key cannot be read.", "x and y are no point of P-256", where=where) from error
    return plain


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638 thumbprint of a public key: base64url(SHA-256), 43 characters."""
    name: str = JWK(**{part: jwk[part] for part in ("kty", "crv", "x", "y")}).thumbprint()
    return name


def fingerprint(jwk: Mapping[str, Any]) -> str:
    """What two operators compare: the thumbprint's 32 bytes, hex in groups of four, without regard to case."""
    digits = base64.urlsafe_b64decode(thumbprint(jwk) + "=").hex()
    return "-".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _canonical(coordinate: object) -> bool:
    """32 bytes in base64url, in their one spelling: what people compare must not have two."""
    if not isinstance(coordinate, str) or len(coordinate) != _COORDINATE or not coordinate.isascii():
        return False
    data = base64.urlsafe_b64decode(coordinate + "=")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode() == coordinate


def _write_new(path: Path, content: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise Misconfigured(f"{path} exists already.", "a key is never written over", "Move it away first if you mean it.") from error
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written.", error.strerror or "", "Check that the folder exists and is yours.") from error
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_own(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)  # of the file that is read, not of what the name means later
            if mode & 0o077:
                why = f"its mode is {mode:04o}: others may read or change it"
                raise Misconfigured(f"The key file {path} is not used.", why, f"chmod 600 {path}", code="key.exposed")
            return file.read(64 * 1024)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _unusable(path: Path, why: str) -> Misconfigured:
    next = "Restore it from a backup, or make a new one with saltbridge init."
    return Misconfigured(f"The key file {path} cannot be used.", why, next, code="key.invalid")
