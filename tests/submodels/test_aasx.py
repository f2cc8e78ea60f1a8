"""AASX packages: the official ones import, ours come back and are read by a stranger's library, bad ones are refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.lib.sample import folder, package, passport
from submodels.aas import environment_to_batch
from submodels.aasx import open_zip, pack, read_aasx, write_aasx
from submodels.errors import Invalid
from submodels.folder import read_folder
from submodels.value import Tree

TEMPLATES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "idta-02035" / "templates"
OFFICIAL = sorted(TEMPLATES.glob("*.aasx"))

BATCH = read_folder(folder())
PACKAGE = package(BATCH, "000018")
SPEC = "aasx/xml/passport.aas.xml"


def repacked(changes: Mapping[str, bytes | None]) -> bytes:
    """Our package with entries changed, added, or left out (None)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in {**open_zip(PACKAGE), **changes}.items():
            if content is not None:
                made.writestr(name, content)
    return out.getvalue()


def xml(old: bytes, new: bytes) -> bytes:
    before = open_zip(PACKAGE)[SPEC]
    assert old in before
    return repacked({SPEC: before.replace(old, new, 1)})


@pytest.mark.skipif(not OFFICIAL, reason="the official templates (../shared/data/idta-02035) are not here")
@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_an_official_package_is_the_same_draft_as_its_json(path: Path) -> None:
    packed, plain = read_aasx(path.read_bytes()), environment_to_batch(path.with_suffix(".json").read_bytes())
    assert packed.draft
    assert [(layer.part, layer.tree) for layer in packed.layers] == [(layer.part, layer.tree) for layer in plain.layers]


def test_a_package_gives_back_values_documents_and_kinds() -> None:
    batch = read_aasx(PACKAGE)
    assert batch.findings == ()
    assert passport(batch, "000018") == passport(BATCH, "000018")
    assert {each.filename: each.content for each in batch.documents} == {each.filename: each.content for each in BATCH.documents}


def test_the_same_input_gives_the_same_package() -> None:
    assert package(BATCH, "000018") == PACKAGE


def test_a_strangers_library_reads_it(tmp_path: Path) -> None:
    from basyx.aas import adapter, model

    target = tmp_path / "ev.aasx"
    target.write_bytes(PACKAGE)
    objects: model.DictIdentifiableStore[model.Identifiable] = model.DictIdentifiableStore()
    files = adapter.aasx.DictSupplementaryFileContainer()
    with adapter.aasx.AASXReader(target) as reader:
        reader.read_into(objects, files)
    by_name = {each.id_short: each for each in objects if isinstance(each, model.Submodel)}
    assert len(by_name) == 8
    circularity = by_name["Circularity"]
    assert circularity.get_referable("RenewableContent").value == 3.417
    assert len(list(files)) == len(BATCH.documents)


def test_a_package_may_hold_its_environment_as_json_too() -> None:
    text = open_zip(PACKAGE)["aasx/_rels/aasx-origin.rels"].replace(b"passport.aas.xml", b"passport.aas.json")
    from submodels.aas import passport_to_environment

    env = passport_to_environment(passport(BATCH, "000018"), under="/aasx/documents/")
    data = repacked({SPEC: None, "aasx/xml/passport.aas.json": env, "aasx/_rels/aasx-origin.rels": text})
    assert read_aasx(data).layers[0].tree == read_aasx(PACKAGE).layers[0].tree


def test_what_is_packed_as_json_a_strangers_library_reads_too(tmp_path: Path) -> None:
    from basyx.aas import adapter, model

    from submodels.environment import environment

    whole = passport(BATCH, "000018")
    contents = {each.filename: each.content for each in BATCH.documents}
    files = {f"EV 72/{each.filename}": (each.media_type, contents[each.filename]) for each in whole.documents}
    target = tmp_path / "ev.aasx"
    target.write_bytes(pack(environment(whole, under="/aasx/documents/EV%2072/"), files))
    assert passport(read_aasx(target.read_bytes()), "000018").parts == whole.parts
    objects: model.DictIdentifiableStore[model.Identifiable] = model.DictIdentifiableStore()
    kept = adapter.aasx.DictSupplementaryFileContainer()
    with adapter.aasx.AASXReader(target) as reader:
        reader.read_into(objects, kept)
    assert len([each for each in objects if isinstance(each, model.Submodel)]) == 8
    assert len(list(kept)) == len(files)


def test_a_file_keeps_its_name_through_a_package() -> None:
    from dataclasses import replace

    named = replace(BATCH, documents=tuple(replace(each, filename=f"über {each.filename}") for each in BATCH.documents))
    layers = tuple(replace(each, tree=_renamed(each.tree)) for each in BATCH.layers)
    batch = read_aasx(package(replace(named, layers=layers), "000018"))
    assert {each.filename for each in batch.documents} == {f"über {each.filename}" for each in BATCH.documents}
    assert not [each for each in batch.findings if "did not come along" in each.what]


def _renamed(tree: Tree) -> Tree:
    """The same with the new names of our own files."""
    if isinstance(tree, dict):
        own = tree.keys() == {"contentType", "value"} and ":" not in str(tree["value"])
        return {key: f"über {value}" if own and key == "value" else _renamed(value) for key, value in tree.items()}
    return [_renamed(each) for each in tree] if isinstance(tree, list) else tree


def test_both_namespaces_are_read() -> None:
    before = open_zip(PACKAGE)[SPEC]
    older = repacked({SPEC: before.replace(b"admin-shell.io/aas/3/1", b"admin-shell.io/aas/3/0")})
    assert passport(read_aasx(older), "000018") == passport(BATCH, "000018")


def test_a_document_without_content_is_not_packed_away_silently() -> None:
    with pytest.raises(Invalid, match="no content"):
        write_aasx(passport(BATCH, "000018"), {})


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04 nothing", "not a readable zip"),
        (repacked({"_rels/.rels": None}), "holds no AAS environment"),
        (repacked({"aasx/_rels/aasx-origin.rels": None}), "holds no AAS environment"),
        (repacked({SPEC: None}), "names a part that is missing"),
        (repacked({"_rels/.rels": b"<Relationships"}), "not well-formed"),
        (repacked({SPEC: b""}), "not well-formed"),
        (repacked({SPEC: b"<environment/>"}), "namespace none"),
        (xml(b"/aas/3/1", b"/aas/2/0"), "namespace 2.0"),
        (xml(b"<submodels>", b"<submodels><nonsense/>"), "not an AAS environment"),
        (xml(b"<environment", b'<!DOCTYPE environment [<!ENTITY x "y">]><environment'), "DOCTYPE"),
        (xml(b"<environment", b'<!DOCTYPE environment SYSTEM "http://127.0.0.1/x"><environment'), "DOCTYPE"),
        (repacked({"_rels/.rels": b"<!DOCTYPE x><x/>"}), "DOCTYPE"),
        (repacked({SPEC: open_zip(PACKAGE)[SPEC].decode().encode("utf-16")}), "not UTF-8"),
        (repacked({"aasx/documents/bomb.pdf": bytes(300_000)}), "100 times"),
        (repacked({"aasx/documents/inner.pdf": PACKAGE}), "inside the package"),
        (repacked({"AASX/AASX-ORIGIN": b"x"}), "twice"),
    ],
    ids=range(16),
)
def test_a_broken_or_hostile_package_is_refused_whole(data: bytes, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        read_aasx(data)
