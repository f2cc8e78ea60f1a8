"""How many batteries a minute a node imports from spreadsheets."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from connector.cli.client import Client
from connector.config import load
from scripts.lib import bench_pair
from scripts.lib.bench_pair import MODEL, SAMPLE, Stores
from submodels.folder import read_folder
from submodels.sheet_form import write_sheet

from .figure import Figure, Plan, figure

NAMES = ("import_items_per_min",)
SERIAL = "000017"  # of the battery that all are made after


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    count = max(20, plan.many // 4)
    rates: list[float] = []
    size = 0
    with bench_pair.workplace() as folder:
        home = bench_pair.made(folder / "maker", "maker")
        with bench_pair.served(home, stores("maker")):
            client = _client(home)
            client.upload("/passports/import", _zipped(_files()), "application/zip")
            client.post(f"/passports/{MODEL}/publish")
            for run in range(plan.runs):
                sheets = _zipped(_sheets(run * count, count))
                size = len(sheets)
                begun = time.perf_counter()
                done = client.upload("/passports/import", sheets, "application/zip")
                rates.append(count / (time.perf_counter() - begun) * 60)
                if len(done["batteries"]) != count or not done["changed"]:
                    raise bench_pair.Trouble(f"{len(done['batteries'])} of {count} batteries were imported")
        bench_pair.check_logs(home)
    how = (
        f"{count} new batteries of a published model in four CSV files of {size / 1e6:.1f} MB, one request, one transaction: read, "
        "each judged as it will be read, stored; nameplate, condition, technical data and metadata of each"
    )
    yield figure("import_items_per_min", "1/min", rates, how)


def _client(home: Path) -> Client:
    settings = load(home, {})
    token = (home / settings.operator.token_file).read_text(encoding="ascii").strip()
    return Client(settings.operator.address.host, settings.operator.address.port, token, home, None, timeout=600.0)


def _files() -> Mapping[str, bytes]:
    return {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in sorted(SAMPLE.rglob("*")) if path.is_file()}


def _sheets(first: int, count: int) -> Mapping[str, bytes]:
    """A CSV for each part that a battery of the sample has values of, with so many batteries like it."""
    layers = [layer for layer in read_folder(_files()).layers if layer.owner == SERIAL]
    sheets = {}
    for layer in layers:
        head, row = csv.reader(io.StringIO(write_sheet(MODEL, [(SERIAL, {layer.part: layer.tree})]).decode("utf-8-sig")))
        buffer = io.StringIO()
        rows = csv.writer(buffer)
        rows.writerow(head)
        for number in range(first, first + count):
            rows.writerow([row[0], *(cell.replace(SERIAL, f"{number:07d}") for cell in row[1:])])
        sheets[f"{layer.part}.csv"] = buffer.getvalue().encode()
    return sheets


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)
    return buffer.getvalue()
