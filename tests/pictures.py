"""Pictures as other programs write them: PNG files of any colour type and filter, and what becomes of a label that is photographed."""

from __future__ import annotations

import math
import random
import struct
import zlib
from collections.abc import Callable, Sequence

from connector.png import SIGNATURE, Picture

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def file(
    rows: Sequence[bytes], width: int, colour: int, depth: int = 8, *, filters: Callable[[int], int] = lambda row: row % 5,
    palette: bytes = b"", interlaced: int = 0, parts: int = 3,
) -> bytes:  # fmt: skip
    """A PNG file of packed rows; each row under the filter that `filters` names, the pixels in several chunks."""
    step = max(1, CHANNELS[colour] * depth // 8)
    before = bytes(len(rows[0]))
    packed = b""
    for number, row in enumerate(rows):
        packed += bytes([filters(number)]) + filtered(row, before, step, filters(number))
        before = row
    data = zlib.compress(packed, 6)
    cut = max(1, len(data) // parts)
    pieces = [chunk(b"IDAT", data[place : place + cut]) for place in range(0, len(data), cut)]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, interlaced))
    return (
        SIGNATURE
        + head
        + chunk(b"tEXt", b"Software\0a test")
        + (chunk(b"PLTE", palette) if palette else b"")
        + b"".join(pieces)
        + chunk(b"IEND", b"")
    )


def filtered(row: bytes, before: bytes, step: int, kind: int) -> bytes:
    """One row as a filter of PNG writes it (ISO/IEC 15948, 9.2), plainly."""
    found = bytearray()
    for place, value in enumerate(row):
        left = row[place - step] if place >= step else 0
        above = before[place]
        corner = before[place - step] if place >= step else 0
        near = left + above - corner
        nearest = min((left, above, corner), key=lambda each: abs(near - each))
        found.append((value - (0, left, above, (left + above) // 2, nearest)[kind]) % 256)
    return bytes(found)


def coloured(picture: Picture, alpha: bool = False) -> list[bytes]:
    """The picture as rows of RGB or RGBA, as a screenshot has it."""
    rows = []
    for y in range(picture.height):
        line = picture.grey[y * picture.width : (y + 1) * picture.width]
        rows.append(b"".join(bytes([each, each, each, *([255] if alpha else [])]) for each in line))
    return rows


def photographed(
    picture: Picture, *, scale: float, degrees: float, noise: int, width: int = 640, height: int = 720, seed: int = 7
) -> Picture:
    """The picture somewhere in a larger one: scaled, turned, in uneven light, with noise."""
    chance = random.Random(seed)
    turn, shrink = math.radians(degrees), 1 / scale
    cos, sin = math.cos(turn) * shrink, math.sin(turn) * shrink
    found = bytearray(width * height)
    for y in range(height):
        light = 0.62 + 0.38 * y / height
        for x in range(width):
            from_x = cos * (x - width / 2) - sin * (y - height / 2) + picture.width / 2
            from_y = sin * (x - width / 2) + cos * (y - height / 2) + picture.height / 2
            inside = 0 <= from_x < picture.width and 0 <= from_y < picture.height
            shade = picture.grey[int(from_y) * picture.width + int(from_x)] if inside else 205
            found[y * width + x] = max(0, min(255, int(shade * light * 0.85 + 22) + chance.randint(-noise, noise)))
    return Picture(width, height, bytes(found))
