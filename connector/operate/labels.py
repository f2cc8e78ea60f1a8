"""The label of a battery: its QR code with a quiet zone and a line for people, as SVG and PNG, and whether it fits what it is for.

ISO/IEC 18004: four modules of quiet zone; error correction M on a printed label, H where it is engraved and wears.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from connector import glyphs, png
from connector.errors import Malformed
from connector.operate import lives, names
from connector.operate.publishing import known
from connector.operate.reading import reading
from connector.ports import World
from connector.records import Battery, Json
from submodels.lifecycle import ANSWERED
from submodels.links import Kind, gs1_link, id_link, passport_link, read_link

QUIET = 4  # modules around the symbol
DOTS = 8  # pixels of a module in a picture
LINE = 4  # modules of height of a line of text
LEAST = {False: 0.4, True: 0.5}  # engraved -> millimetres of a module: what phones read from a hand's breadth; ours, no standard's
SMALL = 4  # the largest version that is well engraved
LINKS = (Kind.GS1.value, Kind.ID_LINK.value, Kind.PLAIN.value, "product")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A QR code as rows of modules (True is dark), without its quiet zone."""

    rows: Sequence[Sequence[bool]]
    version: int

    @property
    def side(self) -> int:
        """Modules of a side with the quiet zone."""
        return len(self.rows) + 2 * QUIET


async def label(world: World, name: str, *, link: str = "", size_mm: float = 0.0, engrave: bool = False) -> Json:
    """`{battery, link, kind, lines, error, version, modules, module_mm, size_mm, svg, png (base64), findings}`.

    `link` is gs1, iec61406, plain or product (the product's own address, wherever it lies); '' takes gs1 where the battery has a
    GTIN, else iec61406.  `size_mm` is a side with the quiet zone; 0 takes the least that is fit.
    """
    if link not in ("", *LINKS):
        raise Malformed(f"There is no link {link[:40]!r}.", next=f"Use {', '.join(LINKS)}.", code="input.invalid", where="link")
    if not 0 <= size_mm <= 2000:
        raise Malformed("The size is no side of a label.", next="Give millimetres, like 18.", code="input.invalid", where="size_mm")
    async with world.store.transaction() as tx:
        model, battery = await known(tx, (await names.battery(tx, name)).id)
        assert battery is not None  # noqa: S101 - it was found
        state = lives.state_of(model, battery)
    keys = _gs1(battery)
    kind = link or (Kind.GS1.value if keys else Kind.ID_LINK.value)
    with reading(f"The {kind} link of {battery.id}"):
        text = _text(world, battery, kind, keys)
    symbol = symbol_of(text, engrave=engrave)
    lines = [f"(01) {keys[0]}", f"(21) {keys[1]}"] if kind == Kind.GS1 and keys else [battery.id]
    side = size_mm or round(LEAST[engrave] * symbol.side + 0.05, 1)
    findings = _findings(text, symbol, side / symbol.side, engrave)
    if state not in ANSWERED:
        findings.append(f"the passport is {state}: until it is published the link leads nowhere")
    return {
        "battery": battery.id,
        "link": text,
        "kind": kind,
        "lines": lines,
        "error": "H" if engrave else "M",
        "version": symbol.version,
        "modules": len(symbol.rows),
        "quiet": QUIET,
        "size_mm": side,
        "module_mm": round(side / symbol.side, 3),
        "svg": svg(symbol, lines, side),
        "png": base64.b64encode(picture(symbol, lines, side)).decode(),
        "findings": findings,
    }


def symbol_of(text: str, *, engrave: bool = False) -> Symbol:
    """The QR code of a text."""
    import segno  # only who draws a label waits for it

    code: Any = segno.make(text, error="h" if engrave else "m", boost_error=False, micro=False)
    return Symbol([[bool(module) for module in row] for row in code.matrix], int(code.version))


def svg(symbol: Symbol, lines: Sequence[str], side_mm: float) -> str:
    """A drawing of this size on paper: the quiet zone is white, text stands below it."""
    side, below = symbol.side, LINE * len(lines)
    dark = "".join(f"M{x + QUIET} {y + QUIET}h{length}v1h-{length}z" for y, row in enumerate(symbol.rows) for x, length in _runs(row))
    words = "".join(
        f'<text x="{side / 2:g}" y="{side + LINE * number + LINE * 0.5:g}" textLength="{_fitting(line, side):g}"'
        f' lengthAdjust="spacingAndGlyphs">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    height_mm = side_mm * (side + below) / side
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side_mm:g}mm" height="{height_mm:.4g}mm" viewBox="0 0 {side} {side + below}">'
        f'<rect width="{side}" height="{side + below}" fill="#fff"/><path d="{dark}" fill="#000" shape-rendering="crispEdges"/>'
        f'<g font-family="OCR-B, monospace" font-size="3" text-anchor="middle">{words}</g></svg>\n'
    )


def picture(symbol: Symbol, lines: Sequence[str], side_mm: float) -> bytes:
    """The same as PNG, eight pixels a module, with its size on paper."""
    width = symbol.side * DOTS
    blank = b"\xff" * width
    edge = b"\xff" * QUIET * DOTS
    rows = [blank] * QUIET * DOTS
    for row in symbol.rows:
        pixels = edge + b"".join((b"\0" if dark else b"\xff") * DOTS for dark in row) + edge
        rows += [pixels] * DOTS
    rows += [blank] * QUIET * DOTS
    dot = max(1, min(DOTS // 2, (width - 2 * DOTS) // max(map(glyphs.width, lines))))  # one size, as large as it fits
    for line in lines:
        rows += _written(line, width, dot)
    return png.write(width, rows, dots_per_metre=round(width / side_mm * 1000))


# --- inside --------------------------------------------------------------------------------------


def _gs1(battery: Battery) -> tuple[str, str] | None:
    """GTIN and serial number, where an identifier of the battery says both."""
    for alias in battery.aliases:
        key = alias.removeprefix("gs1:01/")
        if key != alias and "/21/" in key:
            gtin, _, serial = key.partition("/21/")
            return gtin, serial
    return None


def _text(world: World, battery: Battery, kind: str, keys: tuple[str, str] | None) -> str:
    if kind == Kind.GS1:
        if keys is None:
            raise Malformed(
                f"{battery.id} has no GTIN.", "A GS1 link needs GTIN and serial number.",
                "Write a GS1 Digital Link as its URIOfTheProduct, or use --link iec61406.", code="input.missing",
            )  # fmt: skip
        return gs1_link(world.me.public_url, *keys)
    if kind == Kind.ID_LINK:
        return id_link(world.me.public_url, battery.id)
    if kind == Kind.PLAIN:
        return passport_link(world.me.public_url, battery.id)
    own = next((each for each in battery.aliases if each.startswith("https://")), "")
    if not own:
        raise Malformed(f"{battery.id} has no address of the product.", next="Use another --link.", code="input.missing")
    return read_link(own).text


def _findings(text: str, symbol: Symbol, module_mm: float, engrave: bool) -> list[str]:
    """What speaks against putting it on a battery."""
    found = []
    if text.startswith("http://"):
        found.append("the link is plain http: strangers and phones follow https only; set dataspace.public_url")
    if round(module_mm, 3) < LEAST[engrave]:
        least = LEAST[engrave] * symbol.side
        found.append(f"a module of {module_mm:.2f} mm is small for {'engraving' if engrave else 'print'}: give {least:.1f} mm or more")
    if engrave and symbol.version > SMALL:
        found.append(f"version {symbol.version} is fine work for engraving: a shorter host makes a smaller code")
    return found


def _runs(row: Sequence[bool]) -> list[tuple[int, int]]:
    """(start, length) of each dark stretch of a row."""
    found: list[tuple[int, int]] = []
    for place, dark in enumerate(row):
        if dark and found and sum(found[-1]) == place:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif dark:
            found.append((place, 1))
    return found


def _fitting(line: str, side: int) -> float:
    return min(side - 2.0, 1.9 * len(line))


def _written(line: str, width: int, dot: int) -> list[bytes]:
    """Rows of pixels of one line of text, in the middle; `dot` pixels for a dot of a letter."""
    rows = []
    for dots in glyphs.lines(line):
        ink = b"".join((b"\0" if each else b"\xff") * dot for each in dots)[:width]
        left = (width - len(ink)) // 2
        rows += [b"\xff" * left + ink + b"\xff" * (width - left - len(ink))] * dot
    space = [b"\xff" * width] * max(dot, (LINE * DOTS - glyphs.HEIGHT * dot) // 2)
    return [*rows, *space]
