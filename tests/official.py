"""The published schemas of DSP 2025-1, where they lie beside the project: what they find wrong in a document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "dsp-2025-1"


def faults(document: Any) -> list[str]:
    """What the schema of the document's own `@type` says; nothing where the schemas are absent or the type is not DSP's."""
    type = document.get("@type") if isinstance(document, dict) else None
    schema = schemas().get(type.lower()) if isinstance(type, str) else None
    return (
        [f"{error.message[:200]} at /{'/'.join(map(str, error.instance_path))}" for error in schema.iter_errors(document)] if schema else []
    )


@cache
def schemas() -> Mapping[str, Any]:
    """The compiled schemas by the type that they judge, in lower case; none where they are absent."""
    documents = {}
    for file in sorted(FOLDER.glob("*/*-schema.json")):
        # three of them refer to `...schema.json#definitions/`, which is no JSON pointer
        document = json.loads(file.read_text("utf-8").replace("schema.json#definitions/", "schema.json#/definitions/"))
        documents[document["$id"]] = document
    registry = jsonschema_rs.Registry(list(documents.items()))
    return {
        id.rsplit("/", 1)[1].removesuffix("-schema.json").replace("-", ""): jsonschema_rs.Draft201909Validator(document, registry=registry)
        for id, document in documents.items()
    }
