"""One operation of the operator API, as its description tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

ERROR = "SaltbridgeError"
OBJECT: dict[str, Any] = {"type": "object"}
ARRAY: dict[str, Any] = {"type": "array"}


@dataclass(frozen=True, slots=True)
class Row:
    """`answers` says what each good status carries (None: nothing, or bytes); `body` is a model or a JSON schema."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, Mapping[str, Any] | None]
    body: type[BaseModel] | Mapping[str, Any] | None = None
    query: tuple[str, ...] = ()
    body_needed: bool = True
    media: tuple[str, ...] = ("application/json",)
    path_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tag: str = ""
