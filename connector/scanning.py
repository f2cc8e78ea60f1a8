"""From the picture of a label to the text of its code.  Runs at the command line, where the picture is, and never in the node."""

from __future__ import annotations

from pathlib import Path

from connector import png
from connector.errors import Malformed, TooLarge
from connector.text import clean

LONGEST = 2000  # characters of a link


def read_file(path: Path) -> str:
    """The text in a picture file; Malformed with the reason where there is none."""
    try:
        size = path.stat().st_size
        if size > png.LARGEST_FILE:
            raise TooLarge(f"{path} is too large.", f"A picture may have {png.LARGEST_FILE // 2**20} MB.", "Save a smaller one.")
        content = path.read_bytes()
    except OSError as error:
        raise Malformed(
            f"{path} cannot be read.", error.strerror or "", "Give a picture of the label (PNG).", code="scan.picture"
        ) from error
    return read_code(content)


def read_code(content: bytes) -> str:
    """The text of the one QR code (or Data Matrix) in a PNG picture."""
    import zxingcpp  # a decoder in C++: it sees grey pixels of a bounded size, nothing else

    picture = png.read(content)
    pixels = memoryview(picture.grey).cast("B", (picture.height, picture.width))
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.DataMatrix])
    found = {each.text for each in zxingcpp.read_barcodes(pixels, formats=formats, text_mode=zxingcpp.TextMode.Plain) if each.valid}
    if not found:
        raise Malformed(
            "No code is seen in the picture.", f"It has {picture.width} x {picture.height} pixels.",
            "Take it nearer, straight and in good light, with the white margin around the code.", code="scan.picture",
        )  # fmt: skip
    if len(found) > 1:
        listed = ", ".join(sorted(clean(text, 80) for text in found)[:4])
        raise Malformed("More than one code is in the picture.", listed, "Cut out the one that is meant.", code="scan.picture")
    [text] = found
    if not text or len(text) > LONGEST or not text.isprintable():
        raise Malformed("The code holds no link.", clean(text, 120), "A label of a battery holds an https address.", code="scan.link")
    return text
