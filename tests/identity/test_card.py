"""The peer card: what we write we read, whatever was changed on the way is refused."""

from __future__ import annotations

import copy
import json

import pytest

from connector.errors import Malformed
from connector.identity.card import card, default_id, read_card
from connector.identity.keys import fingerprint, new_key, public_jwk
from connector.ports import Me
from connector.records import Json

KEY, NEXT = new_key(), new_key()
ME = Me(id="did:web:localhost%3A7401", name="Maker GmbH", public_url="http://localhost:7401", wishes={"role": ("maker", "oem")})


def test_what_is_written_is_read() -> None:
    read = read_card(json.loads(json.dumps(card(ME, KEY, NEXT))))
    assert (read.id, read.name, read.address) == (ME.id, "Maker GmbH", "http://localhost:7401/dsp/2025-1")
    assert read.origins == ("http://localhost:7401",)
    assert (read.key, read.next_key) == (public_jwk(KEY), public_jwk(NEXT))
    assert (read.fingerprint, read.next_fingerprint) == (fingerprint(public_jwk(KEY)), fingerprint(public_jwk(NEXT)))
    assert read.wishes == {"role": ("maker", "oem")}


def test_the_plainest_card_has_no_next_key_and_no_wishes() -> None:
    read = read_card(card(Me(id="did:web:a", name="a", public_url="https://a.example"), KEY))
    assert (read.next_key, read.next_fingerprint, read.wishes) == (None, "", {})


def test_a_card_is_the_same_each_time_so_that_nothing_seems_changed() -> None:
    assert card(ME, KEY, NEXT) == card(ME, KEY, NEXT)


def test_a_card_is_a_did_document_that_others_can_use() -> None:
    document = card(ME, KEY, NEXT)
    assert document["authentication"] == document["assertionMethod"] == [document["verificationMethod"][0]["id"]]
    assert document["service"] == [
        {"id": f"{ME.id}#dsp", "type": "DataService", "serviceEndpoint": "http://localhost:7401/.well-known/dspace-version"}
    ]
    for method in document["verificationMethod"]:
        assert method.keys() == {"id", "type", "controller", "publicKeyJwk"}
        assert "d" not in method["publicKeyJwk"]


def changed(path: str, value: object) -> Json:
    """A good card with one value set at a path (`None` removes it)."""
    document = copy.deepcopy(card(ME, KEY, NEXT))
    *steps, last = path.split("/")
    at = document
    for step in steps:
        at = at[int(step) if isinstance(at, list) else step]
    if value is None:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return document


OTHER = public_jwk(new_key())
CHANGES = {
    "another address": ("saltbridge/address", "http://evil.example/dsp/2025-1"),
    "another id": ("id", "did:web:evil.example"),
    "another name": ("saltbridge/name", "OEM AG"),
    "other wishes": ("saltbridge/claims", {"role": ["authority"]}),
    "another key": ("verificationMethod/0/publicKeyJwk", OTHER),
    "another next key": ("verificationMethod/1/publicKeyJwk", OTHER),
    "no next key": ("saltbridge/nextKey", None),
    "a further member": ("alsoKnownAs", ["did:web:evil.example"]),
    "another service": ("service", []),
    "no signature": ("saltbridge/signature", None),
    "a signature of nothing": ("saltbridge/signature", "AAAA"),
    "a signature that is no text": ("saltbridge/signature", 5),
}

BAD_FORMS = {
    "the next key as the key": ("authentication", [card(ME, KEY, NEXT)["verificationMethod"][1]["id"]]),
    "no id": ("id", None),
    "an id with a space": ("id", "did:web: a"),
    "an id too long": ("id", "d" * 513),
    "no part of ours": ("saltbridge", None),
    "a part of ours that is a list": ("saltbridge", []),
    "no name": ("saltbridge/name", None),
    "a name with an escape": ("saltbridge/name", "\x1b[31mMaker"),
    "a name that runs backwards": ("saltbridge/name", "\u202eMaker"),
    "a name too long": ("saltbridge/name", "n" * 101),
    "an address with a user": ("saltbridge/address", "https://a@b.example/dsp"),
    "an address with a query": ("saltbridge/address", "https://b.example/dsp?x=1"),
    "an address of a file": ("saltbridge/address", "file:///etc/passwd"),
    "no keys": ("verificationMethod", []),
    "keys that are no list": ("verificationMethod", {}),
    "a private key": ("verificationMethod/0/publicKeyJwk", json.loads(new_key().export_private())),
    "no key to sign with": ("authentication", []),
    "two keys to sign with": ("authentication", [method["id"] for method in card(ME, KEY, NEXT)["verificationMethod"]]),
    "a key to sign with that is written in place": ("authentication", [{"id": "x"}]),
    "a next key nobody wrote": ("saltbridge/nextKey", "did:web:a#else"),
    "a next key that is an object": ("saltbridge/nextKey", {}),
    "wishes that are a list": ("saltbridge/claims", ["role"]),
    "a wish that is no list": ("saltbridge/claims", {"role": "maker"}),
    "a wish with a line break": ("saltbridge/claims", {"role": ["a\nb"]}),
    "a number without canonical form": ("x", 2**70),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_card_that_was_changed_on_its_way_is_refused(case: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_card(changed(*CHANGES[case]))
    assert refused.value.where == "saltbridge/signature"


@pytest.mark.parametrize("case", BAD_FORMS)
def test_a_card_of_another_form_is_refused_with_the_place(case: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_card(changed(*BAD_FORMS[case]))
    assert refused.value.why
    assert refused.value.where != "saltbridge/signature"


@pytest.mark.parametrize("value", [None, [], "text", 5, {}])
def test_what_is_no_card_at_all_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        read_card(value)


IDS = {
    "http://localhost:7401": "did:web:localhost%3A7401",
    "https://maker.example": "did:web:maker.example",
    "https://maker.example:443/": "did:web:maker.example",
    "https://maker.example/nodes/1": "did:web:maker.example:nodes:1",
}


@pytest.mark.parametrize("url", IDS)
def test_the_default_id_follows_from_the_public_address(url: str) -> None:
    assert default_id(url) == IDS[url]
