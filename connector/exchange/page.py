"""The public passport as a page, for whoever scans a label with a phone: one small file, no script, nothing fetched from anywhere.

Made of the public view alone (`Redacted`), as its JSON is.  Every value is escaped; a link is followed only to an http(s)
address.  What matters in an emergency stands first and is what gets printed.  Reads WCAG 2.1 AA: headings in order, tables with
headers, enough contrast in light and dark, works without colour, zooms.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

from connector.errors import Gone
from connector.ports import World
from connector.text import size
from submodels.documents import KINDS, PassportDocument
from submodels.points import CATEGORIES, Status, status
from submodels.table import PARTS, element
from submodels.value import Tree
from submodels.view import Redacted

from . import release
from .page_words import PART_NAMES, words
from .parcel import Parcel, sealed

_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For the Content-Security-Policy header: this style and nothing else, no script, no picture, no form, no frame."""

HTML = "text/html; charset=utf-8"
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Vary": "Accept, Accept-Language"}

# What a first look shows: word, part, path.
_FACTS = (
    ("chemistry", "materials", ("BatteryChemistry", "ClearName")),
    ("category", "technical", ("GeneralInformation", "BatteryCategory")),
    ("manufacturer", "nameplate", ("ManufacturerName",)),
    ("made", "nameplate", ("DateOfManufacture",)),
    ("serial", "nameplate", ("SerialNumber",)),
    ("mass", "technical", ("GeneralInformation", "BatteryMass")),
    ("capacity", "technical", ("TechnicalPropertyAreas", "CapacityEnergyVoltage", "RatedCapacity")),
    ("voltage", "technical", ("TechnicalPropertyAreas", "CapacityEnergyVoltage", "NominalVoltage")),
)
_AGENTS = ("SafetyMeasures", "ExtinguishingAgents")
_CARBON_POINT = 17
_UNITS = {"degC": "°C", "ohm": "Ω", "cycle": "", "C": "C"}


async def answer(world: World, name: str, languages: Sequence[str], at: datetime | None = None) -> Parcel:
    """The page of a published passport, or of the version that stood `at` an instant; of one that has ceased, its end (410)."""
    try:
        seen = await release.public(world, name, at)
    except Gone as gone:
        return replace(sealed(world, "public", gone_page(gone, languages)), media_type=HTML, headers=HEADERS, status=gone.status)
    made = page(seen, languages, world.clock.now().date(), world.me.name)
    return replace(sealed(world, "public", made), media_type=HTML, headers=HEADERS)


def page(seen: Redacted, languages: Sequence[str], day: date, operator: str) -> bytes:
    """The page of a passport in the first of the reader's languages that there are words for (en, de)."""
    lang, said = words(languages)
    reader = (*languages, "en")
    facts = [(said[word], value) for word, part, path in _FACTS if (value := _at(seen, part, path, reader))]
    if not seen.parts.get("carbon"):
        facts.append((said["carbon"], escape(said["carbon-pending" if _pending(seen, day) else "not-given"])))
    agents = _at(seen, "circularity", _AGENTS, reader)
    everything = "".join(_parts(seen, lang, reader))
    who = f'<a href="{_path(seen)}/did.json">did.json</a>, <a href="/.well-known/did.json">{escape(operator)}</a>'
    body = [
        f'<p class="kind">{escape(said["kind"])}</p><h1>{escape(seen.battery)}</h1><p>{escape(said["model"])} {escape(seen.model)}</p>',
        *_standing(seen, said),
        _section("fire", said["fire"], agents or escape(said["not-given"]), "alert"),
        _section("facts", said["facts"], _listed(facts)),
        *_documents(seen, said),
        _section("all", said["all"], everything, "more"),
        f"<footer><p>{escape(said['more'])}</p><p>{escape(said['proof'])} {who}</p></footer>",
    ]
    return _whole(lang, f"{seen.battery} · {said['kind']}", body)


def gone_page(gone: Gone, languages: Sequence[str]) -> bytes:
    """The page of a passport that has ceased: when, why, what follows, and the signed statement."""
    lang, said = words(languages)
    told = {name: str(value) for name, value in gone.told.items() if value}
    facts = [(said[name], _text(told[name])) for name in ("passport", "ceased", "why", "successor") if name in told]
    statement = f"<details><summary>{escape(said['statement'])}</summary><div><p>{escape(told['statement'])}</p></div></details>"
    body = [
        f'<p class="kind">{escape(said["kind"])}</p><h1>{escape(said["ceased-title"])}</h1>', _listed(facts),
        statement if "statement" in told else "",
    ]  # fmt: skip
    return _whole(lang, said["ceased-title"], body)


def languages_of(accept: str) -> tuple[str, ...]:
    """The languages of an Accept-Language header, the dearest first; at most eight, primary tags only."""
    found = []
    for number, item in enumerate(accept[:500].split(",")[:20]):
        tag, _, weight = item.strip().partition(";q=")
        primary = tag.strip().lower().partition("-")[0]
        if re.fullmatch(r"[a-z]{2,3}", primary):
            share = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 1.0
            found.append((-share, number, primary))
    return tuple(dict.fromkeys(primary for share, _, primary in sorted(found) if share))[:8]


# --- sections ------------------------------------------------------------------------------------


def _standing(seen: Redacted, said: dict[str, str]) -> Iterator[str]:
    """What stands before and after, as links and nothing else."""
    ties = seen.ties
    if ties.status in ("superseded", "archived"):
        yield f'<p class="alert">{escape(said[ties.status])}{" " + _text(ties.successor) if ties.successor else ""}</p>'
    if ties.predecessors:
        yield f"<p>{escape(said['follows'])} {', '.join(map(_text, ties.predecessors))}</p>"


def _documents(seen: Redacted, said: dict[str, str]) -> Iterator[str]:
    if not seen.documents:
        return
    rows = [
        f'<li><a href="{_path(seen)}/documents/{quote(each.id, safe="-._~:")}">{escape(_title(each))}</a>'
        f" ({escape(each.language or each.media_type)}, {escape(size(each.size))})</li>"
        for each in seen.documents
    ]
    yield _section("files", said["documents"], f"<ul>{''.join(rows)}</ul>", "more")


def _title(document: PassportDocument) -> str:
    return KINDS[document.kind].title if document.kind in KINDS else document.title


def _section(id: str, title: str, inner: str, kind: str = "") -> str:
    """A part of the page under its heading; `inner` is HTML."""
    shape = f' class="{kind}"' if kind else ""
    return f'<section{shape} aria-labelledby="{id}"><h2 id="{id}">{escape(title)}</h2>{inner}</section>'


def _parts(seen: Redacted, lang: str, reader: Sequence[str]) -> Iterator[str]:
    for part in PARTS:
        if part in seen.parts and part != "handover":
            inner = _shown(part, (), seen.parts[part], reader)
            yield f"<details><summary>{escape(PART_NAMES[lang][part])}</summary><div>{inner}</div></details>"


# --- values --------------------------------------------------------------------------------------


def _at(seen: Redacted, part: str, path: tuple[str, ...], reader: Sequence[str]) -> str:
    tree: Tree = seen.parts.get(part)
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return "" if tree is None else _shown(part, path, tree, reader)


def _shown(part: str, path: tuple[str, ...], tree: Tree, reader: Sequence[str]) -> str:
    """A value as HTML: a leaf with its unit, an object as a list of names and values, a list as a list."""
    row = element(part, path) if path else None
    if row is not None and not row.container:
        return _leaf(tree, _UNITS.get(row.unit, row.unit), reader)
    if isinstance(tree, dict):
        return _listed([(_label(name), _shown(part, (*path, name), below, reader)) for name, below in tree.items()])
    if isinstance(tree, list):
        return f"<ol>{''.join(f'<li>{_shown(part, (*path, str(number)), below, reader)}</li>' for number, below in enumerate(tree))}</ol>"
    return _leaf(tree, "", reader)


def _leaf(value: Tree, unit: str, reader: Sequence[str]) -> str:
    if isinstance(value, list):  # a text in several languages
        texts = {name: str(text) for each in value if isinstance(each, dict) for name, text in each.items()}
        return _text(next((texts[name] for name in reader if name in texts), next(iter(texts.values()), "")))
    if isinstance(value, dict):  # a file
        return _text(str(value.get("value", "")))
    if isinstance(value, bool):
        return "✓" if value else "–"
    return _text(str(value)) + (f" {escape(unit)}" if unit else "")


def _text(text: str) -> str:
    """Text, as a link where it is an address that a browser may follow."""
    shown = escape(text)
    if re.fullmatch(r"https?://[\x21-\x7e]{1,2000}", text) and not set(text) & set("<>\"'\\"):
        return f'<a href="{shown}" rel="noreferrer nofollow">{shown}</a>'
    return shown


def _listed(rows: Sequence[tuple[str, str]]) -> str:
    """Names (plain text) and values (HTML)."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{value}</dd>' for name, value in rows)}</dl>" if rows else ""


def _label(name: str) -> str:
    """`RatedCapacity` as `Rated capacity`."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|\d+", name)
    return (
        " ".join([parts[0][:1].upper() + parts[0][1:], *(each if each.isupper() else each.lower() for each in parts[1:])])
        if parts
        else name
    )


def _pending(seen: Redacted, day: date) -> bool:
    technical = seen.parts.get("technical")
    general = technical.get("GeneralInformation") if isinstance(technical, dict) else None
    category = str(general.get("BatteryCategory", "")).lower() if isinstance(general, dict) else ""
    return category in CATEGORIES and status(_CARBON_POINT, category, day) is Status.PENDING


def _path(seen: Redacted) -> str:
    return f"/passports/{quote(seen.battery, safe='-._~:')}"


def _whole(lang: str, title: str, body: Sequence[str]) -> bytes:
    head = (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<style>{_STYLE}</style></head>"
    )
    return f"{head}<body><main>{''.join(body)}</main></body></html>\n".encode()
