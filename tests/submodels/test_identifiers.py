"""Identifiers: what can be checked is checked; minted ids are plain and unlike."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submodels.errors import Invalid
from submodels.identifiers import check_digit, facility_identifier, mint_battery, operator_identifier, product_identifier

GTIN = "04098765000010"


@pytest.mark.parametrize(("digits", "check"), [("629104150021", "3"), ("0409876500001", "0"), ("409876500001", "0"), ("0", "0")])
def test_gs1_check_digits(digits: str, check: str) -> None:
    assert check_digit(digits) == check


def test_a_gs1_digital_link_gives_its_keys() -> None:
    found = product_identifier(f"https://id.example.eu/01/{GTIN}/10/L%2F7/21/000017?x=1")
    assert (found.scheme, dict(found.keys), found.id_link) == (
        "gs1-digital-link",
        {"gtin": GTIN, "batch": "L/7", "serial": "000017"},
        True,
    )
    assert product_identifier("https://id.example.eu/8004/095110011A").keys == {"giai": "095110011A"}


@pytest.mark.parametrize(
    ("text", "scheme", "id_link"),
    [
        ("https://battery.example/EV-72/000017", "https", True),
        ("https://battery.example/EV-72#000017", "https", False),
        ("https://battery.example/" + "a" * 255, "https", False),
        ("https://battery.example/ü", "https", False),
        ("https://battery.example/01/123", "https", True),
        ("did:web:battery.example:EV-72.000017", "did", False),
    ],
)
def test_other_product_identifiers(text: str, scheme: str, id_link: bool) -> None:
    found = product_identifier(text)
    assert (found.scheme, found.id_link) == (scheme, id_link)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "000017",
        "http://battery.example/1",
        "https://",
        "https://user:secret@battery.example/1",
        "https://battery.example/a b",
        "https://[::1",
        "did:web:",
        "javascript:alert(1)",
        "https://id.example.eu/01/04098765000019",
        f"https://id.example.eu/01/{GTIN}/21/{'7' * 21}",
    ],
)
def test_what_is_no_product_identifier_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        product_identifier(text)


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("4098765000010", "gln"),
        ("BPNL00000000ABCD", "bpn"),
        ("5493001KJTIIGC8Y1R12", "lei"),
        ("did:web:maker.example", "did"),
        ("https://maker.example/", "https"),
        ("HRB 12345", "other"),
    ],
)
def test_operators(text: str, scheme: str) -> None:
    assert operator_identifier(text).scheme == scheme


def test_a_site_is_no_operator() -> None:
    assert facility_identifier("BPNS00000000ABCD").scheme == facility_identifier("BPNA00000000ABCD").scheme == "bpn"
    for read, text in ((operator_identifier, "BPNS00000000ABCD"), (facility_identifier, "BPNL00000000ABCD")):
        with pytest.raises(Invalid):
            read(text)


@pytest.mark.parametrize("text", ["", " ", "4098765000012", "5493001KJTIIGC8Y1R13", "did:nothing", "https://"])
def test_identifiers_that_do_not_hold_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        operator_identifier(text)


def test_a_battery_is_called_by_model_and_serial() -> None:
    assert mint_battery("EV-72", "000017") == "EV-72.000017"
    assert mint_battery("EV-72", "SN/20 24") == "EV-72.SN~2F20~2024"


serials = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda text: bool(text.strip()))


@given(serials, serials)
def test_minted_ids_are_plain_and_different(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~:-]+", mint_battery("EV-72", one))
    assert (mint_battery("EV-72", one) == mint_battery("EV-72", other)) == (one == other)


@pytest.mark.parametrize(
    ("model", "serial"), [("", "1"), ("EV 72", "1"), ("EV/72", "1"), ("x" * 65, "1"), ("EV-72", ""), ("EV-72", " "), ("EV-72", "x" * 129)]
)
def test_what_cannot_name_a_battery_is_refused(model: str, serial: str) -> None:
    with pytest.raises(Invalid):
        mint_battery(model, serial)
