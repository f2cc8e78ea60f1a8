"""Ask aas-core whether an AAS environment holds under metamodel 3.1 and 3.0.  Imported late: it costs 80 ms."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

from submodels.errors import Finding, Invalid
from submodels.value import Tree

MOST = 50  # findings a person still reads; the rest is counted


def findings_of(env: dict[str, Tree]) -> tuple[Finding, ...]:
    """What the metamodel has against an environment; Invalid when neither version can read it at all."""
    newer, older = list(_errors("3.1", env)), list(_errors("3.0", env))
    broken = [errors[0] for errors in (newer, older) if errors and errors[0][2]]
    if len(broken) == 2:
        raise Invalid(f"environment{broken[0][0]}", f"not an AAS environment: {broken[0][1]}", "check it against AAS metamodel 3.0 or 3.1")
    findings = [Finding(f"environment{path}", f"metamodel 3.1: {cause}") for path, cause, _ in newer[:MOST]]
    if len(newer) > MOST:
        findings.append(Finding("environment", f"metamodel 3.1: {len(newer) - MOST} more"))
    known = {(path, cause) for path, cause, _ in newer}
    only = [(path, cause) for path, cause, _ in older if (path, cause) not in known]
    if only:
        path, cause = only[0]
        findings.append(Finding(f"environment{path}", f"metamodel 3.0 only, {len(only)} times, first: {cause}"))
    return tuple(findings)


def problems(env: dict[str, Tree]) -> tuple[str, ...]:
    """Why an environment of ours is not valid under both versions; empty when it is."""
    return tuple(
        f"metamodel {version}{path}: {cause}" for version in ("3.1", "3.0") for path, cause, _ in islice(_errors(version, env), MOST)
    )


def faults(env: dict[str, Tree]) -> tuple[str, ...]:
    """Why an environment holds under neither version, as the newer says it; empty when one of them takes it."""
    newer = [f"{path}: {cause}" for path, cause, _ in islice(_errors("3.1", env), MOST)]
    return tuple(newer) if newer and any(True for _ in _errors("3.0", env)) else ()


def core(version: str) -> tuple[Any, Any, Any]:
    """aas-core's jsonization, verification and xmlization for "3.0" or "3.1"."""
    name = "aas_core3_1" if version == "3.1" else "aas_core3"
    return import_module(f"{name}.jsonization"), import_module(f"{name}.verification"), import_module(f"{name}.xmlization")


def _errors(version: str, env: dict[str, Tree]) -> Iterator[tuple[str, str, bool]]:
    """(path, cause, whether it could not even be read) for each error."""
    jsonization, verification, _ = core(version)
    try:
        environment = jsonization.environment_from_jsonable(env)
    except jsonization.DeserializationException as error:
        yield str(error.path), str(error.cause), True
        return
    for found in verification.verify(environment):
        yield str(found.path), " ".join(str(found.cause).split()), False
