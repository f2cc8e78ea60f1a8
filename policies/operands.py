"""Left operands that we understand: datatype, operators, and how each is enforced.

*checked*   compared with a fact that somebody vouches for
*time*      compared with the clock
*declared*  a legal statement of the other side; nothing can check it, and we say so

An operand that is not in the table is kept and shown, but never satisfied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from .operators import EQUALITY, ORDER, SETS

NS = "https://w3id.org/saltbridge/v1/"
ODRL = "http://www.w3.org/ns/odrl/2/"
EDC = "https://w3id.org/edc/v0.0.1/ns/"
CX = "https://w3id.org/catenax/2025/9/policy/"

GRANT = NS + "grant"
PURPOSE = NS + "purpose"
ROLE = NS + "role"
PARTICIPANT = NS + "participant"
CLAIM = NS + "claim/"  # any further claim: NS + "claim/certified"
FIGURE = NS + "figure/"  # a claim that is a number: NS + "figure/employees"
DATE_TIME = ODRL + "dateTime"
IN_FORCE = EDC + "inForceDate"
MEMBERSHIP = CX + "Membership"
FRAMEWORK_AGREEMENT = CX + "FrameworkAgreement"
BUSINESS_PARTNER_NUMBER = CX + "BusinessPartnerNumber"
USAGE_PURPOSE = CX + "UsagePurpose"
CONTRACT_REFERENCE = CX + "ContractReference"

ROLES: Mapping[str, str] = MappingProxyType(
    {  # key -> in words, after "to"
        "recycler": "recyclers",
        "dismantler": "dismantlers",
        "second-life": "second life",
        "remanufacturer": "remanufacturers",
        "repairer": "repair shops",
        "waste-operator": "waste operators",
        "oem": "vehicle makers",
        "maker": "battery makers",
        "supplier": "suppliers",
        "auditor": "auditors",
        "authority": "market surveillance",
    }
)

PURPOSES: Mapping[str, str] = MappingProxyType(
    {  # key -> in words, after "for"
        "dismantling": "dismantling",
        "recycling": "recycling",
        "repair": "repair",
        "second-life": "a second life",
        "remanufacturing": "remanufacturing",
        "repurposing": "repurposing",
        "preparation-for-reuse": "preparation for re-use",
        "integration": "integration into a product",
        "due-diligence": "due diligence",
        "carbon-accounting": "carbon accounting",
        "safety": "safety and emergencies",
        "audit": "an audit",
        "market-surveillance": "market surveillance",
    }
)


class Datatype(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    INSTANT = "instant"  # with an offset: 2027-12-31T23:59:59Z
    PERIOD = "instant or period"  # an instant, or contractAgreement+30d


class Enforcement(StrEnum):
    CHECKED = "checked"
    TIME = "time"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Operand:
    """One row of the table; `values` is the closed list of right operands, empty when open."""

    iri: str
    name: str
    datatype: Datatype
    operators: frozenset[str]
    enforcement: Enforcement
    meaning: str
    values: Mapping[str, str] = field(default_factory=dict)


_TEXT = EQUALITY | SETS
_ORDERED = EQUALITY | ORDER

OPERANDS: Mapping[str, Operand] = MappingProxyType(
    {
        row.iri: row
        for row in (
            Operand(GRANT, "grant", Datatype.TEXT, _TEXT, Enforcement.CHECKED, "the attribute grant, sha-256:<digest>"),
            Operand(PURPOSE, "purpose", Datatype.TEXT, _TEXT, Enforcement.DECLARED, "what the data is used for", PURPOSES),
            Operand(ROLE, "role", Datatype.TEXT, _TEXT, Enforcement.CHECKED, "what the participant is vouched to be", ROLES),
            Operand(PARTICIPANT, "participant", Datatype.TEXT, _TEXT, Enforcement.CHECKED, "the participant's id"),
            Operand(DATE_TIME, "dateTime", Datatype.INSTANT, _ORDERED, Enforcement.TIME, "the time of use"),
            Operand(
                IN_FORCE, "inForceDate", Datatype.PERIOD, _ORDERED, Enforcement.TIME, "the time of use, also counted from the agreement"
            ),
            Operand(MEMBERSHIP, "Membership", Datatype.TEXT, _TEXT, Enforcement.CHECKED, "membership of the dataspace"),
            Operand(FRAMEWORK_AGREEMENT, "FrameworkAgreement", Datatype.TEXT, _TEXT, Enforcement.CHECKED, "a signed framework agreement"),
            Operand(BUSINESS_PARTNER_NUMBER, "BusinessPartnerNumber", Datatype.TEXT, _TEXT, Enforcement.CHECKED, "the partner's number"),
            Operand(USAGE_PURPOSE, "UsagePurpose", Datatype.TEXT, _TEXT, Enforcement.DECLARED, "what the data is used for"),
            Operand(CONTRACT_REFERENCE, "ContractReference", Datatype.TEXT, _TEXT, Enforcement.DECLARED, "contracts this one refers to"),
        )
    }
)

_PREFIXES = {"odrl:": ODRL, "edc:": EDC, "cx-policy:": CX, "saltbridge:": NS}

# Bare names: a peer under a plain DSP context, or a person, writes them; JSON-LD would lose them.
_BARE = {row.name: row.iri for row in OPERANDS.values()}
_ALIASES = {ODRL + "purpose": PURPOSE}

# Integers that Catena-X writes as JSON numbers, which DSP forbids: accepted here, kept as text.
INTEGERS = frozenset(CX + name for name in ("DataUsageEndDurationDays", "DataProvisioningEndDurationDays", "WarrantyDurationMonths"))
_BARE |= {iri.removeprefix(CX): iri for iri in INTEGERS}

_SHORT = 256  # characters: longer text is not remembered, so that a peer cannot fill the memory with it
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_PERIOD = re.compile(r"contractAgreement\+(-?\d{1,9})([smhd])", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,10})?", re.ASCII)  # well inside Decimal's 28 digits
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def canonical(left: str) -> str:
    """The one IRI of a left operand, whether bare, prefixed or full; an unknown one comes back unchanged."""
    return _canonical(left) if len(left) <= _SHORT else _canonical.__wrapped__(left)


@lru_cache(maxsize=1024)
def _canonical(left: str) -> str:
    iri = _BARE.get(left, left)
    for prefix, namespace in _PREFIXES.items():
        if iri.startswith(prefix):
            iri = namespace + iri.removeprefix(prefix)
            break
    return _ALIASES.get(iri, iri)


def operand(left: str) -> Operand | None:
    """The table's row of a left operand in any spelling, or None: then it is never satisfied."""
    return _operand(left) if len(left) <= _SHORT else _operand.__wrapped__(left)


@lru_cache(maxsize=1024)
def _operand(left: str) -> Operand | None:
    iri = canonical(left)
    if iri in OPERANDS:
        return OPERANDS[iri]
    for family, datatype, operators in ((CLAIM, Datatype.TEXT, _TEXT), (FIGURE, Datatype.NUMBER, _ORDERED)):
        name = iri.removeprefix(family)
        if iri.startswith(family) and _NAME.fullmatch(name):
            return Operand(iri, name, datatype, operators, Enforcement.CHECKED, f"the claim {name}")
    return None


def claim_iri(name: str) -> str:
    """The operand of a claim that somebody vouches for: `role`, `membership`, an IRI, `figure/x`, else `claim/<name>`."""
    named = {"role": ROLE, "membership": MEMBERSHIP, "participant": PARTICIPANT}
    if name in named:
        return named[name]
    iri = canonical(name)
    if operand(iri) is not None:
        return iri
    return NS + name if name.startswith("figure/") else CLAIM + name


def wire_name(left: str) -> str:
    """How a left operand is written in what we publish: `odrl:dateTime`, else the full IRI (bare names vanish in JSON-LD)."""
    iri = canonical(left)
    return "odrl:" + iri.removeprefix(ODRL) if iri.startswith(ODRL) else iri


def short(left: str) -> str:
    """The operand's name for people; an unknown one as it was written."""
    row = operand(left)
    return left[:80] if row is None else row.name


def instant(text: str) -> datetime | None:
    """An instant with an offset, or None; a date, or a time without offset, is not one: whose midnight would it be?"""
    return _instant(text) if len(text) <= _SHORT else None


@lru_cache(maxsize=1024)
def _instant(text: str) -> datetime | None:
    if not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def period(text: str) -> timedelta | None:
    """`contractAgreement+30d` as a span (units s, m, h, d), or None."""
    match = _PERIOD.fullmatch(text)
    return None if match is None else timedelta(**{_UNITS[match[2]]: int(match[1])})


def number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def typed(datatype: Datatype, text: str, agreed: datetime) -> str | Decimal | datetime | None:
    """A value of the operand's datatype, or None when it is none; periods are counted from `agreed`."""
    if datatype is Datatype.TEXT:
        return text
    if datatype is Datatype.NUMBER:
        return number(text)
    span = period(text) if datatype is Datatype.PERIOD else None
    return instant(text) if span is None else _after(agreed, span)


def _after(agreed: datetime, span: timedelta) -> datetime:
    try:
        return agreed + span
    except OverflowError:  # beyond the calendar: for ever, or never
        return (datetime.max if span > timedelta(0) else datetime.min).replace(tzinfo=UTC)
