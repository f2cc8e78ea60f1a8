"""AASX packages: read what a stranger packed, write what the operator exports.

Reading is a guarded walk over the zip (`package`), then the package's own relationships, then JSON, or aas-core's XML under the
namespace the file names.  Writing is JSON or aas-core's XML in a package made here: basyx would write it too, but changes
numbers (`10` becomes `10.0`) and order, and what a passport says is kept as written.  Tests read it back with basyx.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from submodels.aas import environment_to_batch
from submodels.batch import Batch
from submodels.environment import environment
from submodels.errors import Invalid
from submodels.package import guarded_xml, open_zip
from submodels.passport import Passport
from submodels.value import Tree, read_json, write_json
from submodels.verify import core

__all__ = ["open_zip", "pack", "read_aasx", "write_aasx", "write_xml"]

_RELATIONS = "http://admin-shell.io/aasx/relationships/"
_ORIGIN, _SPEC, _FILES = "aasx/aasx-origin", "aasx/xml/passport.aas.xml", "aasx/documents/"
_SPEC_JSON = "aasx/json/passport.aas.json"
_NAMESPACE = re.compile(rb"""xmlns(?::[\w.-]+)?\s*=\s*["']https?://(?:www\.)?admin-shell\.io/aas/([0-9/]+)["']""")


def read_aasx(data: bytes) -> Batch:
    """The package's battery parts and documents; Invalid when it breaks a limit, is no AASX, or holds no such part."""
    files = open_zip(data)
    env: dict[str, Tree] = {}
    plumbing = {name for name in files if name == "[Content_Types].xml" or name.endswith(".rels")}
    for origin in _related(files, "", "aasx-origin"):
        plumbing.add(origin)
        for spec in _related(files, origin, "aas-spec"):
            plumbing.add(spec)
            _join(env, _environment(files[spec], spec))
    if not env:
        raise Invalid("package", "holds no AAS environment", "an AASX names it by the relationships aasx-origin and aas-spec")
    # names of parts are percent-encoded (OPC, ECMA-376-2 clause 6.2.2), those of files are not
    return environment_to_batch(env, {unquote(name): content for name, content in files.items() if name not in plumbing})


def _related(files: Mapping[str, bytes], source: str, kind: str) -> Iterator[str]:
    """The parts that a part is related to in this way (OPC, ECMA-376-2 clause 9)."""
    folder, name = posixpath.split(source)
    rels = posixpath.join(folder, "_rels", f"{name}.rels")
    if rels not in files:
        return
    for relation in _xml(files[rels], rels):
        if not relation.get("Type", "").lower().endswith(f"/relationships/{kind}") or relation.get("TargetMode") == "External":
            continue
        said = unquote(relation.get("Target", ""))
        target = posixpath.normpath(said.lstrip("/") if said.startswith("/") else posixpath.join(folder, said))
        if target not in files:
            raise Invalid(f"package: {rels}", f"names a part that is missing: {target[:120]!r}", "pack it again")
        yield target


def _xml(data: bytes, where: str) -> ElementTree.Element:
    # guarded_xml has refused DOCTYPE, entities, depth and size; nothing is left that expat could be hurt with.
    try:
        return ElementTree.fromstring(guarded_xml(data, f"package: {where}"))  # noqa: S314
    except ElementTree.ParseError as error:
        raise Invalid(f"package: {where}", f"not well-formed XML: {error}") from None


def _environment(data: bytes, where: str) -> dict[str, Tree]:
    if where.casefold().endswith(".json"):
        found = read_json(data, where=f"package: {where}", max_bytes=64 * 1024 * 1024, nodes=2_000_000)
        return found if isinstance(found, dict) else {}
    text = guarded_xml(data, f"package: {where}")
    said = _NAMESPACE.search(text)
    version = said.group(1).decode().replace("/", ".") if said else "none"
    if version not in ("3.0", "3.1"):
        raise Invalid(f"package: {where}", f"AAS namespace {version} is not read here", "export it under metamodel 3.0 or 3.1")
    jsonization, _, xmlization = core(version)
    try:
        read: dict[str, Tree] = jsonization.to_jsonable(xmlization.environment_from_str(text.decode()))
    except xmlization.DeserializationException as error:
        raise Invalid(f"package: {where}{error.path}", f"not an AAS environment: {error.cause}") from None
    except (ElementTree.ParseError, UnicodeError, RecursionError) as error:
        raise Invalid(f"package: {where}", f"not readable XML: {error}") from None
    return read


def _join(env: dict[str, Tree], more: dict[str, Tree]) -> None:
    """Add what another environment of the package says; an id said twice counts once."""
    for key in ("assetAdministrationShells", "submodels", "conceptDescriptions"):
        have, added = env.setdefault(key, []), more.get(key)
        if isinstance(have, list) and isinstance(added, list):
            known = {each.get("id") for each in have if isinstance(each, dict)}
            have.extend(each for each in added if isinstance(each, dict) and each.get("id") not in known)
    for key in [key for key, value in env.items() if not value]:
        del env[key]


def write_aasx(passport: Passport, contents: Mapping[str, bytes], remainders: Mapping[str, str] | None = None) -> bytes:
    """The passport and its documents as one package, under metamodel 3.1; `contents` holds the bytes by document id.

    The same input gives the same package.  Invalid when a document's bytes are missing, or as `passport_to_environment`.
    """
    missing = [each.id for each in passport.documents if each.id not in contents]
    if missing:
        raise Invalid(missing[0], "has no content to pack", "import the document again")
    documents = {each.filename: (each.media_type, contents[each.id]) for each in passport.documents}
    return pack(environment(passport, remainders, under=f"/{_FILES}"), documents, xml=True)


def write_xml(env: dict[str, Tree]) -> bytes:
    """An environment as AAS XML, metamodel 3.1."""
    jsonization, _, xmlization = core("3.1")
    xml = xmlization.to_str(jsonization.environment_from_jsonable(env))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{xml}'.encode()


def pack(env: dict[str, Tree], files: Mapping[str, tuple[str, bytes]], *, xml: bool = False) -> bytes:
    """An environment and the files beside it (name -> media type, bytes) as one package; nothing else is in it.

    The environment is JSON, which is the same under metamodel 3.0 and 3.1 and so is read by tools of both; `xml` has to choose, and is 3.1.
    """
    documents = {_FILES + quote(name): file for name, file in files.items()}
    spec, media = (_SPEC, "application/xml") if xml else (_SPEC_JSON, "application/json")
    folder, name = posixpath.split(spec)
    parts = {
        "[Content_Types].xml": _content_types({spec: media, **{name: media for name, (media, _) in documents.items()}}),
        "_rels/.rels": _relationships([("aasx-origin", _ORIGIN)]),
        _ORIGIN: b"Intentionally empty.",
        "aasx/_rels/aasx-origin.rels": _relationships([("aas-spec", spec)]),
        spec: write_xml(env) if xml else write_json(env),
        f"{folder}/_rels/{name}.rels": _relationships([("aas-suppl", name) for name in documents]),
        **{name: content for name, (_, content) in documents.items()},
    }
    return _zip(parts)


def _content_types(documents: Mapping[str, str]) -> bytes:
    overrides: dict[str, str] = {_ORIGIN: "text/plain", **documents}
    rows = "".join(f"<Override PartName={quoteattr('/' + name)} ContentType={quoteattr(media)}/>" for name, media in overrides.items())
    rels = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    return _opc(f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{rels}{rows}</Types>')


def _relationships(targets: list[tuple[str, str]]) -> bytes:
    rows = "".join(
        f'<Relationship Id="R{number}" Type="{_RELATIONS}{kind}" Target={quoteattr("/" + target)}/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return _opc(f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{rows}</Relationships>')


def _opc(xml: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}\n'.encode()


def _zip(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name)  # 1980-01-01: no clock in the bytes
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            package.writestr(entry, content)
    return out.getvalue()
