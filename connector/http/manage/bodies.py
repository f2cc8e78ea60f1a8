"""Bodies of the operator API: read strictly into pydantic models, answered as JSON."""

from __future__ import annotations

from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from connector.errors import Malformed
from connector.http.doorway import JSON, TEXT, read_body
from connector.ports import World
from connector.protocol.plain import read_json, write_json

B = TypeVar("B", bound="Body")

BASE = "/management/saltbridge"


class Body(BaseModel):
    """A body with no other fields than these, and no value taken for another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


async def read(request: web.Request, world: World, shape: type[B]) -> B:
    """The request's body in this shape; Malformed names every field that is wrong."""
    content = await read_body(request)
    try:
        return shape.model_validate(read_json(content, world.limits) if content else {})
    except ValidationError as error:
        wrong = [f"{'/'.join(str(step) for step in each['loc']) or 'body'}: {each['msg']}" for each in error.errors()]
        raise Malformed(
            "The body is not what this address takes.", wrong[0], "Look at its fields again.", code="body.invalid", details=wrong[1:]
        ) from error


def answer(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return raw(write_json(value), status)


def raw(content: bytes, status: int = 200) -> web.Response:
    """JSON bytes as they are (a passport's number tokens)."""
    return web.Response(status=status, body=content, content_type=JSON, headers=TEXT)


def flag(request: web.Request, name: str) -> bool:
    """A switch in the query: `1`, `true` and `yes` are on."""
    return request.query.get(name, "").lower() in ("1", "true", "yes")
