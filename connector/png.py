"""Pictures in PNG, to grey bytes and back: what scanning a label and drawing one need, and no more.

Read strictly: size and bytes are bounded before anything is inflated, every chunk is checked, and what is not understood is
refused with its reason (ISO/IEC 15948; not interlaced, at most 16 bits).  No picture is ever handed to a library undecoded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from connector.errors import Malformed, TooLarge, Unsupported

LARGEST_FILE = 16 * 1024 * 1024  # bytes
LARGEST_SIDE = 8192  # pixels
LARGEST_AREA = 16 * 1024 * 1024  # pixels: a phone's photograph
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> samples of a pixel
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_OTHERS = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "WebP", b"<svg": "SVG", b"<?xm": "SVG", b"%PDF": "PDF", b"BM": "BMP"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A grey picture: one byte a pixel, row by row, 0 black and 255 white."""

    width: int
    height: int
    grey: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int

    @property
    def bits(self) -> int:
        return self.depth * _CHANNELS[self.colour]

    @property
    def row(self) -> int:
        """Bytes of a row, its filter byte apart."""
        return (self.width * self.bits + 7) // 8


def read(content: bytes) -> Picture:
    """The picture in a PNG file, transparent places white; Unsupported, TooLarge or Malformed with the reason."""
    if len(content) > LARGEST_FILE:
        raise TooLarge("The picture is too large.", f"A file may have {LARGEST_FILE // 2**20} MB.", "Save a smaller one.")
    if not content.startswith(SIGNATURE):
        what = next((name for start, name in _OTHERS.items() if content.startswith(start)), "something else")
        raise Unsupported("The picture is no PNG.", f"It is {what}.", "Save it as PNG; a screenshot of it will do.")
    chunks = list(_chunks(content))
    header = _header(chunks)
    palette = next((data for kind, data in chunks if kind == b"PLTE"), b"")
    if header.colour == 3 and (not palette or len(palette) % 3):
        raise _broken("it has no palette")
    rows = _rows(header, _inflated(header, b"".join(data for kind, data in chunks if kind == b"IDAT")))
    grey = _Grey(header, palette)
    return Picture(header.width, header.height, b"".join(grey.row(row) for row in rows))


def write(width: int, rows: Sequence[bytes], dots_per_metre: int = 0) -> bytes:
    """A PNG file of grey rows of `width` bytes each; `dots_per_metre` says how large it is on paper."""
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    size = [(b"pHYs", struct.pack(">IIB", dots_per_metre, dots_per_metre, 1))] if dots_per_metre else []
    head = (b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, 0, 0, 0, 0))
    chunks = [head, *size, (b"IDAT", packed), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


# --- inside --------------------------------------------------------------------------------------


def _broken(why: str) -> Malformed:
    return Malformed(
        "The picture cannot be read.", f"The PNG file is damaged: {why}.", "Save it again, or take another.", code="scan.picture"
    )


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(content):
        if at + 12 > len(content):
            raise _broken("it breaks off")
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(content):
            raise _broken("it breaks off")
        data = content[at + 8 : end]
        if struct.unpack_from(">I", content, end)[0] != zlib.crc32(kind + data):
            raise _broken("a checksum is wrong")
        if kind == b"IEND":
            return
        yield kind, data
        at = end + 4
    raise _broken("it has no end")


def _header(chunks: Sequence[tuple[bytes, bytes]]) -> _Header:
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise _broken("it does not begin with its size")
    width, height, depth, colour, packing, filters, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if colour not in _DEPTHS or depth not in _DEPTHS[colour] or packing or filters:
        raise _broken("its colours are of no kind that PNG has")
    if interlaced:
        raise Unsupported("The picture is interlaced.", "That form of PNG is not read here.", "Save it without interlacing.")
    if not width or not height:
        raise _broken("it is empty")
    if width > LARGEST_SIDE or height > LARGEST_SIDE or width * height > LARGEST_AREA:
        raise TooLarge(
            "The picture is too large.",
            f"It has {width} x {height} pixels.",
            f"Crop it to the label: at most {LARGEST_AREA // 2**20} megapixels.",
        )
    return _Header(width, height, depth, colour)


def _inflated(header: _Header, packed: bytes) -> bytes:
    """Exactly the bytes that a picture of this size has; nothing beyond them is inflated."""
    wanted = (header.row + 1) * header.height
    try:
        data = zlib.decompressobj().decompress(packed, wanted)
    except zlib.error as error:
        raise _broken("its pixels cannot be unpacked") from error
    if len(data) != wanted:
        raise _broken("it has fewer pixels than it says")
    return data


def _rows(header: _Header, data: bytes) -> Iterator[bytes]:
    """The rows without their filters (ISO/IEC 15948, 9)."""
    step = max(1, header.bits // 8)
    before = bytes(header.row)
    for start in range(0, len(data), header.row + 1):
        kind, row = data[start], data[start + 1 : start + 1 + header.row]
        if kind == 1:
            row = _side(row, step)
        elif kind == 2:
            row = bytes(a + b & 255 for a, b in zip(row, before, strict=True))
        elif kind in (3, 4):
            row = _average(row, before, step) if kind == 3 else _paeth(row, before, step)
        elif kind:
            raise _broken("a row is packed in no way that PNG has")
        yield row
        before = row


def _side(row: bytes, step: int) -> bytes:
    found = bytearray(len(row))
    for channel in range(step):
        found[channel::step] = bytes(value & 255 for value in accumulate(row[channel::step]))
    return bytes(found)


def _average(row: bytes, before: bytes, step: int) -> bytes:
    found = bytearray(step) + row
    for place, above in enumerate(before):
        found[place + step] = found[place + step] + (found[place] + above >> 1) & 255
    return bytes(found[step:])


def _paeth(row: bytes, before: bytes, step: int) -> bytes:
    found = bytearray(step) + row
    corner = bytes(step) + before
    for place, above in enumerate(before):
        left, diagonal = found[place], corner[place]
        to_left, to_above = abs(above - diagonal), abs(left - diagonal)
        to_both = abs(left + above - 2 * diagonal)
        near = left if to_left <= to_above and to_left <= to_both else above if to_above <= to_both else diagonal
        found[place + step] = found[place + step] + near & 255
    return bytes(found[step:])


class _Grey:
    """From the bytes of a row to one grey byte a pixel (Rec. 601), over white where it is transparent."""

    def __init__(self, header: _Header, palette: bytes) -> None:
        self._header = header
        colours = [palette[place : place + 3] for place in range(0, len(palette), 3)]
        shades = [_shade(*colour) for colour in colours]
        self._shades = bytes(shades + [255] * (256 - len(shades))) if header.colour == 3 else b""

    def row(self, row: bytes) -> bytes:
        header = self._header
        if header.depth == 16:
            row = row[::2]
        elif header.depth < 8:
            row = self._unpacked(row)
        if header.colour == 3:
            return row.translate(self._shades)
        if header.colour == 0:
            return row
        if header.colour == 4:
            return bytes(_over_white(grey, alpha) for grey, alpha in zip(row[::2], row[1::2], strict=True))
        step = _CHANNELS[header.colour]
        pixels = zip(row[::step], row[1::step], row[2::step], strict=True)
        grey = bytes(306 * red + 601 * green + 117 * blue >> 10 for red, green, blue in pixels)
        if step == 3:
            return grey
        return bytes(_over_white(shade, alpha) for shade, alpha in zip(grey, row[3::4], strict=True))

    def _unpacked(self, row: bytes) -> bytes:
        depth = self._header.depth
        scale = 1 if self._header.colour == 3 else 255 // (2**depth - 1)
        places = range(8 - depth, -1, -depth)
        mask = 2**depth - 1
        return bytes((byte >> place & mask) * scale for byte in row for place in places)[: self._header.width]


def _shade(red: int, green: int, blue: int) -> int:
    return 306 * red + 601 * green + 117 * blue >> 10


def _over_white(shade: int, alpha: int) -> int:
    return (shade * alpha + 255 * (255 - alpha)) // 255
