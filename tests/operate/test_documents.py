"""Documents: a variant for each language under one identifier, digests held at the door in and at every door out."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.errors import Hidden, Malformed, Unavailable
from connector.exchange import parcel
from connector.operate import passports
from connector.records import Document
from connector.storage.sqlite import open_sqlite
from submodels.errors import Invalid
from submodels.folder import Batch, read_folder

from .conftest import SAMPLE, Holder

FIRST = "EV-72.000017"
HEAD = "owner,identifier,kind,title,file,media_type,language,sha256\n"
ENGLISH, GERMAN = b"%PDF-1.4 waste prevention", b"%PDF-1.4 Abfallvermeidung"


def folder(rows: str, **files: bytes) -> Batch:
    """The sample with these documents instead of its own, all of them of the kind that tells users how to prevent waste."""
    kept = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    kept = {name: content for name, content in kept.items() if not name.startswith("documents")}
    del kept["parts/handover.json"]
    named = {f"documents/{name.replace('_', '.')}": content for name, content in files.items()}
    return read_folder({**kept, **named, "documents.csv": (HEAD + rows).encode()})


def row(file: str, language: str, digest: str = "") -> str:
    return f",HC-WP-7218,waste-prevention,Making it last,documents/{file},application/pdf,{language},{digest}\n"


async def told(holder: Holder) -> list[dict[str, Any]]:
    body: Any = json.loads((await parcel.public(holder.world, FIRST)).body)
    return [each for each in body["documents"] if each["kind"] == "waste-prevention"]


@pytest.fixture
async def shown(holder: Holder, sample: Batch) -> AsyncIterator[Holder]:
    """The sample, published, with the leaflet in two languages."""
    await passports.import_batch(holder.world, sample)
    await passports.publish(holder.world, "EV-72")
    both = folder(row("en.pdf", "en") + row("de.pdf", "de"), en_pdf=ENGLISH, de_pdf=GERMAN)
    await passports.import_batch(holder.world, both)
    yield holder


async def test_each_language_of_a_document_is_kept_and_given_out(shown: Holder) -> None:
    listed = await told(shown)
    assert [(each["id"], each["language"], each["identifier"]) for each in listed] == [
        ("EV-72.doc-HC-WP-7218", "en", "HC-WP-7218"),
        ("EV-72.doc-HC-WP-7218.de", "de", "HC-WP-7218"),
    ]
    for each, content in zip(listed, (ENGLISH, GERMAN), strict=True):
        assert (await parcel.public(shown.world, FIRST, ("documents", each["id"]))).body == content
        assert each["sha256"] == hashlib.sha256(content).hexdigest()


async def test_both_languages_again_change_nothing(shown: Holder) -> None:
    both = folder(row("en.pdf", "en") + row("de.pdf", "de"), en_pdf=ENGLISH, de_pdf=GERMAN)
    assert not (await passports.import_batch(shown.world, both))["changed"]


async def test_two_files_of_one_language_are_refused(holder: Holder) -> None:
    twice = folder(row("en.pdf", "en") + row("de.pdf", "EN"), en_pdf=ENGLISH, de_pdf=GERMAN)
    with pytest.raises(Malformed) as caught:
        await passports.import_batch(holder.world, twice)
    assert "2 files under one identifier" in caught.value.details[0]


def test_a_file_that_is_not_what_its_digest_says_is_not_read() -> None:
    digest = hashlib.sha256(ENGLISH).hexdigest()
    assert folder(row("en.pdf", "en", digest.upper()), en_pdf=ENGLISH).documents[0].content == ENGLISH
    with pytest.raises(Invalid, match="has another SHA-256") as caught:
        folder(row("en.pdf", "en", digest), en_pdf=GERMAN)
    assert caught.value.where == "documents.csv, line 2"


async def test_a_document_leaves_by_its_kind_only(shown: Holder) -> None:
    async with shown.store.transaction() as tx:
        report = await tx.get(Document, "EV-72.doc-HC-TR-7233")
    assert report is not None and report.document_kind == "test-reports"
    with pytest.raises(Hidden):
        await parcel.public(shown.world, FIRST, ("documents", report.id))


async def test_damaged_bytes_leave_by_no_door(tmp_path: Path, holder: Holder, sample: Batch) -> None:
    place = tmp_path / "node.db"
    store = open_sqlite(str(place), holder.clock, writer="w-damage")
    world = replace(holder.world, store=store)
    try:
        await passports.import_batch(world, sample)
        await passports.publish(world, "EV-72")
        address = ("documents", "EV-72.doc-HC-WP-7218")
        whole = (await parcel.public(world, FIRST, address)).body
        with sqlite3.connect(place) as connection:
            changed = connection.execute(
                "UPDATE blob SET data = ? WHERE sha256 = ?", (whole[:-7] + b"forged\n", hashlib.sha256(whole).hexdigest())
            )
            assert changed.rowcount == 1
        connection.close()
        with pytest.raises(Unavailable) as caught:
            await parcel.public(world, FIRST, address)
        assert caught.value.code == "file.damaged"
    finally:
        await store.close()
