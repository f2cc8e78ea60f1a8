"""Write small, real PDF files in plain Python: A4 pages of headings, paragraphs, bullets and tables.

Knows PDF 1.4, the built-in Helvetica and nothing of batteries.  Text is laid down uncompressed, a line as one
string, so that a search over bytes (the leak check of the demo) finds it.  Same input, same bytes: no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

PAGE = (595.0, 842.0)  # A4 in points
MARGIN = 56.0
INK, BRAND, PALE = (0.13, 0.16, 0.20), (0.05, 0.34, 0.43), (0.90, 0.94, 0.95)

# Advance widths of Helvetica for the characters 32 to 126, in thousandths of an em (Adobe's published metrics).
_WIDTHS = (
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556,) * 10,
    *(278, 278, 584, 584, 584, 556, 1015),
    *(667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611),
    *(278, 278, 278, 469, 556, 333),
    *(556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500),
    *(334, 260, 334, 584),
)
_BOLD = 1.07  # Helvetica-Bold is wider by about this much; lines are broken a little early rather than late


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it; `rows` make a table of two or more columns."""

    heading: str
    paragraphs: Sequence[str] = ()
    bullets: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass
class _Canvas:
    """Pages under construction; `y` is the baseline from which the next line hangs."""

    footer: str
    pages: list[list[str]] = field(default_factory=list)
    y: float = 0.0

    def room(self, height: float) -> None:
        """Begin a page when less than this is left above the footer."""
        if not self.pages or self.y - height < MARGIN + 24:
            self.pages.append([])
            self.y = PAGE[1] - MARGIN

    def text(self, x: float, y: float, words: str, *, size: float = 10, bold: bool = False, ink: Sequence[float] = INK) -> None:
        font = "F2" if bold else "F1"
        self.pages[-1].append(f"BT {_rgb(ink)} rg /{font} {size:g} Tf {x:.2f} {y:.2f} Td ({_escape(words)}) Tj ET")

    def box(self, x: float, y: float, width: float, height: float, ink: Sequence[float]) -> None:
        self.pages[-1].append(f"{_rgb(ink)} rg {x:.2f} {y:.2f} {width:.2f} {height:.2f} re f")

    def lines(self, words: str, *, x: float = MARGIN, size: float = 10, bold: bool = False, ink: Sequence[float] = INK) -> None:
        for line in wrap(words, PAGE[0] - MARGIN - x, size, bold):
            self.room(size * 1.4)
            self.y -= size * 1.4
            self.text(x, self.y, line, size=size, bold=bold, ink=ink)


def width(words: str, size: float, bold: bool = False) -> float:
    """How wide a line is in points; characters outside ASCII count as an `n`."""
    thousandths = sum(_WIDTHS[ord(mark) - 32] if 32 <= ord(mark) < 127 else 556 for mark in words)
    return thousandths * size / 1000 * (_BOLD if bold else 1.0)


def wrap(words: str, room: float, size: float, bold: bool = False) -> Iterator[str]:
    """Break a text into lines that fit; a word that is too long stands alone."""
    line = ""
    for word in words.split():
        longer = f"{line} {word}" if line else word
        if line and width(longer, size, bold) > room:
            yield line
            longer = word
        line = longer
    if line:
        yield line


def document(*, title: str, brand: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], footer: str, date: str) -> bytes:
    """A finished PDF: title block with its facts, the sections, a footer with page numbers.  `date` is YYYYMMDD."""
    canvas = _Canvas(footer)
    _title(canvas, title, brand, facts)
    for section in sections:
        _section(canvas, section)
    _footers(canvas)
    return _file(canvas.pages, title, brand, date)


def _title(canvas: _Canvas, title: str, brand: str, facts: Sequence[tuple[str, str]]) -> None:
    canvas.room(120)
    canvas.box(0, PAGE[1] - 42, PAGE[0], 42, BRAND)
    canvas.text(MARGIN, PAGE[1] - 27, brand, size=12, bold=True, ink=(1, 1, 1))
    canvas.y -= 14
    canvas.lines(title, size=19, bold=True, ink=BRAND)
    canvas.y -= 10
    for name, value in facts:
        canvas.room(15)
        canvas.y -= 15
        canvas.text(MARGIN, canvas.y, name, size=9, bold=True)
        canvas.text(MARGIN + 120, canvas.y, value, size=9)
    canvas.y -= 6


def _section(canvas: _Canvas, section: Section) -> None:
    canvas.room(56)  # a heading never stands alone at the foot of a page
    canvas.y -= 12
    canvas.lines(section.heading, size=12.5, bold=True, ink=BRAND)
    for paragraph in section.paragraphs:
        canvas.y -= 3
        canvas.lines(paragraph)
    for bullet in section.bullets:
        canvas.room(16)
        canvas.y -= 2
        canvas.text(MARGIN + 4, canvas.y - 14, "\u2022")
        canvas.lines(bullet, x=MARGIN + 16)
    _table(canvas, section.rows)


def _table(canvas: _Canvas, rows: Sequence[Sequence[str]]) -> None:
    """Even columns; the first row is the head, every second one shaded."""
    canvas.y -= 4 if rows else 0
    for number, row in enumerate(rows):
        canvas.room(18)
        canvas.y -= 17
        if number % 2 == 0:
            canvas.box(MARGIN - 4, canvas.y - 5, PAGE[0] - 2 * MARGIN + 8, 17, PALE)
        column = (PAGE[0] - 2 * MARGIN) / len(row)
        for place, cell in enumerate(row):
            canvas.text(MARGIN + place * column, canvas.y, cell, size=9, bold=number == 0)


def _footers(canvas: _Canvas) -> None:
    count = len(canvas.pages)
    for number, page in enumerate(canvas.pages, 1):
        page.append(f"{_rgb(BRAND)} RG 0.6 w {MARGIN:.2f} {MARGIN:.2f} m {PAGE[0] - MARGIN:.2f} {MARGIN:.2f} l S")
        page.append(f"BT {_rgb(INK)} rg /F1 8 Tf {MARGIN:.2f} {MARGIN - 14:.2f} Td ({_escape(canvas.footer)}) Tj ET")
        told = f"page {number} of {count}"
        right = PAGE[0] - MARGIN - width(told, 8)
        page.append(f"BT {_rgb(INK)} rg /F1 8 Tf {right:.2f} {MARGIN - 14:.2f} Td ({told}) Tj ET")


def _file(pages: Sequence[Sequence[str]], title: str, author: str, date: str) -> bytes:
    """Objects, cross-reference table and trailer (PDF 32000-1, 7.5)."""
    kids = [6 + 2 * number for number in range(len(pages))]
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({_escape(title)}) /Author ({_escape(author)}) /CreationDate (D:{date}000000Z) >>".encode("cp1252"),
    ]
    for kid, page in zip(kids, pages, strict=True):
        content = "\n".join(page).encode("cp1252")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PAGE[0]:g} {PAGE[1]:g}] /Contents {kid + 1} 0 R"
            f" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _rgb(ink: Sequence[float]) -> str:
    return " ".join(f"{part:g}" for part in ink)


def _escape(words: str) -> str:
    return words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
