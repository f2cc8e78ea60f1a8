"""Identification links, both ways: what is made is read again, and what is wrong is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submodels.errors import Invalid
from submodels.identifiers import check_digit
from submodels.links import (
    Kind,
    battery_did,
    gs1_link,
    gtin14,
    id_link,
    id_link_faults,
    names_in,
    passport_link,
    read_link,
)

HOME = "https://maker.example"
GTIN = "09506000172040"
IDS = st.text("abcXYZ0189-._~:", min_size=1, max_size=60).filter(lambda each: each not in (".", ".."))
SERIALS = st.text("!\"%&'()*+,-./0123456789:;<=>?ABCZ_az", min_size=1, max_size=20)
HOSTS = st.sampled_from([HOME, "https://localhost:7401", "http://127.0.0.1:7401", "https://[::1]:7401"])


@given(HOSTS, IDS)
def test_what_is_made_for_a_battery_is_read_as_that_battery(home: str, battery: str) -> None:
    for make, kind in ((id_link, Kind.ID_LINK), (passport_link, Kind.PLAIN)):
        text = make(home, battery)
        found = read_link(text)
        assert (found.kind, found.origin, found.battery) == (kind, home, battery)
        assert names_in(text, home) == (battery,)
        assert names_in(text, "https://elsewhere.example") == ()
        assert not id_link_faults(text)


@given(st.sampled_from([HOME, "https://localhost:7401"]), IDS)
def test_a_batterys_did_leads_to_its_document(home: str, battery: str) -> None:
    did = battery_did(home, battery)
    found = read_link(did)
    assert (found.kind, found.origin, found.battery) == (Kind.DID, home, battery)
    assert did.count(":") == 4


@given(st.text("0123456789", min_size=13, max_size=13), SERIALS, HOSTS)
def test_a_gs1_link_names_the_same_item_on_any_host(digits: str, serial: str, host: str) -> None:
    gtin = digits + check_digit(digits)
    text = gs1_link(host, gtin, serial)
    found = read_link(text)
    assert (found.kind, found.keys["gtin"], found.keys["serial"]) == (Kind.GS1, gtin, serial)
    assert names_in(text, "https://another.example") == (f"gs1:01/{gtin}/21/{serial}",)


@given(st.text("0123456789", min_size=13, max_size=13), st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_is_found(digits: str, place: int, by: int) -> None:
    gtin = digits + check_digit(digits)
    wrong = gtin[:place] + str((int(gtin[place]) + by) % 10) + gtin[place + 1 :]
    with pytest.raises(Invalid, match="check digit"):
        gtin14(wrong)
    with pytest.raises(Invalid, match="check digit"):
        read_link(f"{HOME}/01/{wrong}/21/1")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("https://id.gs1.org/01/09506000172040/22/2A/10/LOT7/21/000017", "gs1:01/09506000172040/21/000017"),
        ("https://x.example/some/path/01/09506000172040/21/000017?linkType=gs1:pip", "gs1:01/09506000172040/21/000017"),
        ("https://x.example/8004/95060001720HC17", "gs1:8004/95060001720HC17"),
        ("https://x.example/8006/095060001720400102/21/000017", "gs1:8006/095060001720400102/21/000017"),
        ("https://x.example/01/09506000172040", ""),  # a model, not an item
        ("https://x.example/01/09506000172040/10/LOT7", ""),
    ],
)  # fmt: skip
def test_the_key_of_a_gs1_link_is_its_item(text: str, key: str) -> None:
    assert read_link(text).key == key


@pytest.mark.parametrize("digits", ["96385074", "036000291452", "9506000172040", GTIN])
def test_a_gtin_of_any_length_becomes_fourteen_digits(digits: str) -> None:
    assert gtin14(digits) == digits.rjust(14, "0")


@pytest.mark.parametrize("wrong", ["", "123", "9506000172041", "95060001720४0", "95060 0172040"])
def test_what_is_no_gtin_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid):
        gtin14(wrong)


@pytest.mark.parametrize("serial", ["", "0" * 21, "a b", "é"])
def test_a_serial_number_that_gs1_does_not_allow_is_refused(serial: str) -> None:
    with pytest.raises(Invalid):
        gs1_link(HOME, GTIN, serial)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{HOME}/i/{'x' * 260}", "longer"),
        (f"{HOME}/i/a b", "character"),
        (f"{HOME}/i/ü", "character"),
        ("HTTPS://maker.example/i/1", "small letters"),
        ("ftp://maker.example/i/1", "begin with"),
        (f"{HOME}/i/1#x", "fragment"),
        ("https://user@maker.example/i/1", "user"),
        ("https://Maker.example/i/1", "host"),
        (f"{HOME}/", "names a thing"),
        (f"{HOME}/a/../b", "dot"),
        (f"{HOME}/i/%7e", "capital"),
        (f"{HOME}/i/%", "escape"),
    ],
)
def test_each_rule_of_an_id_link_finds_its_fault(text: str, fault: str) -> None:
    assert any(fault in each for each in id_link_faults(text))


@pytest.mark.parametrize(
    "text",
    ["", "EV-72.000017", "javascript:alert(1)", "https://", "https://a b/i/1", "https://user:pw@maker.example/i/1", "did:key:z6Mk",
     "did:web:", "did:web:a%2Fb:passports:1", "https://maker.example/i/1\n", "mailto:x@y.example", "https://maker.example/" + "x" * 2000],
)  # fmt: skip
def test_what_is_no_link_is_refused_and_names_nothing(text: str) -> None:
    if text.endswith("\n"):  # a scanner's line end is no part of the text
        assert read_link(text).battery == "1"
        return
    with pytest.raises(Invalid):
        read_link(text)
    assert names_in(text, HOME) == ()


def test_an_address_without_a_meaning_of_its_own_is_still_an_address() -> None:
    found = read_link("https://passport.maker.example/EV-72/7QX4")
    assert (found.kind, found.origin, found.battery, found.key) == (Kind.OTHER, "https://passport.maker.example", "", "")
