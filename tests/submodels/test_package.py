"""A foreign zip: what breaks a limit or a rule is refused whole, and nothing but Invalid ever comes out."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submodels.errors import Invalid
from submodels.package import LIMITS, Limits, guarded_xml, open_zip


def packed(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as package:
        for name, content in files.items():
            package.writestr(name, content)
    return out.getvalue()


def renamed(name: bytes) -> bytes:
    """A zip whose one entry bears a name that zipfile would not write."""
    stand_in = b"Q" * len(name)
    return packed({stand_in.decode(): b"x"}, zipfile.ZIP_STORED).replace(stand_in, name)


def marked(change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        entry = zipfile.ZipInfo("a.txt")
        change(entry)
        package.writestr(entry, b"x")
    return out.getvalue()


def encrypted() -> bytes:
    data = bytearray(packed({"a.txt": b"x"}))
    data[6] |= 1  # general purpose flags of the local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and of the directory
    return bytes(data)


def link(entry: zipfile.ZipInfo) -> None:
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16


def test_decisions_md_limits_stand() -> None:
    assert (LIMITS.entries, LIMITS.unpacked, LIMITS.ratio) == (2_000, 256 * 1024 * 1024, 100)


def test_files_come_out_in_order_and_folders_do_not() -> None:
    assert list(open_zip(packed({"b/": b"", "b/2.txt": b"two", "a.txt": b"one"})).items()) == [("b/2.txt", b"two"), ("a.txt", b"one")]


def test_an_office_document_is_a_document_not_a_package() -> None:
    assert open_zip(packed({"manual.docx": packed({"word/document.xml": b"<w/>"})}))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (renamed(b"../x"), "`..`"),
        (renamed(b"a/../x"), "`..`"),
        (renamed(b"a//x"), "empty step"),
        (renamed(b"./x"), "`.`"),
        (renamed(b"/etc/x"), "absolute"),
        (renamed(b"C:/x"), "absolute"),
        (renamed(b"c:x"), "absolute"),
        (renamed(b"a\\x"), "backslash"),
        (renamed(b"a\x00x"), "control character"),
        (renamed(b"a\nx"), "control character"),
        (packed({"Ab.txt": b"x", "aB.TXT": b"y"}), "twice"),
        (packed({"stra\u00dfe.txt": b"x", "STRASSE.txt": b"y"}), "twice"),
        (packed({"e\u0301.txt": b"x", "\u00e9.txt": b"y"}), "twice"),
        (packed({"x": b"1", "x/": b""}), "twice"),
        (encrypted(), "encrypted"),
        (marked(link), "symbolic link"),
        (packed({"a.txt": b"x"}, zipfile.ZIP_BZIP2), "other than deflate"),
        (packed({"a.txt": b"x"}, zipfile.ZIP_LZMA), "other than deflate"),
        (packed({"inner.zip": b"x"}), "inside"),
        (packed({"inner.AASX": b"x"}), "inside"),
        (packed({"inner.pdf": packed({"a": b"x"})}), "inside"),
        (packed({"zeros.bin": bytes(200_000)}), "100 times"),
        (packed({f"{number}.txt": b"" for number in range(2_001)}), "2000"),
        (b"", "not a readable zip"),
        (b"%PDF-1.4", "not a readable zip"),
        (packed({"a.txt": b"hello" * 50})[:60], "not a readable zip"),
    ],
    ids=range(26),
)
def test_what_a_stranger_may_not_pack_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        open_zip(data)


def test_two_thousand_entries_are_fine() -> None:
    assert len(open_zip(packed({f"{number}.txt": b"" for number in range(2_000)}))) == 2_000


def test_a_directory_of_a_million_entries_is_refused_before_it_is_read() -> None:
    with pytest.raises(Invalid, match="2000 entries"):
        open_zip(b"PK\x01\x02" * 20_001)


def test_unpacked_bytes_are_counted_over_all_entries() -> None:
    files = {f"{number}.bin": bytes(range(256)) * 4 for number in range(4)}
    assert len(open_zip(packed(files), Limits(unpacked=4096))) == 4
    with pytest.raises(Invalid, match="more than 4095 bytes"):
        open_zip(packed(files), Limits(unpacked=4095))


def test_a_header_that_claims_more_packed_bytes_than_there_are_does_not_buy_room() -> None:
    data = bytearray(packed({"zeros.bin": bytes(500_000)}))
    for place in (18, data.index(b"PK\x01\x02") + 20):  # the packed size in the local header and in the directory
        data[place : place + 4] = (0x7FFFFFFF).to_bytes(4, "little")
    with pytest.raises(Invalid):
        open_zip(bytes(data))


def test_damaged_bytes_are_noticed() -> None:
    data = bytearray(packed({"a.txt": b"hello world"}, zipfile.ZIP_STORED))
    data[data.index(b"hello")] ^= 1
    with pytest.raises(Invalid, match="CRC"):
        open_zip(bytes(data))


@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_whatever_is_broken_only_invalid_comes_out(place: float, byte: int, cut: float) -> None:
    data = bytearray(packed({"parts/a.json": b"{}" * 9, "b.txt": b"b" * 40}))
    data[int(place * (len(data) - 1))] = byte
    for broken in (bytes(data), bytes(data[: int(cut * len(data))])):
        try:
            assert all(isinstance(content, bytes) for content in open_zip(broken).values())
        except Invalid as refusal:
            assert refusal.where and refusal.what


@pytest.mark.parametrize(
    ("xml", "what"),
    [
        (b"<!DOCTYPE a><a/>", "DOCTYPE"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (b"<!doctype a><a/>", "DOCTYPE"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"), "not UTF-8"),
        ("<!DOCTYPE a><a/>".encode("utf-32-le"), "not UTF-8"),
        (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a><a/>', "not UTF-8"),
        (b"<a>&b;</a>", "not well-formed"),
        (b"<a><b></a>", "not well-formed"),
        (b"\xff\xfe", "not well-formed"),
        (b"<a>" * 200 + b"</a>" * 200, "deeper"),
        (b"<a>" + b"<b/>" * 500_001 + b"</a>", "more than 500000"),
        (b"<a>" + b" " * LIMITS.xml_bytes + b"</a>", "bytes"),
    ],
    ids=range(12),
)
def test_xml_that_could_hurt_a_parser_never_reaches_one(xml: bytes, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        guarded_xml(xml, "package: x.xml")


def test_plain_xml_passes_without_its_byte_order_mark() -> None:
    xml = '<?xml version="1.0" encoding="utf-8"?><a>\u00e9 &amp; &#233;</a>'.encode()
    assert guarded_xml(b"\xef\xbb\xbf" + xml, "x") == xml
