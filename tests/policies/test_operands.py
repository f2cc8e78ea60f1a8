from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from policies.operands import (
    CLAIM,
    CX,
    DATE_TIME,
    EDC,
    FIGURE,
    IN_FORCE,
    MEMBERSHIP,
    NS,
    ODRL,
    OPERANDS,
    PURPOSE,
    PURPOSES,
    ROLE,
    ROLES,
    Datatype,
    Enforcement,
    canonical,
    claim_iri,
    instant,
    number,
    operand,
    period,
    short,
    typed,
    wire_name,
)
from policies.operators import OPERATORS

SIGNED = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "iri"),
    [
        ("dateTime", DATE_TIME),
        ("odrl:dateTime", DATE_TIME),
        (ODRL + "dateTime", DATE_TIME),
        ("inForceDate", IN_FORCE),
        ("edc:inForceDate", IN_FORCE),
        (EDC + "inForceDate", IN_FORCE),
        ("Membership", MEMBERSHIP),
        ("cx-policy:Membership", MEMBERSHIP),
        ("role", ROLE),
        ("saltbridge:role", ROLE),
        (NS + "purpose", PURPOSE),
        ("odrl:purpose", PURPOSE),
        ("https://w3id.org/catenax/policy/Membership", "https://w3id.org/catenax/policy/Membership"),
        ("spatial", "spatial"),
    ],
)
def test_every_spelling_of_an_operand_has_one_iri(written: str, iri: str) -> None:
    assert canonical(written) == iri


def test_every_row_is_found_by_bare_name_and_iri_and_travels_in_a_form_that_json_ld_keeps() -> None:
    for iri, row in OPERANDS.items():
        assert operand(iri) is operand(row.name) is row
        assert ":" in wire_name(row.name)
        assert canonical(wire_name(iri)) == iri
        assert row.operators <= OPERATORS
        assert (row.enforcement is Enforcement.TIME) == (row.datatype in (Datatype.INSTANT, Datatype.PERIOD))
    assert wire_name("dateTime") == "odrl:dateTime"
    assert wire_name("spatial") == "spatial"


def test_unknown_operands_are_known_to_be_unknown() -> None:
    assert [
        operand(left) for left in ("spatial", CX + "Warranty", "https://w3id.org/catenax/policy/Membership", CLAIM, CLAIM + "a/b", NS)
    ] == [None] * 6


def test_claims_are_a_family_of_operands_and_figures_are_numbers() -> None:
    assert claim_iri("role") == ROLE
    assert claim_iri("membership") == MEMBERSHIP
    assert claim_iri("certified") == CLAIM + "certified"
    assert claim_iri("figure/employees") == FIGURE + "employees"
    assert claim_iri(ROLE) == ROLE
    certified, employees = operand(CLAIM + "certified"), operand(FIGURE + "employees")
    assert certified is not None and employees is not None
    assert (certified.datatype, employees.datatype) == (Datatype.TEXT, Datatype.NUMBER)
    assert short(CLAIM + "certified") == "certified"


@pytest.mark.parametrize(
    "text", ["2027-12-31T23:59:59Z", "2028-01-01T01:59:59+02:00", "2027-12-31T23:59:59.0Z", "2027-12-31T23:59:59.000000000Z"]
)
def test_one_instant_has_many_spellings(text: str) -> None:
    assert instant(text) == datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2027-12-31",
        "2027-12-31T23:59:59",
        "2027-02-30T00:00:00Z",
        "2027-12-31T25:00Z",
        "20271231T235959Z",
        "tomorrow",
        "",
        "2027-12-31T23:59:59Z ",
        "٢٠٢٧-12-31T23:59Z",
    ],
)
def test_what_is_no_instant_is_none(text: str) -> None:
    assert instant(text) is None


def test_the_specifications_own_instant_without_seconds_is_read() -> None:
    assert instant("2023-12-31T06:00Z") == datetime(2023, 12, 31, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("contractAgreement+30d", timedelta(days=30)),
        ("contractAgreement+12h", timedelta(hours=12)),
        ("contractAgreement+90m", timedelta(minutes=90)),
        ("contractAgreement+5s", timedelta(seconds=5)),
        ("contractAgreement+-1d", timedelta(days=-1)),
    ],
)
def test_periods_count_from_the_agreement(text: str, span: timedelta) -> None:
    assert period(text) == span
    assert typed(Datatype.PERIOD, text, SIGNED) == SIGNED + span


@pytest.mark.parametrize(
    "text",
    [
        "contractAgreement+30",
        "contractAgreement+30y",
        "contractAgreement",
        "30d",
        "contractAgreement+1.5d",
        "contractAgreement+9999999999d",
    ],
)
def test_what_is_no_period_is_none(text: str) -> None:
    assert period(text) is None
    assert typed(Datatype.PERIOD, text, SIGNED) is None


def test_a_period_beyond_the_calendar_is_for_ever() -> None:
    assert typed(Datatype.PERIOD, "contractAgreement+999999999d", SIGNED) == datetime.max.replace(tzinfo=UTC)
    assert typed(Datatype.PERIOD, "contractAgreement+-999999999d", SIGNED) == datetime.min.replace(tzinfo=UTC)


def test_the_datatype_is_the_operands_not_the_literals() -> None:
    assert typed(Datatype.NUMBER, "9.50", SIGNED) == Decimal("9.5")
    assert typed(Datatype.TEXT, "9.50", SIGNED) == "9.50"
    assert [number(text) for text in ("NaN", "Infinity", "1e5", "", " 1", "1,5")] == [None] * 6


def test_closed_lists_have_plain_words() -> None:
    assert all(word and word == word.strip() for word in [*ROLES.values(), *PURPOSES.values()])
