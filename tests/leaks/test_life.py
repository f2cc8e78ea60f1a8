"""A passport's life seen through a grant: earlier versions, what follows it, its end - never more than the grant lets out."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.cli.client import part
from connector.errors import PeerRefused
from scripts.lib.leaks import granted_leaves
from submodels.grant import parse_grant
from submodels.value import read_json, write_json

from .conftest import Address, Ring, _renamed, same, zipped

MODEL, BATTERY, NEXT = "EV-75", "EV-75.000017", "EV-76.000017"
BEFORE, AFTER = "before-the-change-5521", "after-the-change-7733"


def _named(model: str, agent: str, mass: str) -> Any:
    """The sample as another model, with one public and one hidden value of our choice."""

    def change(files: dict[str, bytes]) -> None:
        _renamed(files, model)
        tree: Any = read_json(files["parts/circularity.json"])
        tree["SafetyMeasures"]["ExtinguishingAgents"] = [agent]
        files["parts/circularity.json"] = write_json(tree)
        hidden: Any = read_json(files["parts/nameplate.json"])
        hidden["ResultsOfTestReportsProvingCompliance"] = [mass]
        files["parts/nameplate.json"] = write_json(hidden)

    return change


@pytest.fixture(scope="module")
def lived(ring: Ring) -> Iterator[tuple[Address, str, str, str]]:
    """A transfer over a battery that was changed once; (address, instant before the change, grant, agreement)."""
    ring.operate("maker", "upload", "/passports/import", zipped(_named(MODEL, BEFORE, "TR-OLD-9911")), "application/zip")
    early = datetime.now(UTC).isoformat()
    time.sleep(0.05)
    ring.operate("maker", "post", f"/passports/{MODEL}/publish")
    paths = ["circularity/SafetyMeasures/**", "materials/BatteryChemistry/**"]
    view = {"title": "Rescue", "paths": paths, "documents": [], "ceiling": "legitimate-interest"}
    ring.operate("maker", "put", "/views/rescue", view)
    made = ring.operate("maker", "post", "/offers", {"view": "rescue", "battery": BATTERY, "policy": "recycler"})
    agreement = ring.agree("recycler", made["dataset"])
    shown = ring.operate("maker", "get", f"/agreements/{part(agreement)}")
    time.sleep(0.05)
    then = datetime.now(UTC).isoformat()
    time.sleep(0.05)
    ring.operate("maker", "upload", "/passports/import", zipped(_named(MODEL, AFTER, "TR-NEW-8822")), "application/zip")
    yield ring.start("recycler", agreement), then, shown["grant"], early
    for model in (MODEL, "EV-76"):  # the other tests' maker has two models
        ring.operate("maker", "post", f"/passports/{model}/cease", {"why": "the test is over"})
    ring.operate("maker", "delete", "/views/rescue")


def _at(then: str) -> str:
    return then.replace("+", "%2B")


def test_an_earlier_version_goes_through_the_same_grant(ring: Ring, lived: tuple[Address, str, str, str]) -> None:
    address, then, grant, _ = lived
    now, was = ring.pull(address, f"/{BATTERY}"), ring.pull(address, f"/{BATTERY}?at={_at(then)}")
    assert (now.status_code, was.status_code) == (200, 200)
    assert (was.headers["Saltbridge-Revision"], now.headers["Saltbridge-Revision"]) == ("1.1", "2.1")
    assert (AFTER in now.text, BEFORE in now.text, BEFORE in was.text, AFTER in was.text) == (True, False, True, False)
    whole = ring.whole(BATTERY)
    for answer in (now, was):
        found = Counter(path for path, _ in granted_leaves(read_json(answer.content), None, whole.kinds))  # type: ignore[arg-type]
        allowed = Counter(path for path, _ in granted_leaves(whole.passports[BATTERY], parse_grant(grant), whole.kinds))
        assert found == allowed
    assert now.headers["ETag"] != was.headers["ETag"]


def test_what_is_not_granted_is_not_granted_of_any_version(ring: Ring, lived: tuple[Address, str, str, str]) -> None:
    address, then, _, _ = lived
    hidden = "nameplate/ResultsOfTestReportsProvingCompliance/0"
    for query in ("", f"?at={_at(then)}"):
        refused = ring.pull(address, f"/{BATTERY}/{hidden}{query}")
        assert (refused.status_code, refused.json()["code"]) == (403, "grant.path")
        for path in ("", "/circularity", "/documents"):
            text = ring.pull(address, f"/{BATTERY}{path}{query}").text
            assert "TR-OLD-9911" not in text
            assert "TR-NEW-8822" not in text


def test_a_version_from_before_publication_and_one_that_never_was_look_alike(ring: Ring, lived: tuple[Address, str, str, str]) -> None:
    address, _, _, early = lived
    unpublished, never = ring.pull(address, f"/{BATTERY}?at={_at(early)}"), ring.pull(address, f"/{BATTERY}?at=2020-01-01")
    assert unpublished.status_code == 404
    assert same(unpublished) == same(never)
    assert same(ring.get(f"/passports/{BATTERY}?at={_at(early)}")) == same(ring.get("/passports/EV-99.1?at=2020-01-01"))
    assert ring.pull(address, f"/{BATTERY}?at=2999-01-01").status_code == 400
    assert ring.pull(address, f"/EV-72.000018?at={_at(early)}").status_code == 404


def test_the_public_side_shows_neither_version_beyond_what_is_public(ring: Ring, lived: tuple[Address, str, str, str]) -> None:
    _, then, _, _ = lived
    for query in ("", f"?at={_at(then)}"):
        answer = ring.get(f"/passports/{BATTERY}{query}")
        assert answer.status_code == 200
        assert not [word for word in ("TR-OLD-9911", "TR-NEW-8822", "LifeCycleStage") if word in answer.text]
        assert "Saltbridge-Revision" not in answer.headers


def test_a_holder_of_the_old_one_learns_where_the_new_one_is_and_nothing_of_it(ring: Ring, lived: tuple[Address, str, str, str]) -> None:
    address, _, _, _ = lived
    ring.operate(
        "maker", "upload", "/passports/import", zipped(_named("EV-76", "agent-of-the-successor-6644", "TR-NEXT-7711")), "application/zip"
    )
    ring.operate("maker", "post", "/passports/EV-76/publish")
    ring.operate("maker", "post", f"/passports/{BATTERY}/supersede", {"by": NEXT, "why": "repurposed for a house"})
    told = ring.pull(address, f"/{BATTERY}")
    home = ring.nodes["maker"].url
    assert told.headers["Link"] == f'<{home}/passports/{NEXT}>; rel="successor-version"'
    for answer in (told, ring.get(f"/passports/{BATTERY}")):
        said = answer.text + str(answer.headers)
        assert not [word for word in ("6644", "TR-NEXT-7711", "repurposed") if word in said]
    assert ring.pull(address, f"/{NEXT}").status_code == 404


def test_the_end_is_said_at_every_door_and_signed(ring: Ring, lived: tuple[Address, str, str, str]) -> None:
    address, then, _, _ = lived
    would = ring.operate("maker", "post", f"/passports/{BATTERY}/cease", {"why": "recycled"}, dry_run=True)
    assert len(would["agreements"]) == 1
    wide = ring.agree(
        "recycler", ring.operate("maker", "post", "/offers", {"view": "rescue", "model": MODEL, "policy": "recycler"})["dataset"]
    )
    other = ring.start("recycler", wide)
    assert ring.pull(other, f"/{BATTERY}").status_code == 200
    ring.operate("maker", "post", f"/passports/{BATTERY}/cease", {"why": "recycled"})
    ended = ring.pull(address, f"/{BATTERY}")
    assert (ended.status_code, ended.json()["code"]) == (403, "agreement.retired")
    assert f"the passport of {BATTERY} has ceased: recycled" in ended.text
    for answer in (ring.pull(other, f"/{BATTERY}"), ring.pull(other, f"/{BATTERY}?at={_at(then)}"), ring.get(f"/passports/{BATTERY}")):
        assert (answer.status_code, answer.json()["why"]) == (410, "recycled")
        assert not [word for word in (BEFORE, AFTER, "TR-OLD", "TR-NEW") if word in answer.text]
        claims = json.loads(base64.urlsafe_b64decode(answer.json()["statement"].split(".")[1] + "=="))
        assert (claims["iss"], claims["why"]) == (ring.nodes["maker"].id, "recycled")
    assert ring.pull(other, f"/{NEXT}").status_code == 404  # of another model: outside the scope as before


def test_the_consumers_operator_reads_why(ring: Ring, lived: tuple[Address, str, str, str]) -> None:
    wish = {"peer": "maker", "view": "rescue", "battery": BATTERY}
    with pytest.raises(PeerRefused) as refused:
        ring.operate("recycler", "post", "/pull", wish)
    assert "recycled" in refused.value.why or "recycled" in str(refused.value.details)

