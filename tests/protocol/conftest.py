"""What others wrote, to test against: the official schemas and examples of DSP 2025-1, messages recorded between EDCs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"third-party data not here: {folder}")
    return folder


@pytest.fixture(scope="session")
def dsp() -> Path:
    return _folder("dsp-2025-1")


@pytest.fixture(scope="session")
def official(dsp: Path) -> Callable[[Any], list[str]]:
    """The faults that the official schema of a document's own `@type` finds in it."""
    schemas = {}
    for file in sorted(dsp.glob("*/*-schema.json")):
        text = file.read_text("utf-8").replace("schema.json#definitions/", "schema.json#/definitions/")  # known bad $ref
        schema = json.loads(text)
        schemas[schema["$id"]] = schema
    registry = jsonschema_rs.Registry(list(schemas.items()))
    by_type = {}
    for schema in schemas.values():
        name = schema["$id"].rsplit("/", 1)[1].removesuffix("-schema.json")
        by_type[name.replace("-", "")] = jsonschema_rs.Draft201909Validator(schema, registry=registry)

    def faults(document: Any) -> list[str]:
        kind = document.get("@type", "protocol-version").lower().replace("-", "")
        return [error.message for error in by_type[kind].iter_errors(document)]

    return faults


@pytest.fixture(scope="session")
def examples(dsp: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(dsp.glob("*/example/*.json")) if "did-service" not in file.name}


@pytest.fixture(scope="session")
def edc_wire() -> list[dict[str, Any]]:
    """Recorded exchanges: path, requestBody, status, responseBody."""
    folder = _folder("edc-wire")
    return [exchange for file in sorted(folder.glob("*-dsp.json")) for exchange in json.loads(file.read_text("utf-8"))]
