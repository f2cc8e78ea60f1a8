"""The label of a battery: which link it carries, how it is drawn, and what speaks against it."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from connector import png, scanning
from connector.errors import Clash, Hidden, Malformed
from connector.operate import labels, passports, publishing
from submodels.folder import Batch, BatteryIn

from .conftest import Holder

FIRST = "EV-72.000017"
HOME = "https://maker.example"


async def made(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    await publishing.publish(holder.world, "EV-72")


@pytest.mark.parametrize(
    ("link", "text", "lines"),
    [
        ("", f"{HOME}/01/09506000172040/21/000017", ["(01) 09506000172040", "(21) 000017"]),
        ("gs1", f"{HOME}/01/09506000172040/21/000017", ["(01) 09506000172040", "(21) 000017"]),
        ("iec61406", f"{HOME}/i/{FIRST}", [FIRST]),
        ("plain", f"{HOME}/passports/{FIRST}", [FIRST]),
        ("product", "https://id.halden-cells.example/01/09506000172040/21/000017", [FIRST]),
    ],
)
async def test_a_label_carries_the_link_that_is_asked_for(holder: Holder, sample: Batch, link: str, text: str, lines: list[str]) -> None:
    await made(holder, sample)
    told = await labels.label(holder.world, "000017", link=link)
    assert (told["battery"], told["link"], told["lines"], told["findings"]) == (FIRST, text, lines, [])
    assert scanning.read_code(base64.b64decode(told["png"])) == text


async def test_both_drawings_show_the_same_modules_inside_a_quiet_zone_of_four(holder: Holder, sample: Batch) -> None:
    await made(holder, sample)
    told = await labels.label(holder.world, FIRST, size_mm=20)
    side = told["modules"] + 8
    seen = png.read(base64.b64decode(told["png"]))
    assert seen.width == side * labels.DOTS
    dark = {
        (x, y)
        for y in range(side) for x in range(side)
        if seen.grey[(y * labels.DOTS + 3) * seen.width + x * labels.DOTS + 3] == 0
    }  # fmt: skip
    assert all(4 <= x < side - 4 and 4 <= y < side - 4 for x, y in dark)
    assert {(4, 4), (side - 5, 4), (4, side - 5)} <= dark  # the corners of its three eyes
    drawing = ET.fromstring(told["svg"])
    path = next(each.attrib["d"] for each in drawing.iter() if each.tag.endswith("path"))
    drawn = {(int(x) + step, int(y)) for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path) for step in range(int(length))}
    assert drawn == dark
    assert (drawing.attrib["width"], drawing.attrib["viewBox"].split()[2]) == ("20mm", str(side))
    assert [each.text for each in drawing.iter() if each.tag.endswith("text")] == told["lines"]


async def test_a_code_for_engraving_corrects_more_and_says_how_fine_it_is(holder: Holder, sample: Batch) -> None:
    await made(holder, sample)
    printed = await labels.label(holder.world, FIRST)
    engraved = await labels.label(holder.world, FIRST, engrave=True)
    assert (printed["error"], engraved["error"]) == ("M", "H")
    assert engraved["version"] > printed["version"]
    assert printed["module_mm"] >= 0.4
    assert engraved["module_mm"] >= 0.5
    assert any("shorter host" in each for each in engraved["findings"])
    small = await labels.label(holder.world, FIRST, engrave=True, size_mm=10)
    assert small["module_mm"] == round(10 / (small["modules"] + 8), 3)
    assert any("small for engraving" in each for each in small["findings"])


async def test_the_size_on_paper_stands_in_the_picture(holder: Holder, sample: Batch) -> None:
    await made(holder, sample)
    told = await labels.label(holder.world, FIRST, size_mm=25)
    content = base64.b64decode(told["png"])
    place = content.index(b"pHYs") + 4
    per_metre = int.from_bytes(content[place : place + 4], "big")
    assert png.read(content).width / per_metre * 1000 == pytest.approx(25, abs=0.01)


async def test_a_label_may_be_made_before_publication_and_says_that_it_leads_nowhere_yet(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    assert any("leads nowhere" in each for each in (await labels.label(holder.world, FIRST))["findings"])


async def test_without_a_gtin_it_is_an_id_link_and_gs1_is_refused(holder: Holder) -> None:
    await passports.import_batch(holder.world, Batch(model="B", category="ev", batteries=(BatteryIn(serial="<1&>"),)))
    told = await labels.label(holder.world, "<1&>")
    assert (told["kind"], told["link"]) == ("iec61406", f"{HOME}/i/B.~3C1~26~3E")
    ET.fromstring(told["svg"])
    for link in ("gs1", "product"):
        with pytest.raises(Malformed):
            await labels.label(holder.world, "<1&>", link=link)


@pytest.mark.parametrize("wrong", [{"link": "x"}, {"size_mm": -1.0}, {"size_mm": 1e9}, {"size_mm": float("nan")}])
async def test_what_is_no_label_is_refused(holder: Holder, sample: Batch, wrong: dict[str, object]) -> None:
    await made(holder, sample)
    with pytest.raises((Malformed, Clash)):
        await labels.label(holder.world, FIRST, **wrong)  # type: ignore[arg-type]
    with pytest.raises(Hidden):
        await labels.label(holder.world, "EV-99.1")


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbarimg (Debian zbar-tools) is not on this machine")
async def test_another_reader_reads_the_same(holder: Holder, sample: Batch, tmp_path: Path) -> None:
    await made(holder, sample)
    for engrave in (False, True):
        told = await labels.label(holder.world, FIRST, engrave=engrave)
        file = tmp_path / "label.png"
        file.write_bytes(base64.b64decode(told["png"]))
        read = subprocess.run(["zbarimg", "-q", "--raw", str(file)], capture_output=True, text=True, check=True, timeout=30)
        assert read.stdout.strip() == told["link"]
