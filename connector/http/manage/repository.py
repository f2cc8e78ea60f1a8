"""Operator API: the AAS and submodel repositories, whole, at the addresses of IDTA 01002 below `/management/aas/api/v3.1`.

Reading is `connector.http.aas`, seen by the operator.  Writing: values of passports ($value, elements, whole submodels), and
shells, submodels, concept descriptions and their files beside passports.  Described by IDTA's own OpenAPI, so it has no rows in ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from connector.errors import Malformed
from connector.exchange.sight import OPERATOR
from connector.http import aas
from connector.http.doorway import JSON, TEXT, read_body, steps
from connector.http.registry import decoded
from connector.operate import repository
from connector.ports import World
from submodels.idshort import Path, parse

BASE = "/management/aas/api"
_SORTS = {"shells": "shell", "submodels": "submodel", "concept-descriptions": "concept"}


def routes(world: World) -> list[web.RouteDef]:
    """One route for all: ids hold what they hold."""

    async def take(request: web.Request) -> web.StreamResponse:
        version, *rest = aas.based(steps(request)[1:])
        if request.method == "GET" or rest[:1] == ["lookup"]:
            return await aas.shown(world, OPERATOR, request, (version, *rest))
        if rest[:1] == ["shells"] and rest[2:3] == ["submodels"]:
            rest = rest[2:]  # a submodel is written as such, whichever shell it is asked of
        return await _write(world, request, rest)

    return [web.route("*", f"{BASE}/{{path:.*}}", take)]


async def _write(world: World, request: web.Request, rest: Sequence[str]) -> web.Response:
    match request.method, rest:
        case "POST", [noun] if noun in _SORTS:
            content = await read_body(request)
            id = await repository.create(world, _SORTS[noun], content)
            return web.Response(status=201, body=content, content_type=JSON, headers={**TEXT, "Location": f"../{noun}/{aas.encoded(id)}"})
        case "PUT", ["submodels", id] if repository.is_passports(decoded(id)):
            await repository.write_normal(world, decoded(id), (), await read_body(request))
        case "PUT", [noun, id] if noun in _SORTS:
            created = await repository.replace(world, _SORTS[noun], decoded(id), await read_body(request))
            return web.Response(status=201 if created else 204, headers=TEXT)
        case "DELETE", [noun, id] if noun in _SORTS:
            await repository.remove(world, _SORTS[noun], decoded(id))
        case "PATCH", ["submodels", id, "$value"]:
            await repository.write_values(world, decoded(id), (), await read_body(request))
        case "PATCH", ["submodels", id, "submodel-elements", path, "$value"]:
            await repository.write_values(world, decoded(id), parse(path), await read_body(request))
        case "PUT", ["submodels", id, "submodel-elements", path]:
            await repository.write_normal(world, decoded(id), parse(path), await read_body(request))
        case "DELETE", ["submodels", id, "submodel-elements", path]:
            await repository.cut(world, decoded(id), parse(path))
        case (("PUT" | "DELETE"), ["submodels", id, "submodel-elements", path, "attachment"]):
            await _file(world, request, "submodel", decoded(id), parse(path))
        case (("PUT" | "DELETE"), ["shells", id, "asset-information", "thumbnail"]):
            await _file(world, request, "shell", decoded(id), ())
        case _:
            raise aas.unserved()
    return web.Response(status=204, headers=TEXT)


async def _file(world: World, request: web.Request, sort: str, id: str, path: Path) -> None:
    if request.method == "DELETE":
        return await repository.detach(world, sort, id, path)
    form = await request.post()
    file = form.get("file")
    if not isinstance(file, web.FileField):
        raise Malformed("The form has no file.", next="Send multipart/form-data with `file` and `fileName`.", where="file")
    name = str(form.get("fileName") or file.filename)
    with file.file as stream:
        content = stream.read()
    return await repository.attach(world, sort, id, path, name, file.content_type, content)
