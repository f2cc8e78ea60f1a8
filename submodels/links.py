"""Identification links, made and read: what a label on a battery says, as an address.

    gs1        https://host/01/{GTIN}/21/{serial}    GS1 Digital Link, uncompressed; also 8003, 8004 and 8006 are read
    iec61406   https://host/i/{battery}              an ID link of IEC 61406-1: short, ours for ever, nothing in it that a printer,
                                                     a scanner or a mail program might change
    plain      https://host/passports/{battery}      where the public passport lies
    did        did:web:host:passports:{battery}      the battery's own DID (EN 18219 accepts one beside the link)

Read is what any of them names; the same GTIN and serial number are the same battery on whatever host they stand.  Nothing is
looked up.  Source: GS1 Digital Link URI Syntax 1.4; did:web method, 3.2; of IEC 61406-1 the rules that its users state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, unquote, urlsplit

from submodels.errors import Invalid
from submodels.identifiers import CSET82, check_digit, gs1_keys

LONGEST = 255  # characters of an ID link
PASSPORTS, ID = "passports", "i"
_ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(?::[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](?::[0-9]{1,5})?")
_PLAIN = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
_SAFE = "-._~"  # beside letters and digits; a colon is a separator in a DID and needs no escape in a path


class Kind(StrEnum):
    """How a link is written."""

    GS1 = "gs1"
    ID_LINK = "iec61406"
    PLAIN = "plain"
    DID = "did"
    OTHER = "other"  # an address that says nothing by itself


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says; `battery` is an id of the node at `origin`, `keys` are GS1's by their names."""

    kind: Kind
    text: str
    origin: str = ""  # scheme://host[:port]
    battery: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The identification without the host, the same for every resolver; "" where a link has none."""
        return gs1_key(self.keys)


# --- made ----------------------------------------------------------------------------------------


def gs1_link(origin: str, gtin: str, serial: str) -> str:
    """The GS1 Digital Link of an item; Invalid for a wrong check digit or a serial number that GS1 does not allow."""
    return f"{_checked(origin)}/01/{gtin14(gtin)}/21/{quote(_serial(serial), safe=_SAFE)}"


def id_link(origin: str, battery: str) -> str:
    """An ID link (IEC 61406-1) of this node for a battery; Invalid where the link would break a rule."""
    text = f"{_checked(origin)}/{ID}/{quote(battery, safe=_SAFE + ':')}"
    faults = id_link_faults(text)
    if faults:
        raise Invalid(text[:200], f"is no ID link: {faults[0]}", "use a shorter host or battery id")
    return text


def passport_link(origin: str, battery: str) -> str:
    """Where the public passport lies."""
    return f"{_checked(origin)}/{PASSPORTS}/{quote(battery, safe=_SAFE + ':')}"


def battery_did(origin: str, battery: str) -> str:
    """The DID whose document lies at `<passport>/did.json` (did:web: colons are steps of the path, a port's is escaped)."""
    host = _checked(origin).partition("://")[2]
    return f"did:web:{quote(host, safe='-.')}:{PASSPORTS}:{quote(battery, safe='-._').replace('~', '%7E')}"


def gtin14(text: str) -> str:
    """A GTIN of 8, 12, 13 or 14 digits with its check digit, as 14; Invalid otherwise."""
    if not (text.isascii() and text.isdecimal() and len(text) in (8, 12, 13, 14)):
        raise Invalid(text[:40], "is no GTIN", "give 8, 12, 13 or 14 digits")
    if check_digit(text[:-1]) != text[-1]:
        raise Invalid(text, f"the check digit is not {check_digit(text[:-1])}", "read the number again")
    return text.rjust(14, "0")


def gs1_key(keys: Mapping[str, str]) -> str:
    """`gs1:01/{GTIN}/21/{serial}` of an item's keys, or `gs1:8004/{GIAI}`, `gs1:8006/...`, `gs1:8003/...`; "" for less than an item."""
    if "gtin" in keys and "serial" in keys:
        return f"gs1:01/{keys['gtin']}/21/{keys['serial']}"
    for name, code in (("giai", "8004"), ("itip", "8006"), ("grai", "8003")):
        if name in keys and (name != "itip" or "serial" in keys):
            return f"gs1:{code}/{keys[name]}" + (f"/21/{keys['serial']}" if name == "itip" else "")
    return ""


def id_link_faults(text: str) -> tuple[str, ...]:
    """Which rules of an ID link a text breaks; empty when none."""
    parts = _split(text)
    rules = (
        (len(text) > LONGEST, f"it is longer than {LONGEST} characters"),
        (not _PLAIN.fullmatch(text), "it holds a character that not every system carries unchanged"),
        (not text.startswith(("https://", "http://")), "it does not begin with https:// or http:// in small letters"),
        ("#" in text, "it has a fragment, which is never sent"),
        ("@" in parts[1], "it carries a user"),
        (parts[1] != parts[1].lower(), "its host is not in small letters"),
        (not parts[1] or not (parts[2].strip("/") or parts[3]), "nothing behind its host names a thing"),
        (any(step in (".", "..") for step in parts[2].split("/")), "its path has a dot segment"),
        (bool(re.search(r"%(?![0-9A-F]{2})", text)), "an escape is not written as % and two capital hexadecimal digits"),
    )
    return tuple(fault for broken, fault in rules if broken)


# --- read ----------------------------------------------------------------------------------------


def read_link(text: str) -> Link:
    """What a label's text names; Invalid for what is no address (or a GS1 link with a wrong digit)."""
    text = text.strip()
    if text.startswith("did:web:"):
        return _read_did(text)
    scheme, host, path, _ = _split(text)
    origin = f"{scheme}://{host.lower()}"
    if len(text) > 2000 or not _PLAIN.fullmatch(text.partition("#")[0]) or not _ORIGIN.fullmatch(origin):
        raise Invalid(text[:80], "is no identification link", "a label of a battery holds an https address")
    keys = gs1_keys(text, path)
    if keys:
        return Link(Kind.GS1, text, origin, keys=keys)
    steps = [unquote(step) for step in path.split("/") if step]
    if len(steps) == 2 and steps[0] in (PASSPORTS, ID):
        return Link(Kind.PLAIN if steps[0] == PASSPORTS else Kind.ID_LINK, text, origin, battery=steps[1])
    return Link(Kind.OTHER, text, origin)


def names_in(text: str, home: str) -> tuple[str, ...]:
    """By which names a node whose origin is `home` knows the battery of a link; none for a text that is no link."""
    try:
        link = read_link(text)
    except Invalid:
        return ()
    here = link.origin == home or (link.kind is Kind.DID and _host(link.origin) == _host(home))  # a DID says no scheme
    ours = (link.battery,) if link.battery and here else ()
    return (*ours, link.key) if link.key else ours


def _read_did(text: str) -> Link:
    steps = text.split(":")[2:]
    if not all(steps) or len(text) > 2000 or not re.fullmatch(r"[A-Za-z0-9._:%-]+", text):
        raise Invalid(text[:80], "is no did:web", "look at the label again")
    origin = f"https://{unquote(steps[0]).lower()}"
    if not _ORIGIN.fullmatch(origin):
        raise Invalid(text[:80], "names no host", "look at the label again")
    battery = unquote(steps[2]) if len(steps) == 3 and steps[1] == PASSPORTS else ""
    return Link(Kind.DID, text, origin, battery=battery)


def _host(origin: str) -> str:
    return origin.partition("://")[2]


def _split(text: str) -> tuple[str, str, str, str]:
    """(scheme, host with port, path, query) of an address; empty for what cannot be split."""
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port not in (None, {"https": 443, "http": 80}.get(parts.scheme)) else ""
    except ValueError:
        return "", "", "", ""
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    return parts.scheme, host + port, parts.path, parts.query


def _checked(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin):
        raise Invalid(origin[:80], "is no origin of a node", "give scheme and host, like https://maker.example")
    return origin


def _serial(text: str) -> str:
    if not CSET82.fullmatch(text):
        raise Invalid(text[:40], "is not 1 to 20 characters of GS1's set 82", "use an ID link for this serial number")
    return text
