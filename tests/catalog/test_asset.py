from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.asset import in_scope, parse_scope, split_view_asset_id, view_asset_id
from catalog.errors import Invalid

DIGEST = "KAkvjMd-rB6tFpT8ZI_rqftLDSBnyWcnetQBXaXkHYA"
LETTERS = "ABCabc019-._~:"


@given(st.sampled_from(["model", "battery"]), st.text(LETTERS, min_size=1, max_size=30), st.text("ab_-09", min_size=43, max_size=43))
def test_a_view_assets_id_gives_scope_and_digest_back(kind: str, name: str, digest: str) -> None:
    assert split_view_asset_id(view_asset_id(f"{kind}.{name}", digest)) == (f"{kind}.{name}", digest)


@pytest.mark.parametrize(
    "id",
    [
        "",
        "asset-1",
        DIGEST,
        f"fleet.X.{DIGEST}",
        f"model..{DIGEST}",
        f"model.EV-72.{DIGEST}x",
        f"model.EV-72.{DIGEST[:-1]}",
        f"model.EV 72.{DIGEST}",
        f"model.EV-72{DIGEST}",
    ],
)
def test_other_ids_are_no_view_assets(id: str) -> None:
    assert split_view_asset_id(id) is None


@pytest.mark.parametrize("scope", ["", "model", "model.", "battery.a/b", "item.x", "Model.x", "model.a;b", "model." + "x" * 201])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(Invalid):
        parse_scope(scope)
    with pytest.raises(Invalid):
        view_asset_id(scope, DIGEST)
    assert not in_scope(scope, "EV-72.000017", "EV-72")


def test_a_models_scope_holds_all_its_batteries_and_no_other() -> None:
    assert in_scope("model.EV-72", "EV-72.000017", "EV-72")
    assert in_scope("model.EV-72", "EV-72.000099", "EV-72")
    assert not in_scope("model.EV-72", "EV-7.000017", "EV-7")
    assert not in_scope("model.EV-7", "EV-72.000017", "EV-72")


def test_a_batterys_scope_holds_it_alone() -> None:
    assert in_scope("battery.EV-72.000017", "EV-72.000017", "EV-72")
    assert not in_scope("battery.EV-72.000017", "EV-72.000018", "EV-72")
    assert not in_scope("battery.EV-72", "EV-72.000017", "EV-72")
