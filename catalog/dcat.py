"""Catalogs and datasets in the exact shape of DSP 2025-1 (catalog-schema.json, dataset-schema.json).

Empty arrays are left out (the schemas refuse them).  The data service stands in full in every distribution: EDC looks
for its `endpointURL` there, and a bare `{"@id": ...}` is invalid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .criteria import DCT, EDC

Json = dict[str, Any]

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
PULL = "HttpData-PULL"
TITLE = DCT + "title"


def dataset_json(
    id: str,
    offers: Sequence[Json],
    title: str,
    format: str,
    service_id: str,
    service_url: str,
    properties: Mapping[str, Any] | None = None,
    root: bool = False,
) -> Json:
    """A Dataset with its offers; `root` adds the context (an answer of its own).  `offers` holds at least one.

    Properties go out under absolute IRIs, because a bare name vanishes in JSON-LD: bare ones are EDC's.
    """
    if not offers:
        raise ValueError(f"dataset {id} has no offer: it must not be shown")
    own = {_iri(name): value for name, value in (properties or {}).items() if name not in _RESERVED and value not in ("", [], None)}
    return {
        **({"@context": [CONTEXT]} if root else {}),
        "@id": id,
        "@type": "Dataset",
        **({TITLE: title} if title else {}),
        **own,
        "hasPolicy": list(offers),
        "distribution": [{"@type": "Distribution", "format": format, "accessService": service_json(service_id, service_url)}],
    }


def service_json(id: str, url: str) -> Json:
    """A DataService: where the contract negotiation and transfer endpoints of these datasets are."""
    return {"@id": id, "@type": "DataService", "endpointURL": url}


def catalog_json(participant: str, catalog_id: str, service_id: str, service_url: str, datasets: Sequence[Json], root: bool = True) -> Json:
    """A Catalog of one participant; without datasets the key is absent."""
    return {
        **({"@context": [CONTEXT]} if root else {}),
        "@id": catalog_id,
        "@type": "Catalog",
        "participantId": participant,
        "service": [service_json(service_id, service_url)],
        **({"dataset": list(datasets)} if datasets else {}),
    }


_RESERVED = frozenset({"@context", "@id", "@type", "id", "hasPolicy", "distribution", "dataset", "service", "catalog", TITLE})


def _iri(name: str) -> str:
    return name if ":" in name or name.startswith("@") else EDC + name
