"""AAS and submodel repositories over HTTP (IDTA 01002 v3.1, profiles SSP-002): addresses in, `connector.exchange.repository` asked.

Base `/aas/api/v3.1` on the dataspace listener, `/management/aas/api/v3.1` on the operator's; `v3.0` is the same and lists the older
profiles.  B is an id as base64url, P an idShortPath, * one of $metadata $value $reference $path:

    /shells[/$reference]                       /shells/B[/$reference | /asset-information[/thumbnail] | /submodel-refs]
    /submodels[/*]  /submodels/B[/*]           /submodels/B/submodel-elements[/*]  .../submodel-elements/P[/* | /attachment]
    /shells/B/submodels/B...                   /submodels/B/submodel...    one submodel as a service of its own (SSP-003)
    /serialization  /description               registry and discovery too: see `registry`

An operation of the API that is not served answers 501; errors are a Result.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from connector.errors import Hidden, Malformed, Refused
from connector.exchange import packing, registry, repository, sight
from connector.exchange.parcel import Parcel
from connector.exchange.repository import Leaf, Look, Wish
from connector.exchange.sight import Sight
from connector.ports import World
from connector.protocol.plain import read_json
from submodels import idshort
from submodels.twin import AssetId

from .data import deliver
from .doorway import VISIT
from .registry import NOUNS, decoded, paging
from .registry import shown as registry_shown
from .turns import in_turn

VERSIONS = ("v3.1", "v3.0")
PAGE = 100  # whole shells or submodels of one answer at most; of elements, paths and references to submodels more
_FORMS = ("$metadata", "$value", "$reference", "$path")
# What Part 2 knows besides, and is not served here.
_ELSEWHERE = ("packages", "concept-descriptions", "query", "bulk", "aas", "submodel")
_NOT_SERVED = ("invoke", "invoke-async", "operation-status", "operation-results")
_PROFILES = (
    "AssetAdministrationShellRepositoryServiceSpecification/SSP-002",
    "SubmodelRepositoryServiceSpecification/SSP-002",
    "AssetAdministrationShellServiceSpecification/SSP-002",
    "SubmodelServiceSpecification/SSP-002",
    "SubmodelServiceSpecification/SSP-003",
    "AssetAdministrationShellRegistryServiceSpecification/SSP-005",
    "DiscoveryServiceSpecification/SSP-002",
)


async def answer(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """Answer a caller of the dataspace listener; `steps` begin with `aas`."""
    rest = based(steps)
    who = await sight.sight(world, request.headers.get("Authorization", ""))
    request[VISIT].peer = who.permit.agreement.peer if who.permit else who.caller.participant if who.caller else ""
    try:
        async with in_turn(request, request[VISIT].peer):
            return await shown(world, who, request, rest)
    except Hidden:
        raise Hidden from None  # one text, whatever was looked for


def based(steps: tuple[str, ...]) -> tuple[str, ...]:
    """What follows the base; Hidden when it is another."""
    if len(steps) < 3 or steps[:2] != ("aas", "api") or steps[2] not in VERSIONS:
        raise Hidden
    return steps[2:]


async def shown(world: World, who: Sight, request: web.Request, steps: tuple[str, ...]) -> web.Response:
    """Answer a reading from somebody who is known; `steps` are the version and what follows."""
    version, *rest = steps
    if rest[:1] and rest[0] in NOUNS:
        return await registry_shown(world, who, request, tuple(rest))
    if request.method != "GET":
        raise unserved()
    if rest[-1:] == ["description"] and len(rest) in (1, 3):
        return web.json_response({"profiles": [f"https://admin-shell.io/aas/API/{version[1:].replace('.', '/')}/{p}" for p in _PROFILES]})
    match rest:
        case ["shells", *more]:
            return deliver(await _shells(world, who, request, more))
        case ["submodels", *more]:
            return deliver(await _submodels(world, who, request, more))
        case ["serialization"]:
            return deliver(await _serialization(world, who, request))
        case [noun, *_] if noun in _ELSEWHERE:
            raise unserved()
    raise Hidden


def encoded(id: str) -> str:
    """An id as it stands in an address."""
    return base64.urlsafe_b64encode(id.encode()).rstrip(b"=").decode()


def unserved() -> Refused:
    """501: the API has this operation, this node does not."""
    error = Refused("This operation is not served here.", next="See the profiles under /description.", code="aas.unserved")
    error.status = 501
    return error


async def _shells(world: World, who: Sight, request: web.Request, rest: Sequence[str]) -> Parcel:
    match rest:
        case [] | ["$reference"]:
            wish = Wish(id_short=_id_short(request), links=_asset_ids(request, world))
            return await repository.shells(world, who, wish, _leaf(request, PAGE), Look(rest[0][1:] if rest else ""))
        case [id]:
            return await repository.shell(world, who, decoded(id), "")
        case [id, ("$reference" | "asset-information") as form]:
            return await repository.shell(world, who, decoded(id), form.removeprefix("$"))
        case [id, "asset-information", "thumbnail"]:
            return await repository.thumbnail(world, who, decoded(id))
        case [id, "submodel-refs"]:
            return await repository.submodel_refs(world, who, decoded(id), _leaf(request))
        case [id, "submodels", submodel, *more]:
            return await _submodel(world, who, request, decoded(submodel), more, decoded(id))
    raise Hidden


async def _submodels(world: World, who: Sight, request: web.Request, rest: Sequence[str]) -> Parcel:
    match rest:
        case []:
            return await _page(world, who, request, "")
        case [form] if form in _FORMS:
            return await _page(world, who, request, form)
        case [id, "submodel", *more] | [id, *more]:
            return await _submodel(world, who, request, decoded(id), more, "")
    raise Hidden


async def _page(world: World, who: Sight, request: web.Request, form: str) -> Parcel:
    wish = Wish(id_short=_id_short(request), semantic=_semantic_id(request, world))
    leaf = _leaf(request, *(() if form == "$path" else (PAGE,)))
    return await repository.submodels(world, who, wish, leaf, _look(request, form))


async def _submodel(world: World, who: Sight, request: web.Request, id: str, rest: Sequence[str], within: str) -> Parcel:
    match rest:
        case []:
            return await repository.submodel(world, who, id, _look(request, ""), within)
        case [form] if form in _FORMS:
            return await repository.submodel(world, who, id, _look(request, form), within)
        case ["submodel-elements"]:
            return await repository.elements(world, who, id, _look(request, ""), _leaf(request), within)
        case ["submodel-elements", form] if form in _FORMS:
            return await repository.elements(world, who, id, _look(request, form), _leaf(request), within)
        case ["submodel-elements", path]:
            return await repository.element(world, who, id, idshort.parse(path), _look(request, ""), within)
        case ["submodel-elements", path, form] if form in _FORMS:
            return await repository.element(world, who, id, idshort.parse(path), _look(request, form), within)
        case ["submodel-elements", path, "attachment"]:
            return await repository.attachment(world, who, id, idshort.parse(path), within)
        case ["submodel-elements", _, verb, *_] if verb in _NOT_SERVED:
            raise unserved()
    raise Hidden


async def _serialization(world: World, who: Sight, request: web.Request) -> Parcel:
    wished = request.headers.get("Accept", "")
    media = next((each for each in (packing.AASX_XML, packing.AASX, packing.XML) if each in wished), packing.JSON)
    concepts = _one_of(request, "includeConceptDescriptions", ("true", "false"), "true") == "true"
    shells, submodels = (_ids(request, name) for name in ("aasIds", "submodelIds"))
    return await packing.serialization(world, who, shells, submodels, media=media, concepts=concepts)


# --- what is asked -------------------------------------------------------------------------------


def _look(request: web.Request, form: str) -> Look:
    """Level and extent; they do not go with metadata and reference (Part 2, table of modifiers)."""
    core = _one_of(request, "level", ("deep", "core"), "deep") == "core"
    blobs = _one_of(request, "extent", ("withoutBlobValue", "withBlobValue"), "withoutBlobValue") == "withBlobValue"
    taken = {"$metadata": (), "$reference": (), "$path": ("level",)}.get(form, ("level", "extent"))
    for name in ("level", "extent"):
        if name in request.query and name not in taken:
            raise Malformed(f"{form} has no {name}.", next="Leave it out.", where=name)
    return Look(form.removeprefix("$"), core, blobs)


def _one_of(request: web.Request, name: str, values: tuple[str, ...], default: str) -> str:
    given = request.query.getall(name, [default])
    if name == "includeConceptDescriptions":
        given = [each.lower() for each in given]  # clients in Python write True
    if len(given) > 1 or given[0] not in values:
        raise Malformed(f"{name} is {' or '.join(values)}.", next="Leave it out, or send one of them.", where=name)
    return given[0]


def _leaf(request: web.Request, most: int = 1000) -> Leaf:
    leaf = Leaf(**paging(request))
    return Leaf(min(leaf.limit, most), leaf.cursor)


def _id_short(request: web.Request) -> str:
    return request.query.get("idShort", "")


def _ids(request: web.Request, name: str) -> list[str]:
    return [decoded(each) for text in request.query.getall(name, []) for each in text.split(",") if each]


def _asset_ids(request: web.Request, world: World) -> tuple[AssetId, ...]:
    """`assetIds`: a base64url JSON object {name, value} each."""
    found = [read_json(each.encode(), world.limits) for each in _ids(request, "assetIds")]
    links = []
    for each in found:
        name, value = (each.get("name"), each.get("value")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str) or not name or not value or len(found) > registry.MANY:
            raise Malformed(
                "An asset id has a name and a value.", next='Send {"name": "...", "value": "..."}, as base64url.', where="assetIds"
            )
        links.append(AssetId(name, value))
    return tuple(links)


def _semantic_id(request: web.Request, world: World) -> tuple[str, ...]:
    """`semanticId`: a Reference as base64url JSON; what its keys say."""
    text = request.query.get("semanticId", "")
    if not text:
        return ()
    found: Any = read_json(decoded(text).encode(), world.limits)
    keys = found.get("keys") if isinstance(found, dict) else None
    values = tuple(str(each.get("value", "")) for each in keys if isinstance(each, dict)) if isinstance(keys, list) else ()
    if not all(values) or not values:
        raise Malformed("A semantic id is a Reference.", next='Send {"type": ..., "keys": [...]}, as base64url.', where="semanticId")
    return values
