"""The specification's schemas and the Catena-X samples, where they lie beside the project; and short ways to write a policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the specification files in ../shared/data beside the project")
    return SHARED


@pytest.fixture(scope="session")
def valid(shared: Path) -> Callable[[str, Any], bool]:
    """valid("negotiation/contract-schema.json#/definitions/Offer", json)"""
    base = "https://w3id.org/dspace/2025/1/"
    # Only these two folders: the transfer schemas have a broken $ref (no slash after the #), which a strict resolver refuses.
    files = [path for part in ("catalog", "negotiation", "common") for path in (shared / "dsp-2025-1" / part).glob("*-schema.json")]
    schemas = [json.loads(path.read_text()) for path in files]
    registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas if "$id" in schema])

    def check(name: str, instance: Any) -> bool:
        validator = jsonschema_rs.validator_for({"$ref": base + name}, registry=registry)
        assert not list(validator.iter_errors(instance)), [str(error) for error in validator.iter_errors(instance)]
        return True

    return check
