"""A preview says what a pull would carry, and why the rest stays; it never shows a value."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connector.errors import Hidden
from connector.exchange import release
from connector.operate import offers, passports
from connector.operate.preview import preview
from submodels.folder import Batch
from submodels.views import READY, ready_view

from .conftest import Holder


@pytest.fixture
async def maker(holder: Holder, sample: Batch) -> AsyncIterator[Holder]:
    await passports.import_batch(holder.world, sample)
    await passports.publish(holder.world, "EV-72")
    yield holder


def lines(seen: dict[str, Any], mark: str) -> dict[str, dict[str, Any]]:
    return {f"{line['part']}/{line['path']}": line for part in seen["parts"] for line in part["lines"] if line["mark"] == mark}


@pytest.mark.parametrize("view", READY)
async def test_the_preview_counts_what_a_pull_would_carry(maker: Holder, view: str) -> None:
    seen = await preview(maker.world, view, "EV-72.000017")
    pulled = await release.preview(maker.world, "EV-72.000017", ready_view(view)[1], "")
    assert seen["elements"] == pulled.elements == len(lines(seen, "given"))
    assert [line["document"] for line in seen["documents"] if line["mark"] == "given"] == [each.id for each in pulled.documents]
    assert seen["public_anyway"] == len(lines(seen, "public"))


async def test_reasons_name_the_annex_and_the_law(maker: Holder) -> None:
    seen = await preview(maker.world, "dismantling", "000017")
    given, withheld, public = (lines(seen, mark) for mark in ("given", "withheld", "public"))
    assert given["circularity/SparePartSources/*/NameOfSupplier"]["annex"] == ["2(b)"]
    mass = withheld["materials/BatteryMaterials/*/BatteryMaterialMass"]
    assert (mass["reason"], mass["note"]) == ("not in this view", "the law would allow it")
    assert any(line["reason"] == "authorities only, Art. 77(2)(b)" for line in [*withheld.values(), *seen["documents"]])
    assert "circularity/RenewableContent" in public
    assert given["materials/BatteryMaterials/*/BatteryMaterialName"]["note"] == "public where IsCriticalRawMaterial is true"


async def test_no_value_is_shown(maker: Holder) -> None:
    seen = json.dumps(await preview(maker.world, "supplier", "000017"))
    whole = json.loads(await passports.show(maker.world, "000017"))
    texts = [value for value in leaves(whole["parts"]["circularity"]) if isinstance(value, str) and len(value) > 12]
    assert texts and not [text for text in texts if text in seen]


async def test_a_role_and_a_peer_are_told_whether_they_would_get_a_contract(maker: Holder) -> None:
    await offers.offer(maker.world, offers.Wish(view="dismantling", model="EV-72", policy="recycler"))
    await maker.know("stranger")
    await maker.know("acme", role="recycler")
    outcomes = {}
    for receiver in ("recycler", "authority", "stranger", "acme"):
        [offer] = (await preview(maker.world, "dismantling", "000017", receiver))["offers"]
        outcomes[receiver] = offer["outcome"]
        assert offer["sees_it"]
    assert outcomes == {"recycler": "yes", "authority": "no", "stranger": "undecided", "acme": "yes"}


async def test_unknown_views_batteries_and_receivers_are_refused(maker: Holder) -> None:
    for arguments in (("nothing", "000017"), ("dismantling", "000099"), ("dismantling", "000017", "nobody")):
        with pytest.raises(Hidden):
            await preview(maker.world, *arguments)


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        return [leaf for below in (value.values() if isinstance(value, dict) else value) for leaf in leaves(below)]
    return [value]
