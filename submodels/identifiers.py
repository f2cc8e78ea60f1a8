"""Identifiers of products, operators and facilities, and the ids of batteries that a node mints.

EN 18219 accepts several schemes; what can be checked is checked (GS1 check digits, LEI, form of links and DIDs), the rest
is taken as it is.  Nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import unquote, urlsplit

from submodels.errors import Invalid

_GS1_PRIMARY = {"01": 14, "414": 13, "8003": 14, "8004": 0, "8006": 14}  # AI -> digits under a check digit, at its beginning
_GS1_NAMES = {
    "01": "gtin",
    "22": "variant",
    "10": "batch",
    "21": "serial",
    "414": "gln",
    "8003": "grai",
    "8004": "giai",
    "8006": "itip",
    "254": "extension",
}
CSET82 = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}")
_ID_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
_DID = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._:%-]+")
_BPN = re.compile(r"BPN([LSA])[0-9A-Z]{12}")
_LEI = re.compile(r"[0-9A-Z]{18}[0-9]{2}")
_MINTED = re.compile(r"[A-Za-z0-9._:-]")


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier and what it was recognised as."""

    scheme: str  # gs1-digital-link | did | https | gln | lei | bpn | other
    text: str
    keys: Mapping[str, str] = field(default_factory=dict)  # e.g. gtin, batch, serial
    id_link: bool = False  # fit for an IEC 61406-1 ID link: a URL of at most 255 plain characters without a fragment


def check_digit(digits: str) -> str:
    """The GS1 check digit (mod 10, weights 3 and 1 from the right) that belongs behind these digits."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def product_identifier(text: str) -> Identifier:
    """Read a unique product identifier: a GS1 Digital Link, another https link, or a DID."""
    if _DID.fullmatch(text):
        return Identifier("did", text)
    try:
        link = urlsplit(text)
    except ValueError:
        link = urlsplit("")
    if link.scheme != "https" or not link.hostname or link.username is not None or len(text) > 2000 or re.search(r"\s", text):
        raise Invalid(text[:200], "is no product identifier", "use an https link (GS1 Digital Link, IEC 61406) or a DID")
    id_link = len(text) <= 255 and not link.fragment and bool(_ID_LINK.fullmatch(text))
    keys = gs1_keys(text, link.path)
    return Identifier("gs1-digital-link" if keys else "https", text, keys, id_link)


def gs1_keys(text: str, path: str) -> dict[str, str]:
    """The keys in the path of a GS1 Digital Link by their names, none where it is no such link; Invalid for a wrong digit."""
    segments = [unquote(segment) for segment in path.split("/") if segment]
    begins = next((place for place, (key, value) in enumerate(pairwise(segments)) if _looks_primary(key, value)), None)
    if begins is None:
        return {}
    pairs = dict(zip(segments[begins::2], segments[begins + 1 :: 2], strict=False))
    primary, digits = segments[begins], _GS1_PRIMARY[segments[begins]]
    value = pairs[primary][:digits]
    if digits and check_digit(value[:-1]) != value[-1]:
        raise Invalid(text[:200], f"the check digit of {value} is not {check_digit(value[:-1])}", "read the number again")
    if "21" in pairs and not CSET82.fullmatch(pairs["21"]):
        raise Invalid(text[:200], "the serial number (21) is not 1 to 20 characters of GS1's set 82", "shorten it or use another scheme")
    return {_GS1_NAMES[key]: value for key, value in pairs.items() if key in _GS1_NAMES}


def _looks_primary(key: str, value: str) -> bool:
    if key not in _GS1_PRIMARY:
        return False
    digits = _GS1_PRIMARY[key]
    if key == "8003":
        return len(value) >= digits and value[:digits].isascii() and value[:digits].isdecimal()
    if key == "8006":  # a GTIN, then which piece of how many
        return value.isascii() and value.isdecimal() and len(value) == digits + 4
    return value.isascii() and value.isdecimal() and len(value) == digits if digits else 0 < len(value) <= 30


def operator_identifier(text: str) -> Identifier:
    """Read an economic operator's identifier: GLN, LEI, BPN, DID, https; else taken as it is."""
    return _organisation(text, "L")


def facility_identifier(text: str) -> Identifier:
    """Read a facility's identifier: GLN, BPN of a site or address, DID, https; else taken as it is."""
    return _organisation(text, "SA")


def _organisation(text: str, bpn_kinds: str) -> Identifier:
    if not text.strip():
        raise Invalid("", "is empty", "give an identifier")
    if text.isascii() and text.isdecimal() and len(text) == 13:
        if check_digit(text[:-1]) != text[-1]:
            raise Invalid(text, f"the check digit of this GLN is not {check_digit(text[:-1])}", "read the number again")
        return Identifier("gln", text)
    bpn = _BPN.fullmatch(text)
    if bpn:
        if bpn[1] not in bpn_kinds:
            raise Invalid(text, f"is a BPN{bpn[1]}", "use " + " or ".join(f"BPN{kind}" for kind in bpn_kinds))
        return Identifier("bpn", text)
    if _LEI.fullmatch(text):
        if int("".join(str(int(character, 36)) for character in text)) % 97 != 1:
            raise Invalid(text, "the check digits of this LEI do not hold", "read it again")
        return Identifier("lei", text)
    if text.startswith(("did:", "https://")):
        return product_identifier(text)
    return Identifier("other", text)


def mint_battery(model: str, serial: str) -> str:
    """The node's id of a battery, `EV-72.000017`, in letters, digits and `-._~:`; other characters as `~` and hex.

    Different serials of a model get different ids.
    """
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", model):
        raise Invalid(model[:80], "is no model id", "use letters, digits and - . _ :")
    if not serial.strip() or len(serial) > 128:
        raise Invalid(serial[:80], "is no serial number", "give 1 to 128 characters")
    return f"{model}.{''.join(map(_plain, serial))}"


def _plain(character: str) -> str:
    return character if _MINTED.fullmatch(character) else "".join(f"~{byte:02X}" for byte in character.encode())
