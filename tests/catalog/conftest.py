"""The specification's catalog schemas, where they lie beside the project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

SPECIFICATION = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "dsp-2025-1"


@pytest.fixture(scope="session")
def valid() -> Callable[[str, Any], bool]:
    """valid("catalog/catalog-schema.json", json)"""
    if not SPECIFICATION.is_dir():
        pytest.skip("needs the specification files in ../shared/data beside the project")
    base = "https://w3id.org/dspace/2025/1/"
    # Without the transfer schemas: they have a broken $ref (no slash after the #), which a strict resolver refuses.
    files = [path for part in ("catalog", "negotiation", "common") for path in (SPECIFICATION / part).glob("*-schema.json")]
    schemas = [json.loads(path.read_text()) for path in files]
    registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas if "$id" in schema])

    def check(name: str, instance: Any) -> bool:
        return bool(jsonschema_rs.validator_for({"$ref": base + name}, registry=registry).is_valid(instance))

    return check
