"""Walk a zip that a stranger packed: every entry in memory and within limits, or Invalid and nothing.

Serves AASX packages and passport folders sent as zip.  Nothing is extracted: names are keys of a mapping, never paths
on a disk.  Knows no AAS; XML is looked over here, before any parser sees it.
"""

from __future__ import annotations

import io
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from submodels.errors import Invalid


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a package may hold."""

    entries: int = 2_000
    unpacked: int = 256 * 1024 * 1024  # bytes over all entries, counted while reading: headers lie
    ratio: int = 100  # unpacked to packed, of each entry
    xml_bytes: int = 32 * 1024 * 1024
    xml_depth: int = 96
    xml_nodes: int = 500_000


LIMITS = Limits()

_CHUNK = 256 * 1024
_CENTRAL = b"PK\x01\x02"  # signature of one entry in a zip's directory
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OFFICE = (".docx", ".xlsx")  # zips by construction; documents here, handed on and never opened
_ARCHIVES = (".zip", ".aasx", ".jar", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".iso", ".cab")
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # traditional, strong, and masked headers
_DRIVE = re.compile(r"^[A-Za-z]:")


def open_zip(data: bytes, limits: Limits = LIMITS) -> Mapping[str, bytes]:
    """The files of a zip, name -> bytes, in the order of its directory; Invalid when it breaks any limit or rule."""
    if data.count(_CENTRAL) > 10 * limits.entries:  # before zipfile makes an object of each; stored .docx count their own
        raise Invalid("package", f"more than {limits.entries} entries", "send fewer files at a time")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            return _read(package, len(data), limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, OverflowError) as error:
        raise Invalid("package", f"not a readable zip: {_plain(str(error))}", "pack it again with plain zip, without a password") from None


def _read(package: zipfile.ZipFile, packed: int, limits: Limits) -> Mapping[str, bytes]:
    infos = package.infolist()
    if len(infos) > limits.entries:
        raise Invalid("package", f"{len(infos)} entries, more than {limits.entries}", "send fewer files at a time")
    seen: set[str] = set()
    found: dict[str, bytes] = {}
    room = limits.unpacked
    for info in infos:
        name = _name(info)
        folded = unicodedata.normalize("NFC", name.rstrip("/")).casefold()
        if folded in seen:
            raise Invalid(_where(name), "stands twice in the package (upper and lower case count as the same)", "keep one of them")
        seen.add(folded)
        if name.endswith("/"):
            continue
        content = _entry(package, info, packed, room, limits)
        room -= len(content)
        found[name] = content
    return found


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name, which must be a plain relative path; `orig_filename`, because zipfile cuts the other at a NUL."""
    name = info.orig_filename
    where = _where(name)
    wrong = ""
    if not name or any(ord(mark) < 32 or ord(mark) == 127 for mark in name):
        wrong = "a control character in the name, or no name"
    elif "\\" in name:
        wrong = "a backslash in the name"
    elif name.startswith("/") or _DRIVE.match(name):
        wrong = "an absolute path"
    elif any(part in ("", ".", "..") for part in name.rstrip("/").split("/")) or name.endswith("//"):
        wrong = "a path with `..`, `.` or an empty step"
    elif stat.S_ISLNK(info.external_attr >> 16):
        wrong = "a symbolic link"
    elif info.flag_bits & _ENCRYPTED:
        wrong = "encrypted"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        wrong = "packed by a method other than deflate"
    elif name.casefold().endswith(_ARCHIVES):
        wrong = "a package inside the package"
    if wrong:
        raise Invalid(where, wrong, "pack plain files under relative names")
    return name


def _entry(package: zipfile.ZipFile, info: zipfile.ZipInfo, packed: int, room: int, limits: Limits) -> bytes:
    """One entry's bytes, read in chunks so that a bomb is noticed and not swallowed."""
    name = info.orig_filename
    allowed = min(info.compress_size, packed) * limits.ratio  # the header may claim more than there is
    content = bytearray()
    with package.open(info) as stream:
        while chunk := stream.read(_CHUNK):
            content += chunk
            if len(content) > allowed:
                raise Invalid(_where(name), f"unpacks to more than {limits.ratio} times its size", "pack it without padding")
            if len(content) > room:
                raise Invalid("package", f"unpacks to more than {limits.unpacked} bytes", "send fewer files at a time")
    if content.startswith(_ZIPS) and not name.casefold().endswith(_OFFICE):
        raise Invalid(_where(name), "a package inside the package", "unpack it first")
    return bytes(content)


def guarded_xml(data: bytes, where: str, limits: Limits = LIMITS) -> bytes:
    """The XML as UTF-8 without a byte order mark, fit for a parser: no DOCTYPE, no entities, not too deep, not too large."""
    if len(data) > limits.xml_bytes:
        raise Invalid(where, f"XML of more than {limits.xml_bytes} bytes")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in data:
        raise Invalid(where, "XML that is not UTF-8", "save it as UTF-8")
    head = re.match(rb"\s*<\?xml[^>]*\?>", data)
    said = re.search(rb"""encoding\s*=\s*["']([^"']*)["']""", head.group()) if head else None
    if said and said.group(1).lower() not in (b"utf-8", b"utf8", b"us-ascii", b"ascii"):
        raise Invalid(where, "XML that is not UTF-8", "save it as UTF-8")
    # Refused as text, before any parser: an encoding trick cannot hide it, since only UTF-8 has come this far.
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", data, re.IGNORECASE):
        raise Invalid(where, "XML with a DOCTYPE or entities", "write the document without them")
    _count(data, where, limits)
    return data


def _count(data: bytes, where: str, limits: Limits) -> None:
    """Look through the XML once without building anything, so that the tree builder meets no surprise."""
    depth = nodes = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, nodes
        depth, nodes = depth + 1, nodes + 1 + len(attributes)
        if depth > limits.xml_depth:
            raise Invalid(where, f"XML nested deeper than {limits.xml_depth}")
        if nodes > limits.xml_nodes:
            raise Invalid(where, f"XML of more than {limits.xml_nodes} elements")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Invalid(where, f"not well-formed XML: {error}") from None


def _where(name: str) -> str:
    return f"package: {_plain(name)}"


def _plain(text: str) -> str:
    """Foreign text fit for an error message."""
    shown = "".join(mark if mark.isprintable() else "?" for mark in text[:120])
    return shown or "(no name)"
