from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from catalog.dcat import CONTEXT, PULL, catalog_json, dataset_json
from catalog.publish import offer_for
from policies.profiles import READY, ready

DIGEST = "a" * 43
DATASET = f"model.EV-72.{DIGEST}"
OFFERS = [offer_for(name, DATASET, ready(name), DIGEST) for name in READY]
SERVICE = ("urn:uuid:1", "http://localhost:7401/dsp/2025-1")


def dataset(**more: Any) -> dict[str, Any]:
    return dataset_json(DATASET, OFFERS, "Dismantling", PULL, *SERVICE, **more)


def test_datasets_and_catalogs_are_valid_dsp(valid: Callable[[str, Any], bool]) -> None:
    assert valid("catalog/dataset-schema.json", dataset(properties={"name": "x", "urn:y": {"@id": "urn:z"}}, root=True))
    assert valid("catalog/catalog-schema.json", catalog_json("did:web:maker", "urn:uuid:2", *SERVICE, [dataset(), dataset()]))
    assert valid("catalog/catalog-schema.json", catalog_json("did:web:maker", "urn:uuid:2", *SERVICE, []))
    assert not valid("catalog/catalog-schema.json", {**catalog_json("did:web:maker", "urn:uuid:2", *SERVICE, []), "dataset": []})
    assert not valid("catalog/dataset-schema.json", dataset())  # a root needs its context


def test_an_empty_catalog_has_no_dataset_key() -> None:
    assert "dataset" not in catalog_json("did:web:maker", "urn:uuid:2", *SERVICE, [])


def test_only_a_root_carries_the_context_as_a_list_of_strings() -> None:
    assert dataset(root=True)["@context"] == [CONTEXT]
    assert "@context" not in dataset()


def test_properties_go_out_under_iris_and_cannot_replace_what_the_protocol_says() -> None:
    told = dataset(
        properties={
            "name": "x",
            "@id": "evil",
            "hasPolicy": [],
            "distribution": [],
            "http://purl.org/dc/terms/type": "passport",
            "none": None,
        }
    )
    assert told["https://w3id.org/edc/v0.0.1/ns/name"] == "x"
    assert told["http://purl.org/dc/terms/type"] == "passport"
    assert told["http://purl.org/dc/terms/title"] == "Dismantling"
    assert (told["@id"], told["hasPolicy"]) == (DATASET, OFFERS)
    assert not any("none" in key for key in told)


def test_a_dataset_without_offer_is_never_made() -> None:
    with pytest.raises(ValueError, match="no offer"):
        dataset_json(DATASET, [], "x", PULL, *SERVICE)
