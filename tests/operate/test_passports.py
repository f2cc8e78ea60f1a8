"""The holder's passports: imported whole or not at all, the same twice, published once they hold together."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connector.errors import Clash, Hidden, Malformed, Unsupported
from connector.operate import checking, passports, views
from connector.records import Battery, Document, Layer, Model
from submodels.folder import Batch, BatteryIn, DocumentIn
from submodels.value import Number

from .conftest import SAMPLE, Holder

TEMPLATES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "idta-02035" / "templates"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for path in sorted(SAMPLE.rglob("*")):
            if path.is_file():
                package.writestr(path.relative_to(SAMPLE).as_posix(), path.read_bytes())
    return buffer.getvalue()


async def stored(holder: Holder) -> dict[str, int]:
    async with holder.store.transaction() as tx:
        return {kind.kind: await tx.count(kind) for kind in (Model, Battery, Layer, Document)}


async def test_a_zipped_folder_becomes_a_model_with_its_batteries(holder: Holder) -> None:
    done = await passports.import_batch(holder.world, passports.read_upload(zipped(), "application/zip"))
    assert done["model"] == "EV-72"
    assert done["batteries"] == ["EV-72.000017", "EV-72.000018", "EV-72.000019"]
    assert done["changed"] and done["status"] == "imported" and not done["draft"]
    assert [finding for finding in done["findings"] if finding["severity"] == "error"] == []
    async with holder.store.transaction() as tx:
        manual = (await tx.find(Document, owner="EV-72"))[0]
        content = await tx.blob(manual.sha256)
    assert content is not None and len(content) == manual.size
    assert ("passport.imported", "EV-72") in await holder.events()


async def test_the_same_input_twice_changes_nothing(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    before, events = await stored(holder), await holder.events()
    again = await passports.import_batch(holder.world, sample)
    assert not again["changed"] and again["records"] == 0 and again["revision"] == 1
    assert (await stored(holder), await holder.events()) == (before, events)


async def test_a_dry_run_says_what_would_change_and_stores_nothing(holder: Holder, sample: Batch) -> None:
    done = await passports.import_batch(holder.world, sample, dry_run=True)
    assert done["changed"] and done["records"] > 20 and done["dry_run"]
    assert set((await stored(holder)).values()) == {0}
    assert await holder.events() == []


async def test_an_item_that_changes_gets_a_new_revision_and_its_sisters_do_not(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    condition = next(layer for layer in sample.layers if (layer.owner, layer.part) == ("000017", "condition"))
    assert isinstance(condition.tree, dict)
    tree = {**condition.tree, "StateOfCharge": {"StateOfChargeValue": Number("41.5"), "LastUpdate": "2026-11-20T08:00:00Z"}}
    await passports.import_batch(holder.world, replace(sample, layers=(replace(condition, tree=tree),), documents=()))
    async with holder.store.transaction() as tx:
        revisions = [each.revision for each in await tx.find(Battery)]
        model = await tx.get(Model, "EV-72")
    assert revisions == [2, 1, 1]
    assert model is not None and model.revision == 1


async def test_a_model_part_that_changes_gives_the_model_a_new_revision(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    shown = json.loads(await passports.show(holder.world, "000017", "circularity"))
    shown["RenewableContent"] = 13.25
    done = await passports.update(holder.world, "EV-72", "circularity", json.dumps(shown).encode())
    assert done["revision"] == 2 and done["records"] == 2
    assert json.loads(await passports.show(holder.world, "EV-72.000018"))["revision"].startswith("2.")


async def test_the_same_battery_as_a_package_changes_no_value(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    before = await passports.show(holder.world, "000017")
    package = passports.read_upload(SAMPLE.with_suffix(".aasx").read_bytes(), passports.AASX)
    first = await passports.import_batch(holder.world, package)
    assert first["batteries"] == ["EV-72.000017"] and not first["draft"]
    assert await passports.show(holder.world, "000017") == before
    again = await passports.import_batch(holder.world, package)
    assert not again["changed"]


async def test_a_layer_written_meanwhile_is_examined_again(holder: Holder, sample: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    examine, runs = checking.examine, []

    async def meanwhile(seen: checking.Snapshot, day: date) -> checking.Seen:
        runs.append(seen)
        if len(runs) == 1:
            async with holder.store.transaction() as tx:
                stored = await tx.get(Layer, "EV-72/materials")
                assert stored is not None
                tx.put(replace(stored, remainder="{}"))
        return await examine(seen, day)

    await passports.import_batch(holder.world, sample)
    monkeypatch.setattr(checking, "examine", meanwhile)
    await passports.publish(holder.world, "EV-72")
    assert len(runs) == 2


async def test_one_wrong_value_stores_nothing_and_every_error_is_told(holder: Holder, sample: Batch) -> None:
    circularity = next(layer for layer in sample.layers if layer.part == "circularity")
    assert isinstance(circularity.tree, dict)
    wrong = replace(circularity, tree={**circularity.tree, "RenewableContent": Number("140")})
    others = tuple(layer for layer in sample.layers if layer != circularity)
    with pytest.raises(Malformed) as refused:
        await passports.import_batch(holder.world, replace(sample, layers=(*others, wrong)))
    assert any("RenewableContent" in detail for detail in refused.value.details)
    assert set((await stored(holder)).values()) == {0}
    assert await holder.events() == []


async def test_ids_are_unique_over_models_and_batteries(holder: Holder) -> None:
    def batch(model: str, serial: str, alias: str = "") -> Batch:
        aliases = (alias,) if alias else ()
        return Batch(model=model, category="ev", draft=True, batteries=(BatteryIn(serial=serial, aliases=aliases),))

    await passports.import_batch(holder.world, batch("A.B", "1", "https://a.example/1"))
    with pytest.raises(Clash, match=r"A\.B\.1 is taken"):
        await passports.import_batch(holder.world, batch("A", "B.1"))
    with pytest.raises(Clash, match="is the id of a battery"):
        await passports.import_batch(holder.world, batch("A.B.1", "7"))
    with pytest.raises(Clash, match="cannot be called"):
        await passports.import_batch(holder.world, batch("C", "1", "https://a.example/1"))


async def test_a_document_of_two_kinds_is_reported_and_kept_from_everyone(holder: Holder, sample: Batch) -> None:
    manual = next(each for each in sample.documents if each.kind == "dismantling-manual")
    others = tuple(each for each in sample.documents if each is not manual)
    done = await passports.import_batch(holder.world, replace(sample, documents=(*others, replace(manual, kind="test-reports"))))
    assert any("several kinds" in finding["what"] for finding in done["findings"])


async def test_document_ids_are_made_of_our_alphabet_whatever_the_identifier_is(holder: Holder) -> None:
    content = b"%PDF-1.4 nothing"
    one = DocumentIn(identifier="https://x.example/Ä b", title="t", filename="a.pdf", media_type="application/pdf", content=content)
    two = replace(one, identifier="https-x.example-b", filename="b.pdf")
    batch = Batch(model="M", category="ev", draft=True, documents=(one, two))
    await passports.import_batch(holder.world, batch)
    async with holder.store.transaction() as tx:
        ids = [each.id for each in await tx.find(Document)]
    assert len(set(ids)) == 2
    assert all(id.isascii() and not set(id) & set("/ ?#") for id in ids)


async def test_publishing_opens_the_public_view_once(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    done = await passports.publish(holder.world, "EV-72")
    assert done["status"] == "published" and done["changed"]
    assert done["addresses"][0] == "https://maker.example/passports/EV-72.000017"
    assert not (await passports.publish(holder.world, "EV-72"))["changed"]
    assert (await holder.events()).count(("passport.published", "EV-72")) == 1
    again = await passports.import_batch(holder.world, sample)
    assert again["status"] == "published" and not again["changed"]


async def test_a_draft_cannot_be_published_nor_replace_a_model(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, Batch(model="Template", category="", draft=True))
    with pytest.raises(Clash, match="draft"):
        await passports.publish(holder.world, "Template")
    await passports.import_batch(holder.world, sample)
    with pytest.raises(Clash):
        await passports.import_batch(holder.world, Batch(model="EV-72", category="", draft=True))


async def test_an_expectation_that_fails_stops_publishing(holder: Holder, sample: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    await passports.import_batch(holder.world, sample)
    path = "materials/BatteryMaterials/*/BatteryMaterialMass"
    monkeypatch.setattr(views, "judge", lambda grant, expectations: ())  # as a node before a class was changed stored it
    await views.put(holder.world, "mine", paths=[path], ceiling="contract", expectations={"must_not": [path]})
    monkeypatch.undo()
    with pytest.raises(Malformed, match="does not keep what is expected"):
        await passports.publish(holder.world, "EV-72")


async def test_show_gives_the_operator_everything_with_digits_as_written(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    whole = await passports.show(holder.world, "000017")
    shown = json.loads(whole)
    assert shown["battery"] == "EV-72.000017"
    assert {"materials", "condition", "circularity"} <= set(shown["parts"])
    written = (SAMPLE / "parts" / "materials.json").read_text()
    masses = [token.rstrip(",") for token in written.split() if token.rstrip(",").endswith("0") and "." in token]
    assert all(token.encode() in whole for token in masses)
    assert len(shown["documents"]) == len(sample.documents)
    with pytest.raises(Hidden):
        await passports.show(holder.world, "EV-72.000017", "handove")
    with pytest.raises(Hidden):
        await passports.show(holder.world, "nothing")


async def test_the_list_names_models_batteries_and_states(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    [model] = await passports.list_models(holder.world)
    assert (model["model"], model["status"], len(model["batteries"])) == ("EV-72", "imported", 3)
    assert "condition" in model["parts"]


def test_an_upload_of_another_type_is_refused() -> None:
    with pytest.raises(Unsupported):
        passports.read_upload(b"", "text/html")
    with pytest.raises(Malformed):
        passports.read_upload(b"not a zip", "application/zip")
    with pytest.raises(Malformed):
        passports.read_upload(b"{", "application/json")


@pytest.mark.skipif(not TEMPLATES.is_dir(), reason="../shared/data/idta-02035/templates is absent")
async def test_every_official_template_becomes_a_draft(holder: Holder) -> None:
    types = {".json": "application/json", ".aasx": "application/asset-administration-shell-package"}
    files = [path for path in sorted(TEMPLATES.rglob("*")) if path.suffix in types]
    assert files
    for path in files:
        done = await passports.import_batch(holder.world, passports.read_upload(path.read_bytes(), types[path.suffix]))
        assert done["draft"], path.name
        shown = await passports.show_model(holder.world, done["model"])
        assert shown["status"] == "draft" and shown["notes"], path.name


async def test_a_part_may_be_updated_only_where_it_belongs(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    with pytest.raises(Hidden):
        await passports.update(holder.world, "EV-72", "nonsense", b"{}")
    with pytest.raises(Malformed):
        await passports.update(holder.world, "EV-72", "circularity", b'{"a": 1, "a": 2}')
    with pytest.raises(Hidden):
        await passports.update(holder.world, "EV-99", "circularity", b"{}")
