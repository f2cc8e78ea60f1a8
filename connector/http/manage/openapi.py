"""The operator API described for programs: `GET /management/openapi.json`, made of the tables beside the code.

A row is one operation; `operations` has ours, `v3.operations` EDC's.  A test holds the rows against the routes that are
served and against the answers of running nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from aiohttp import web
from pydantic.json_schema import models_json_schema

from connector.http.registry import NOUNS

from . import operations
from .bodies import BASE, answer
from .row import ERROR, Row
from .v3 import operations as edc

PATH = "/management/openapi.json"
JSON = "application/json"
_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"{(\w+)}")

_OURS: dict[str, Any] = {
    "type": "object",
    "description": "What happened, why, what to do next; `decision` is the number to talk about.",
    "required": ["what", "why", "next", "code", "decision", "reason"],
    "properties": {
        **{name: {"type": "string"} for name in ("what", "why", "next", "code", "decision", "where")},
        "details": {"type": "array", "items": {"type": "string"}},
        "reason": {"type": "array", "items": {"type": "string"}},
    },
}

_RESULT = "AasResult"
_AAS: dict[str, Any] = {
    "type": "object",
    "description": "What the AAS API says of an error (IDTA 01002, v3.1).",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["messageType", "text", "code", "correlationId", "timestamp"],
                "properties": {name: {"type": "string"} for name in ("messageType", "text", "code", "correlationId", "timestamp")},
            },
        }
    },
}


def routes() -> list[web.RouteDef]:
    """Serves the description."""
    described = document()

    async def show(_: web.Request) -> web.Response:
        return answer(described)

    return [web.get(PATH, show)]


def rows() -> tuple[Row, ...]:
    """Every operation below /management."""
    own = Row("GET", PATH, "This description", {200: {"type": "object"}}, tag="openapi")
    return (own, *operations.ROWS, *edc.ROWS)


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    models = [(each.body, "validation") for each in rows() if isinstance(each.body, type)]
    _, made = models_json_schema(list(dict.fromkeys(models)), ref_template=_REF)  # type: ignore[arg-type]
    schemas = {**made.get("$defs", {}), **edc.SCHEMAS, ERROR: _OURS, _RESULT: _AAS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Saltbridge operator API",
            "version": version("saltbridge"),
            "description": "EDC's management API v3 below /management/v3, ours below /management/saltbridge.",
        },
        "paths": _paths(rows()),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"bearer": []}],
    }


def _paths(described: Iterable[Row]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for row in described:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return paths


def _operation(row: Row) -> dict[str, Any]:
    answers = {str(status): _answer(status, held) for status, held in row.answers.items()}
    answers["default"] = {"description": "Refused, or out of order.", "content": {JSON: {"schema": _error(row)}}}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", **row.path_schemas.get(name, {})}}
        for name in _PARAMETER.findall(row.path)
    ] + [{"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in row.query]
    operation: dict[str, Any] = {
        "operationId": _id(row),
        "summary": row.summary,
        "tags": [row.tag or _noun(row.path)],
        "responses": answers,
    }
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        operation["requestBody"] = {"required": row.body_needed, "content": _content(row)}
    return operation


def _content(row: Row) -> Mapping[str, Any]:
    schema = {"$ref": _REF.format(model=row.body.__name__)} if isinstance(row.body, type) else row.body
    return {kind: {"schema": schema} for kind in row.media}


def _answer(status: int, held: Mapping[str, Any] | None) -> dict[str, Any]:
    if held is None:
        return {"description": "Done." if status == 204 else "The bytes themselves."}
    return {"description": "Done.", "content": {JSON: {"schema": held}}}


def _error(row: Row) -> dict[str, Any]:
    if row.path.startswith(tuple(f"{BASE}/registry/{noun}" for noun in NOUNS)):
        return {"$ref": _REF.format(model=_RESULT)}
    return {"$ref": _REF.format(model=ERROR)} if row.path.startswith((BASE, PATH)) else edc.ERRORS


def _id(row: Row) -> str:
    words = [row.method.lower(), *(word for word in re.split(r"\W+", row.path) if word and word != "management")]
    return "-".join(words)


def _noun(path: str) -> str:
    steps = path.strip("/").split("/")
    return "/".join(steps[1:3])
