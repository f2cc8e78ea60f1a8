"""What one import brings, whatever form it came in: a folder, an AAS environment or an AASX package.

Shared by `folder`, `aas` and `aasx`: the frozen result, and how files that elements point to become documents.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

from submodels.documents import MEDIA_TYPES, entry_identifiers
from submodels.errors import Finding
from submodels.links import names_in
from submodels.table import PARTS, Node, tree
from submodels.value import Tree

CATEGORIES = ("ev", "lmt", "industrial", "stationary")
_ID = re.compile(r"[A-Za-z0-9\-._~:]{1,120}")
_ELSEWHERE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.\-]*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerIn:
    """The values of one part at one level; `owner` is "" for the model, else a serial number; of a batch `batch` is its name."""

    owner: str = ""
    batch: str = ""
    part: str
    tree: Tree  # IDTA names at the newest patch
    remainder: str = ""  # JSON text that only the operator's AAS export uses
    over: bool = False  # laid over the values that are stored, instead of taking their place


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryIn:
    """One item; `aliases` are the other identifiers it may be asked for by, `batch` the one that it was made in, "" unknown."""

    serial: str
    aliases: tuple[str, ...] = ()
    batch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentIn:
    """A file of the model (owner "") or of an item; File values of the owner's trees name it by `filename`."""

    owner: str = ""
    identifier: str
    kind: str = ""  # one of documents.KINDS as stated by the sender, "" when not
    title: str
    filename: str
    media_type: str
    language: str = ""
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One model with what came of its items; a draft (made of a template) cannot be published."""

    model: str
    category: str
    identifiers: Mapping[str, str] = field(default_factory=dict)
    draft: bool = False
    layers: tuple[LayerIn, ...] = ()
    batteries: tuple[BatteryIn, ...] = ()
    documents: tuple[DocumentIn, ...] = ()
    findings: tuple[Finding, ...] = ()
    source: str = ""  # how it came: folder, aasx, aas, csv, update ...
    who: str = "operator"  # who sent it
    mapping: tuple[tuple[str, str], ...] = ()  # of another model's file: where each of its fields went, "" nowhere


def valid_id(text: str) -> bool:
    """Whether ids of ours may be made of this text: letters, digits and -._~: only."""
    return bool(_ID.fullmatch(text)) and text not in (".", "..")


def safe_id(text: str) -> str:
    """A foreign name in the alphabet of our ids; what does not belong becomes `-`."""
    return re.sub(r"[^A-Za-z0-9\-._~:]+", "-", text).strip("-.")[:120] or "unnamed"


def aliases(parts: Mapping[str, Tree]) -> tuple[str, ...]:
    """The identifiers inside a battery's parts that it may be asked for by, besides its serial number.

    Of a GS1 link also what it names on every host (`links.gs1_key`).
    """
    wanted = (("nameplate", "URIOfTheProduct"), ("metadata", "uniqueProductIdentifier"), ("metadata", "digitalProductPassportId"))
    found = (text_at(parts.get(part), name) for part, name in wanted)
    given = [text for text in found if text]
    keys = [key for text in given for key in names_in(text, "")]
    return tuple(dict.fromkeys([*given, *keys]))


def text_at(found: Tree, *path: str) -> str:
    """The text at a path of names; "" when there is none."""
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return str(found) if type(found) is str else ""


def is_elsewhere(place: str) -> bool:
    """Whether a File value points outside of what was sent (a URL), rather than to a file that came along."""
    return bool(_ELSEWHERE.match(place))


def in_order(layers: Iterable[LayerIn]) -> tuple[LayerIn, ...]:
    """The model's layers first, then those of batches, each owner's in the order of the parts."""
    return tuple(sorted(layers, key=lambda layer: (layer.owner, layer.batch, PARTS.index(layer.part))))


class Files:
    """The files that came along, given out to the elements that point to them.

    `claimed` are documents already described elsewhere (documents.csv), by the path of their file.
    """

    def __init__(self, files: Mapping[str, bytes], claimed: Mapping[str, DocumentIn] | None = None) -> None:
        self._files = files
        self._folded = {name.casefold(): name for name in files}
        self._documents: dict[str, DocumentIn] = dict(claimed or {})
        self.findings: list[Finding] = []

    @property
    def documents(self) -> tuple[DocumentIn, ...]:
        return tuple(self._documents.values())

    def doubled(self) -> Iterator[Finding]:
        """Documents of one owner that would take each other's place: one identifier, and not each a language of its own."""
        shared: dict[tuple[str, str], list[str]] = {}
        for each in self._documents.values():
            shared.setdefault((each.owner, each.identifier), []).append(each.language.lower())
        for (owner, identifier), languages in shared.items():
            if len(languages) > 1 and len(set(languages) - {""}) < len(languages):
                where = f"{owner or 'model'}, document {identifier[:80]}"
                what = f"{len(languages)} files under one identifier"
                yield Finding(where, what, "give each file an identifier, or a language, of its own", "error")

    @property
    def unclaimed(self) -> tuple[str, ...]:
        """Paths that no element and no list points to."""
        return tuple(name for name in self._files if name not in self._documents)

    def take(self, owner: str, part: str, found: Tree, kinds: Mapping[int, str] | None = None) -> Tree:
        """The tree with each File value naming its document by filename; notes documents that nobody has described.

        `kinds` states the kind of document per handover entry, by its place in `Documents`.
        """

        def claim(value: dict[str, Tree], path: tuple[str | int, ...]) -> Tree:
            place = value.get("value")
            if type(place) is not str or is_elsewhere(place):
                return value
            where = "/".join((owner, part, *map(str, path))).lstrip("/")
            name = self._find(place)
            if name is None:
                self.findings.append(Finding(where, f"points to the file {place[:120]!r}, which did not come along", "add the file"))
                return value
            if name not in self._documents:
                told = _describe(found, path, kinds or {}) if part == "handover" else {}
                self._documents[name] = self._document(owner, name, text_at(value, "contentType"), told, where)
            return {**value, "value": self._documents[name].filename}

        return on_files(tree(part), found, (), claim)

    def _find(self, place: str) -> str | None:
        name = unquote(place.removeprefix("file://")).lstrip("/")
        return name if name in self._files else self._folded.get(name.casefold())

    def _document(self, owner: str, name: str, media_type: str, told: Mapping[str, str], where: str) -> DocumentIn:
        media_type = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        self.findings.extend(odd_content(where, name, media_type, self._files[name]))
        filename = self._filename(owner, name)
        # A logo or a marking stands in no handover entry: its file is its own identifier, and of no kind.
        told = {key: text for key, text in told.items() if text}
        named = {"identifier": filename, "title": filename, **told}
        return DocumentIn(owner=owner, filename=filename, media_type=media_type, content=self._files[name], **named)

    def _filename(self, owner: str, name: str) -> str:
        taken = {each.filename for each in self._documents.values() if each.owner == owner}
        path = PurePosixPath(name)
        candidates = (path.name, *(f"{path.stem}-{number}{path.suffix}" for number in range(2, 2002)))
        return next(each for each in candidates if each not in taken)


def odd_content(where: str, name: str, media_type: str, content: bytes) -> list[Finding]:
    """What is wrong with a file: a media type that is not handed out, or bytes that are something else."""
    if media_type not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        return [Finding(where, f"{name} is of type {media_type[:80]}, which is kept but not handed out", f"types are {known}")]
    if not content.startswith(_BEGINS.get(media_type, b"")):
        return [Finding(where, f"{name} does not begin like {media_type}", "check the file and its type", "error")]
    return []


_BEGINS = {"application/pdf": b"%PDF-", "image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8"}


def _describe(handover: Tree, path: tuple[str | int, ...], kinds: Mapping[int, str]) -> dict[str, str]:
    """Identifier, title, language and kind of the handover entry that a file stands in."""
    entry = _step(_step(handover, "Documents"), path[1]) if len(path) > 3 else None
    version = _step(_step(entry, "DocumentVersions"), path[3]) if len(path) > 3 else None
    identifiers = entry_identifiers(entry)
    languages = _step(version, "Language")
    return {
        "identifier": _primary(entry) or (identifiers[0] if identifiers else ""),
        "kind": kinds.get(path[1], "") if len(path) > 1 and isinstance(path[1], int) else "",
        "title": in_english(_step(version, "Title")),
        "language": str(languages[0]) if isinstance(languages, list) and languages and type(languages[0]) is str else "",
    }


def _primary(entry: Tree) -> str:
    ids = _step(entry, "DocumentIds")
    marked = (each for each in ids if _step(each, "DocumentIsPrimary") is True) if isinstance(ids, list) else iter(())
    return next((text_at(each, "DocumentIdentifier") for each in marked), "")


def in_english(texts: Tree) -> str:
    """One text of several languages: English, else the first."""
    said = (
        [(language, text) for each in texts if isinstance(each, dict) for language, text in each.items()] if isinstance(texts, list) else []
    )
    english = (text for language, text in said if language == "en" or language.startswith("en-"))
    return str(next(english, said[0][1] if said else ""))


def _step(found: Tree, key: str | int) -> Tree:
    if isinstance(key, int):
        return found[key] if isinstance(found, list) and key < len(found) else None
    return found.get(key) if isinstance(found, dict) else None


def on_files(
    node: Node | None, found: Tree, path: tuple[str | int, ...], change: Callable[[dict[str, Tree], tuple[str | int, ...]], Tree]
) -> Tree:
    """The tree with `change` applied to every File value that the element table knows, told with its path."""
    if node is None:
        return found
    if node.element is not None and node.element.kind == "File":
        return change(found, path) if isinstance(found, dict) else found
    if isinstance(found, dict):
        return {name: on_files(node.children.get(name), child, (*path, name), change) for name, child in found.items()}
    if isinstance(found, list):
        return [on_files(node.item, child, (*path, number), change) for number, child in enumerate(found)]
    return found
