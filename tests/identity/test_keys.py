"""Keys in files: made once, never exposed, never written over; public keys of others read strictly."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.errors import Malformed, Misconfigured
from connector.identity import keys

# RFC 7517, A.1 (its second member is an RSA key); the thumbprint was computed with another library.
EXAMPLE = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


def test_all_keys_of_a_node_are_made_at_once_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "keys"
    made = keys.create(folder)
    loaded = keys.load(folder)
    assert keys.public_jwk(loaded.dsp) == keys.public_jwk(made.dsp)
    assert (loaded.data, loaded.seal) == (made.data, made.seal)
    assert len({made.data, made.seal}) == 2
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    with pytest.raises(Misconfigured):
        keys.create(folder)
    assert keys.load(folder).data == made.data


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_that_others_may_touch_is_not_used(tmp_path: Path, mode: int) -> None:
    keys.create(tmp_path)
    for name in (keys.DSP, keys.DATA):
        (tmp_path / name).chmod(mode)
        with pytest.raises(Misconfigured, match="chmod 600") as refused:
            keys.load(tmp_path)
        assert name in refused.value.what
        (tmp_path / name).chmod(0o600)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "missing": (keys.DSP, lambda path: path.unlink()),
    "empty": (keys.DSP, lambda path: path.write_text("")),
    "no JWK": (keys.DSP, lambda path: path.write_text("[]")),
    "public only": (keys.DSP, lambda path: path.write_text(keys.new_key().export_public())),
    "another curve": (keys.DSP, lambda path: path.write_text(keys.JWK.generate(kty="EC", crv="P-384").export_private())),
    "another kind": (keys.DSP, lambda path: path.write_text(keys.JWK.generate(kty="oct", size=256).export())),
    "no hex": (keys.DATA, lambda path: path.write_text("secret")),
    "too short": (keys.SEAL, lambda path: path.write_text("00" * 31)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_key_file_is_named_and_its_content_is_not(tmp_path: Path, damage: str) -> None:
    name, harm = DAMAGE[damage]
    keys.create(tmp_path)
    harm(tmp_path / name)
    with pytest.raises(Misconfigured) as refused:
        keys.load(tmp_path)
    assert name in refused.value.what
    assert refused.value.next
    if (tmp_path / name).exists() and (content := (tmp_path / name).read_text().strip()) not in ("", "[]"):
        assert content not in str(refused.value)


def test_the_public_half_is_four_members_and_no_more() -> None:
    assert keys.public_jwk(keys.new_key()).keys() == {"kty", "crv", "x", "y"}


def test_a_fingerprint_is_the_thumbprint_in_groups() -> None:
    assert keys.thumbprint(EXAMPLE) == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    shown = keys.fingerprint(EXAMPLE)
    assert shown.startswith("727f-88fd-") and len(shown.split("-")) == 16
    assert keys.fingerprint(EXAMPLE | {"kid": "x", "use": "sig"}) == shown


def test_a_public_key_is_read_without_its_ornaments() -> None:
    assert keys.read_public(EXAMPLE | {"kid": "1", "use": "sig", "alg": "ES256", "x5c": ["..."]}) == EXAMPLE


BAD_KEYS = {
    "no object": [],
    "private": EXAMPLE | {"d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"},
    "RSA": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    "another curve": EXAMPLE | {"crv": "P-384"},
    "another algorithm": EXAMPLE | {"alg": "ES384"},
    "for encryption": EXAMPLE | {"use": "enc"},
    "not on the curve": EXAMPLE | {"y": EXAMPLE["x"]},
    "missing y": {name: value for name, value in EXAMPLE.items() if name != "y"},
    "short x": EXAMPLE | {"x": EXAMPLE["x"][:-1]},
    "padded x": EXAMPLE | {"x": EXAMPLE["x"] + "="},
    "x in another spelling": EXAMPLE | {"x": EXAMPLE["x"][:-1] + "5"},
    "x with a stranger's letter": EXAMPLE | {"x": "ä" + EXAMPLE["x"][1:]},
    "x is a number": EXAMPLE | {"x": 5},
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_a_public_key_that_is_none_of_ours_is_refused(case: str) -> None:
    with pytest.raises(Malformed) as refused:
        keys.read_public(BAD_KEYS[case], "verificationMethod/0")
    assert refused.value.where == "verificationMethod/0"
