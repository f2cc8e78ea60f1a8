"""What Prometheus scrapes after a real story between two nodes: the numbers are right, and nothing of a passport is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from connector.errors import PeerRefused
from connector.exchange import release
from connector.meter import COUNTERS
from connector.operate import contracts, offers, pulls, transfers
from connector.records import Agreement
from submodels.grant import parse_grant

from .authority import Authority
from .stage import FIRST, MODEL, SECOND, Pair, Run, Stage

PULL = pulls.Wish(peer="maker", what="dismantling", battery=FIRST)
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    return {
        (sample.name.removeprefix("saltbridge_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scraped(run: Run) -> Samples:
    status, text = await run.asks("/metrics")
    assert status == 200
    return read(text)


def number(samples: Samples, name: str, **labels: str) -> float:
    """A sample; labels that are not given are summed over."""
    wanted = set(labels.items())
    found = [value for (known, its), value in samples.items() if known == name and wanted <= its]
    assert found, f"{name} {labels} is not among {sorted({name for name, _ in samples})}"
    return sum(found)


@pytest.fixture
async def told(pair: Pair) -> Pair:
    """A contract, two pulls under it, a refusal by policy, one by path, a retirement, and a pull after that."""
    maker, recycler = pair.maker, pair.recycler
    await offers.offer(maker.world, offers.Wish(view="condition", model=MODEL, policy="second-life", until="2099-12-31"))
    await pulls.pull(recycler.world, PULL)
    await pulls.pull(recycler.world, replace(PULL, battery=SECOND))
    assert (await recycler.negotiates(maker, "condition")).place.state == "TERMINATED"
    with pytest.raises(PeerRefused):
        await pulls.pull(recycler.world, replace(PULL, path="materials/BatteryMaterials/*/BatteryMaterialMass"))
    [agreement] = await maker.every(Agreement)
    await contracts.retire(maker.world, agreement.id, "recalled")
    with pytest.raises(PeerRefused):
        await pulls.pull(recycler.world, PULL)
    return pair


async def test_the_numbers_are_those_of_the_story(told: Pair) -> None:
    maker, recycler = await scraped(told.maker), await scraped(told.recycler)
    assert number(maker, "negotiations", state="FINALIZED") == 1
    assert number(maker, "negotiations", state="TERMINATED") == 1
    assert number(maker, "negotiations", state="REQUESTED") == 0
    assert number(maker, "agreements", state="FINALIZED") == 1
    for state in ("REQUESTED", "AGREED", "VERIFIED", "FINALIZED"):
        assert number(maker, "negotiation_changes_total", side="provider", state=state) == (2 if state == "REQUESTED" else 1)
        assert number(recycler, "negotiation_changes_total", side="consumer", state=state) == (2 if state == "REQUESTED" else 1)
    refused = {"state": "TERMINATED", "reason": "policy.constraint.false"}
    assert number(maker, "negotiation_changes_total", side="provider", **refused) == 1
    assert number(recycler, "negotiation_changes_total", side="consumer", **refused) == 1
    assert number(maker, "transfers", state="COMPLETED") >= 2
    changes = [number(maker, "transfer_changes_total", side="provider", state=state) for state in ("REQUESTED", "STARTED")]
    assert changes[0] == changes[1] >= 2
    assert number(maker, "pulls_total", outcome="refused", reason="grant.path") == 1
    assert number(maker, "decisions_total", question="contract policy", outcome="yes") >= 1
    assert number(recycler, "received_pulls_total") == 2


async def test_what_left_and_what_stayed_is_counted_as_the_views_say(pair: Pair) -> None:
    pulled = await pulls.pull(pair.recycler.world, PULL)
    seen = await scraped(pair.maker)
    served = number(seen, "pulls_total", outcome="served")
    assert served == 2 + len(pulled["documents"])  # the parts, the list of documents, and each document
    assert number(seen, "pulled_elements_total") == served * pulled["elements"]
    agreement = await pair.recycler.get(Agreement, pulled["agreement"])
    redacted = await release.preview(pair.maker.world, FIRST, parse_grant(agreement.grant), "recycler")
    stayed: dict[str, int] = {}
    for each in redacted.withheld:
        if each.part != "handover":
            kind = each.audience.value if each.audience else "none"
            stayed[kind] = stayed.get(kind, 0) + 1
    assert {"legitimate-interest", "authorities", "public"} <= stayed.keys()
    counted = {kind: number(seen, "withheld_elements_total", **{"class": kind}) for kind in stayed}
    assert counted == {kind: served * count for kind, count in stayed.items()}


async def test_requests_are_counted_by_listener_family_and_status(told: Pair) -> None:
    await told.maker.asks("/management/saltbridge/status", token="wrong-token-of-good-length")
    await told.maker.asks("/management/v3/nothing")
    seen = await scraped(told.maker)
    for family, status in (("negotiation", "201"), ("transfer", "201"), ("catalog", "200"), ("data", "200"), ("data", "403")):
        assert number(seen, "requests_total", listener="dataspace", family=family, status=status) >= 1
    assert number(seen, "requests_total", listener="operator", family="operator", status="401") == 1
    assert number(seen, "requests_total", listener="operator", family="management", status="404") == 1


async def test_the_outbox_is_told_with_the_age_of_its_oldest_letter(pair: Pair) -> None:
    agreement = await pair.recycler.agrees(pair.maker)
    seen = await scraped(pair.recycler)
    assert number(seen, "outbox_letters") == 0 and number(seen, "outbox_oldest_seconds") == 0
    await pair.stage.stop("maker")
    await transfers.request(pair.recycler.world, agreement.id)
    pair.stage.passes(minutes=10)
    seen = await scraped(pair.recycler)
    assert number(seen, "outbox_letters") == 1
    assert 600 <= number(seen, "outbox_oldest_seconds") < 630
    assert number(seen, "transfers", state="OPENING") == 1


async def test_a_certificate_is_told_with_its_days(stage: Stage, tmp_path: Path) -> None:
    chain, key = Authority(tmp_path).issue(days=30)
    solo = await stage.start("solo", {"DATASPACE__TLS": "own", "DATASPACE__TLS_CERT": str(chain), "DATASPACE__TLS_KEY": str(key)})
    assert number(await scraped(solo), "certificate_days_left", listener="dataspace") == pytest.approx(30, abs=0.1)
    stage.passes(days=28)
    assert number(await scraped(solo), "certificate_days_left", listener="dataspace") == pytest.approx(2, abs=0.1)


async def test_no_token_no_numbers(pair: Pair) -> None:
    for token in ("", "another-token-of-good-length"):
        status, text = await pair.maker.asks("/metrics", token=token)
        assert status == 401 and "saltbridge_" not in text
    async with ClientSession() as session, session.get(f"{pair.maker.url}/metrics") as answer:
        assert answer.status == 404  # never on the dataspace port


async def test_no_value_no_battery_and_no_participant_is_ever_a_label(told: Pair) -> None:
    _, text = await told.maker.asks("/metrics")
    whole = await release.operator(told.maker.world, FIRST)
    forbidden = {str(value) for part, tree in whole.parts.items() for value in values(tree) if len(str(value)) > 5}
    forbidden |= {MODEL, FIRST, SECOND, "000017", told.maker.id, told.recycler.id, "did:web", "urn:uuid", "recycler", "dismantling"}
    assert len(forbidden) > 100
    assert [value for value in forbidden if value in text] == []
    labels = {(sample.name, name) for family in text_string_to_metric_families(text) for sample in family.samples for name in sample.labels}
    known = {"side", "state", "reason", "question", "outcome", "class", "listener", "family", "status", "key"}
    assert {name for _, name in labels} <= known


def values(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        for each in tree.values():
            yield from values(each)
    elif isinstance(tree, list):
        for each in tree:
            yield from values(each)
    elif tree is not None and not isinstance(tree, bool):
        yield tree


async def test_every_counter_is_scraped_and_says_what_it_counts(told: Pair) -> None:
    _, text = await told.maker.asks("/metrics")
    for name, family in COUNTERS.items():
        assert f"# HELP saltbridge_{name}_total {family.help}" in text
    assert re.search(r"^process_resident_memory_bytes ", text, re.MULTILINE)
