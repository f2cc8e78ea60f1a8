"""Read a passport folder, as a person writes it and as `decisions.md` describes it:

    model.toml                          model id, category, [identifiers] manufacturer, operator, facility
    parts/<part key>.json               $value of what all items share
    batches/<name>/<part key>.json      $value of what the items of one batch share, laid over the model's
    items/<serial>/<part key>.json      $value of what one item says, laid over its batch's and the model's
    items/<serial>/item.toml            batch: the name of the batch it was made in
    documents.csv                       owner, identifier, kind, title, file, media_type, language; sha256 where it is to be checked
    documents/...                       the files themselves, anywhere in the folder

Takes the files as a mapping, so it does not matter whether they lay on a disk or in a zip.
"""

from __future__ import annotations

import csv
import hashlib
import io
import mimetypes
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import PurePosixPath

from submodels.batch import (
    CATEGORIES,
    Batch,
    BatteryIn,
    DocumentIn,
    Files,
    LayerIn,
    aliases,
    in_order,
    odd_content,
    text_at,
    valid_id,
)
from submodels.documents import KINDS
from submodels.errors import Finding, Invalid
from submodels.table import PARTS
from submodels.value import Tree, normalise, read_json

__all__ = ["Batch", "BatteryIn", "DocumentIn", "LayerIn", "read_folder"]

COLUMNS = ("owner", "identifier", "kind", "title", "file", "media_type", "language")
_NEEDED = ("identifier", "file")
_KINDS = f"kinds are {', '.join(KINDS)}"
DIGEST = "sha256"  # a column that may be there: what the file must hash to, in hex
ITEM = "item.toml"
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git")


def read_folder(files: Mapping[str, bytes]) -> Batch:
    """The folder as a Batch; Invalid when it cannot be read as one, findings for what a person should look at."""
    files = _inside(files)
    model, category, identifiers = _model(files["model.toml"])
    findings: list[Finding] = []
    layers: list[LayerIn] = []
    for name, owner, batch, part in _layers(files):
        try:
            tree, odd = normalise(part, read_json(files[name], where=name))
        except Invalid as error:
            raise Invalid(name, error.what, error.next) from None
        findings.extend(Finding(f"{name}: {each.where}", each.what, each.next, each.severity) for each in odd)
        layers.append(LayerIn(owner=owner, batch=batch, part=part, tree=tree))
    if not layers:
        raise Invalid("parts/", "no part found", f"write parts/<part>.json; parts are {', '.join(PARTS)}")
    batches = _batches(files, {layer.batch for layer in layers} - {""})
    serials = sorted({layer.owner for layer in layers} - {""} | batches.keys())
    pool = Files(_documents_only(files), _listed(files, serials, findings))
    layers = [replace(each, tree=pool.take(each.owner, each.part, each.tree)) for each in layers]
    findings.extend((*pool.findings, *pool.doubled()))
    findings.extend(Finding(name, "belongs to nothing; not imported", "list it in documents.csv") for name in pool.unclaimed)
    findings.extend(_contradictions(category, layers))
    return Batch(
        model=model,
        category=category,
        identifiers=identifiers,
        layers=in_order(layers),
        batteries=tuple(_battery(serial, batches.get(serial, ""), layers) for serial in serials),
        documents=pool.documents,
        findings=tuple(findings),
        source="folder",
    )


def _inside(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files under the one `model.toml`, without what desktops leave behind."""
    kept = {name: content for name, content in files.items() if not any(step in _LITTER for step in name.split("/"))}
    roots = [name.removesuffix("model.toml") for name in kept if PurePosixPath(name).name == "model.toml"]
    if len(roots) != 1:
        raise Invalid("model.toml", f"found {len(roots) or 'none'} in the folder", "send one folder with one model.toml")
    return {name.removeprefix(roots[0]): content for name, content in kept.items() if name.startswith(roots[0])}


def _model(content: bytes) -> tuple[str, str, dict[str, str]]:
    try:
        said = tomllib.loads(content.decode("utf-8-sig"))
    except (UnicodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid("model.toml", f"not TOML: {error}") from None
    _known("model.toml", said, ("model", "category", "identifiers"))
    model, category, identifiers = said.get("model"), said.get("category"), said.get("identifiers", {})
    if not isinstance(model, str) or not valid_id(model):
        raise Invalid("model.toml: model", "must be the model's id, of letters, digits and -._~:", 'model = "EV-72"')
    if category not in CATEGORIES:
        raise Invalid("model.toml: category", f"must be one of {', '.join(CATEGORIES)}", 'category = "ev"')
    if not isinstance(identifiers, dict) or not all(isinstance(text, str) for text in identifiers.values()):
        raise Invalid("model.toml: identifiers", "must be a table of texts", '[identifiers]  manufacturer = "..."')
    _known("model.toml: identifiers", identifiers, ("manufacturer", "operator", "facility"))
    return model, category, identifiers


def _known(where: str, said: Mapping[str, object], names: tuple[str, ...]) -> None:
    for key in said:
        if key not in names:
            near = get_close_matches(key, names, 1, 0.5)
            raise Invalid(f"{where}: {key}", "no such setting", f"did you mean {near[0]}?" if near else f"settings are {', '.join(names)}")


def _layers(files: Mapping[str, bytes]) -> Iterator[tuple[str, str, str, str]]:
    """(path, owner, batch, part) of every part file; Invalid for a file in these folders that is none."""
    for name in files:
        steps = name.split("/")
        if steps[0] not in ("parts", "batches", "items") or (steps[0] == "items" and steps[-1] == ITEM and len(steps) == 3):
            continue
        depth, named = (2, "") if steps[0] == "parts" else (3, steps[1] if len(steps) > 2 else "")
        part = steps[-1].removesuffix(".json")
        if len(steps) != depth or not steps[-1].endswith(".json") or part not in PARTS:
            near = get_close_matches(part, PARTS, 1, 0.5)
            raise Invalid(name, "is no part", f"did you mean {near[0]}.json?" if near else f"parts are {', '.join(PARTS)}")
        if named and not valid_id(named):
            what = "the serial number" if steps[0] == "items" else "the name of a batch"
            raise Invalid(name, f"{what} may hold letters, digits and -._~: only", "rename the folder")
        yield name, named if steps[0] == "items" else "", named if steps[0] == "batches" else "", part


def _batches(files: Mapping[str, bytes], known: Collection[str]) -> dict[str, str]:
    """Serial number -> the batch that its `item.toml` names; a batch without values of its own may be named too."""
    found: dict[str, str] = {}
    for name in files:
        steps = name.split("/")
        if steps[0] != "items" or steps[-1] != ITEM or len(steps) != 3:
            continue
        try:
            said = tomllib.loads(files[name].decode("utf-8-sig"))
        except (UnicodeError, tomllib.TOMLDecodeError) as error:
            raise Invalid(name, f"not TOML: {error}") from None
        _known(name, said, ("batch",))
        batch = said.get("batch", "")
        if not isinstance(batch, str) or not valid_id(steps[1]) or (batch and not valid_id(batch)):
            raise Invalid(f"{name}: batch", "must be the batch's name, of letters, digits and -._~:", 'batch = "2024-11"')
        if batch and known and batch not in known:
            near = get_close_matches(batch, known, 1, 0.5)
            raise Invalid(
                f"{name}: batch", f"no batch {batch!r} in the folder", f"did you mean {near[0]}?" if near else "add batches/<name>/"
            )
        found[steps[1]] = batch
    return found


def _documents_only(files: Mapping[str, bytes]) -> dict[str, bytes]:
    own = ("model.toml", "documents.csv")
    return {name: content for name, content in files.items() if name not in own and not name.startswith(("parts/", "batches/", "items/"))}


def _listed(files: Mapping[str, bytes], serials: list[str], findings: list[Finding]) -> dict[str, DocumentIn]:
    """The rows of documents.csv by the path of their file."""
    try:
        text = files.get("documents.csv", b"").decode("utf-8-sig")
    except UnicodeError:
        raise Invalid("documents.csv", "not UTF-8", "save it as CSV UTF-8") from None
    head = text.partition("\n")[0]
    # Spreadsheets of half of Europe write semicolons.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",", strict=True)
    found: dict[str, DocumentIn] = {}
    taken: set[tuple[str, str]] = set()
    try:
        _known("documents.csv", dict.fromkeys(reader.fieldnames or ()), (*COLUMNS, DIGEST))
        for row in reader:
            where = f"documents.csv, line {reader.line_num}"
            document, name = _row(row, where, files, serials)
            if name in found or (document.owner, document.filename) in taken:
                raise Invalid(where, f"a file {document.filename} stands here already", "name each file once")
            taken.add((document.owner, document.filename))
            found[name] = document
            findings.extend(odd_content(where, name, document.media_type, document.content))
            if not document.kind:
                findings.append(
                    Finding(where, "has no kind; it takes that of the element that refers to it", f"kinds are {', '.join(KINDS)}")
                )
    except csv.Error as error:
        raise Invalid("documents.csv", f"not CSV: {error}") from None
    return found


def _row(row: Mapping[str | None, str | None], where: str, files: Mapping[str, bytes], serials: list[str]) -> tuple[DocumentIn, str]:
    if None in row:
        raise Invalid(where, "has more cells than the head has columns", 'put texts with a comma in "quotes"')
    cell = {str(name): (text or "").strip() for name, text in row.items()}
    missing = [name for name in _NEEDED if not cell.get(name)]
    if missing:
        raise Invalid(where, f"{missing[0]} is empty", f"columns are {', '.join(COLUMNS)}")
    name, kind, owner = cell["file"], cell.get("kind", ""), cell.get("owner", "")
    if name not in files:
        near = get_close_matches(name, files, 1, 0.5)
        raise Invalid(where, f"the file {name[:120]!r} is not in the folder", f"did you mean {near[0]}?" if near else "")
    if kind and kind not in KINDS:
        near = get_close_matches(kind, KINDS, 1, 0.5)
        raise Invalid(
            where, f"{kind[:60]!r} is no kind of document", f"did you mean {near[0]}?" if near else f"kinds are {', '.join(KINDS)}"
        )
    digest = cell.get(DIGEST, "").lower()
    if digest and digest != hashlib.sha256(files[name]).hexdigest():
        raise Invalid(
            where, f"the file {name[:120]!r} has another SHA-256 than {digest[:12]}...", "send the file that was meant, or its digest"
        )
    if owner and owner not in serials:
        raise Invalid(where, f"no item {owner[:60]!r} in the folder", "owner is empty for the model, else a serial number")
    document = DocumentIn(
        owner=owner,
        identifier=cell["identifier"],
        kind=kind,
        title=cell.get("title") or PurePosixPath(name).stem,
        filename=PurePosixPath(name).name,
        media_type=cell.get("media_type") or mimetypes.guess_type(name)[0] or "application/octet-stream",
        language=cell.get("language", ""),
        content=files[name],
    )
    return document, name


def _battery(serial: str, batch: str, layers: list[LayerIn]) -> BatteryIn:
    return BatteryIn(serial=serial, aliases=aliases(_parts(serial, layers)), batch=batch)


def _parts(owner: str, layers: list[LayerIn]) -> dict[str, Tree]:
    return {layer.part: layer.tree for layer in layers if layer.owner == owner and not layer.batch}


def _folder(layer: LayerIn) -> str:
    return f"batches/{layer.batch}" if layer.batch else "parts"


def _contradictions(category: str, layers: list[LayerIn]) -> Iterator[Finding]:
    """Where file names and values say different things."""
    for layer in layers:
        said = text_at(layer.tree, "SerialNumber") if layer.part == "nameplate" else ""
        if said and said != layer.owner:
            where = f"items/{layer.owner}/nameplate.json" if layer.owner else f"{_folder(layer)}/nameplate.json"
            yield Finding(where, f"SerialNumber says {said[:60]!r}", "name the folder of an item by its serial number", "error")
        told = text_at(layer.tree, "GeneralInformation", "BatteryCategory") if layer.part == "technical" else ""
        if told and told != category:
            yield Finding(
                "model.toml: category", f"is {category}, but BatteryCategory says {told[:60]!r}", "let both say the same", "error"
            )
