"""Pictures of labels: what is readable is read, and what is hostile is refused with its reason."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import png, scanning
from connector.errors import Malformed, Refused, TooLarge, Unsupported
from connector.operate.labels import picture, symbol_of

from .pictures import CHANNELS, chunk, coloured, file, photographed

LINK = "https://maker.example/01/09506000172040/21/000017"
LABEL = picture(symbol_of(LINK), ["EV-72.000017"], 20.0)
GREY = [bytes(range(40, 200, 10)), bytes(range(200, 40, -10)), bytes(16), b"\xff" * 16, bytes(range(16)), bytes([9, 200] * 8)]


def test_a_label_is_read_as_it_was_drawn() -> None:
    assert scanning.read_code(LABEL) == LINK


def test_what_is_written_is_read_again() -> None:
    found = png.read(png.write(16, GREY))
    assert (found.width, found.height, found.grey) == (16, 6, b"".join(GREY))


@given(st.integers(1, 9), st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
@settings(max_examples=60)
def test_every_filter_of_every_colour_gives_the_pixels_back(width: int, filters: list[int], data: st.DataObject) -> None:
    colour = data.draw(st.sampled_from([0, 2, 4, 6]))
    size = width * CHANNELS[colour]
    rows = [data.draw(st.binary(min_size=size, max_size=size)) for _ in filters]
    found = png.read(file(rows, width, colour, filters=lambda row: filters[row]))
    assert (found.width, found.height, len(found.grey)) == (width, len(rows), width * len(rows))
    assert found == png.read(file(rows, width, colour, filters=lambda _: 0))
    if colour == 0:
        assert found.grey == b"".join(rows)


def test_one_bit_two_bits_four_bits_sixteen_bits_and_palettes_are_read() -> None:
    assert png.read(file([b"\xa0"], 4, 0, 1)).grey == bytes([255, 0, 255, 0])
    assert png.read(file([b"\x1b"], 4, 0, 2)).grey == bytes([0, 85, 170, 255])
    assert png.read(file([b"\x0f"], 2, 0, 4)).grey == bytes([0, 255])
    assert png.read(file([b"\x80\x12\x10\x34"], 2, 0, 16)).grey == bytes([0x80, 0x10])
    assert png.read(file([b"\x40"], 2, 3, 1, palette=b"\0\0\0\xff\xff\xff")).grey[1] == 255
    assert png.read(file([b"\0\0\0\0"], 1, 6)).grey == b"\xff"  # what is transparent is paper


@pytest.mark.parametrize("alpha", [False, True])
def test_a_screenshot_of_a_label_is_read(alpha: bool) -> None:
    seen = png.read(LABEL)
    shot = file(coloured(seen, alpha), seen.width, 6 if alpha else 2)
    assert scanning.read_code(shot) == LINK


@pytest.mark.parametrize(("scale", "degrees", "noise"), [(1.3, 0, 10), (0.8, 4, 18), (1.7, -11, 25), (1.0, 90, 8), (1.45, 181, 20)])
def test_a_photographed_label_is_read(scale: float, degrees: float, noise: int) -> None:
    taken = photographed(png.read(LABEL), scale=scale, degrees=degrees, noise=noise)
    rows = [taken.grey[place : place + taken.width] for place in range(0, len(taken.grey), taken.width)]
    assert scanning.read_code(png.write(taken.width, rows)) == LINK


def test_an_engraved_label_is_read_with_a_fifth_of_it_scratched_away() -> None:
    symbol = symbol_of(LINK, engrave=True)
    seen = png.read(picture(symbol, ["EV-72.000017"], 30.0))
    scratched = bytearray(seen.grey)
    for y in range(seen.height * 40 // 100, seen.height * 52 // 100):
        scratched[y * seen.width + seen.width // 2 : y * seen.width + seen.width * 8 // 10] = b"\xff" * (
            seen.width * 8 // 10 - seen.width // 2
        )
    rows = [bytes(scratched[place : place + seen.width]) for place in range(0, len(scratched), seen.width)]
    assert scanning.read_code(png.write(seen.width, rows)) == LINK


# --- what is refused -----------------------------------------------------------------------------


def head(width: int, height: int, depth: int = 8, colour: int = 0, interlaced: int = 0) -> bytes:
    return png.SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


END = chunk(b"IEND", b"")
BOMB = chunk(b"IDAT", zlib.compress(bytes(50_000_000), 9))


@pytest.mark.parametrize(
    ("content", "kind", "why"),
    [
        (b"", Unsupported, "something else"),
        (b"\xff\xd8\xff\xe0 a photograph", Unsupported, "JPEG"),
        (b"<svg xmlns='x'/>", Unsupported, "SVG"),
        (b"\0" * (png.LARGEST_FILE + 1), TooLarge, "MB"),
        (png.SIGNATURE, Malformed, "no end"),
        (LABEL[:-20], Malformed, "breaks off"),
        (LABEL[:-40] + b"x" + LABEL[-39:], Malformed, "checksum"),
        (head(30_000, 30_000) + BOMB + END, TooLarge, "30000"),
        (head(8000, 8000) + BOMB + END, TooLarge, "megapixels"),
        (head(0, 10) + BOMB + END, Malformed, "empty"),
        (head(10, 10, interlaced=1) + BOMB + END, Unsupported, "interlac"),
        (head(10, 10, depth=3) + BOMB + END, Malformed, "colours"),
        (head(10, 10, colour=5) + BOMB + END, Malformed, "colours"),
        (head(10, 10, colour=3) + BOMB + END, Malformed, "palette"),
        (head(10, 10) + chunk(b"IDAT", b"no zlib") + END, Malformed, "unpacked"),
        (head(10, 10) + chunk(b"IDAT", zlib.compress(b"few")) + END, Malformed, "fewer"),
        (head(1, 1) + chunk(b"IDAT", zlib.compress(b"\x09\x00")) + END, Malformed, "packed"),
        (png.SIGNATURE + chunk(b"IDAT", b"") + END, Malformed, "size"),
        (png.SIGNATURE + struct.pack(">I", 2**31) + b"IHDR" + b"\0" * 20, Malformed, "breaks off"),
    ],
    ids=range(19),
)
def test_a_hostile_picture_is_refused_with_its_reason(content: bytes, kind: type[Refused], why: str) -> None:
    with pytest.raises(kind) as refused:
        scanning.read_code(content)
    assert why in str(refused.value)


def test_a_bomb_is_not_inflated_beyond_its_picture() -> None:
    found = png.read(head(10, 10) + BOMB + END)
    assert len(found.grey) == 100


@given(st.binary(max_size=300), st.integers(0, len(LABEL) - 1))
@settings(max_examples=150)
def test_whatever_is_changed_in_a_picture_it_is_read_or_refused(noise: bytes, place: int) -> None:
    for content in (noise, png.SIGNATURE + noise, LABEL[:place] + noise + LABEL[place + len(noise) :]):
        try:
            assert scanning.read_code(content) == LINK
        except Refused as error:
            assert error.what


def test_no_code_two_codes_and_a_code_that_is_no_link_are_told_apart() -> None:
    with pytest.raises(Malformed, match="No code is seen"):
        scanning.read_code(png.write(64, [b"\xff" * 64] * 64))
    one, other = png.read(LABEL), png.read(picture(symbol_of(LINK[:-1] + "8"), ["EV-72.000018"], 20.0))
    beside = [
        one.grey[y * one.width : (y + 1) * one.width] + other.grey[y * other.width : (y + 1) * other.width] for y in range(one.height)
    ]
    with pytest.raises(Malformed, match="More than one code"):
        scanning.read_code(png.write(one.width + other.width, beside))
    with pytest.raises(Malformed, match="holds no link"):
        scanning.read_code(picture(symbol_of("a\x1b[31m\r\nb"), ["x"], 20.0))


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        scanning.read_file(tmp_path / "label.png")
    large = tmp_path / "large.png"
    with large.open("wb") as file_:
        file_.truncate(png.LARGEST_FILE + 1)
    with pytest.raises(TooLarge):
        scanning.read_file(large)
