"""All 67 scenarios of the official kit against a real node over HTTP, without Java: as the kit plays them, and with its races provoked."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import judge, script
from .ids import DISABLED, IDS
from .kit import Manner
from .play import chain_of, played, settled
from .scenarios import ROWS, Row

LIST = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "kits" / "dsp-ids.txt"


# --- the rows ------------------------------------------------------------------------------------


def test_there_is_one_row_for_each_scenario() -> None:
    assert sorted(row.id for row in ROWS) == sorted(IDS)
    assert (len(IDS), len(set(IDS))) == (67, 67)
    assert set(DISABLED) < set(IDS)


def test_our_list_is_the_official_one() -> None:
    if not LIST.is_file():
        pytest.skip(f"third-party data not here: {LIST}")
    assert sorted(IDS) == sorted(LIST.read_text("utf-8").split())


def test_the_deciders_script_knows_every_row_that_is_played_with_a_process() -> None:
    scripted = {
        *script.PROVIDER_NEGOTIATIONS, *script.CONSUMER_NEGOTIATIONS, *script.PROVIDER_TRANSFERS, *script.CONSUMER_TRANSFERS
    }  # fmt: skip
    assert {row.subject for row in ROWS if row.suite not in ("MET", "CAT")} == scripted


def test_every_step_of_every_row_can_be_read() -> None:
    assert sum(len(row.steps) for row in ROWS) > 350


# --- as the official kit plays them --------------------------------------------------------------


@pytest.fixture(scope="module")
def as_the_kit_does(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What failed each row, "" where it passed; the node's decider waits as the official kit needs it."""

    async def play() -> dict[str, str]:
        async with played(tmp_path_factory.mktemp("kit") / "node", Manner(), after=script.ANSWER_AFTER) as run:
            return {id: each.failure for id, each in run.played.items()}

    return asyncio.run(play())


@pytest.mark.parametrize("id", IDS)
def test_passes_as_the_kit_plays_it(as_the_kit_does: dict[str, str], id: str) -> None:
    assert as_the_kit_does[id] == ""


# --- races provoked ------------------------------------------------------------------------------


def _everywhere(row: Row, step: int) -> bool:
    return True


def _here_and_there(row: Row, step: int) -> bool:
    """At half of the places, the same ones each time: what comes after a race that was lost is reached too."""
    return bool(zlib.crc32(f"{row.id} {step}".encode()) & 1)


def _nowhere(row: Row, step: int) -> bool:
    return False


PLACES = {"everywhere": _everywhere, "here and there": _here_and_there, "as it comes": _nowhere}


@dataclass(frozen=True)
class Raced:
    """One run against a node that reacts at once, after both ends have come to rest."""

    wrong: dict[str, str]
    chain: str
    dropped: int
    conflicts: int
    unheard: int
    lost: int  # scenarios that the official kit would have called failed


@pytest.fixture(scope="module", params=PLACES)
def raced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Raced:
    manner = Manner(wait=1.0, overtaken=PLACES[request.param])

    async def play() -> Raced:
        async with played(tmp_path_factory.mktemp("races") / "node", manner, after=0.0, forgiving=True) as run:
            wrong = await settled(run)
            tallies = [each.kit.desk.tally for each in run.played.values()]
            return Raced(
                wrong,
                await chain_of(run),
                dropped=sum(tally.dropped for tally in tallies),
                conflicts=sum(tally.conflicts for tally in tallies),
                unheard=sum(len(tally.unheard) for tally in tallies),
                lost=sum(bool(each.failure) for each in run.played.values()),
            )

    return asyncio.run(play())


@pytest.mark.parametrize("id", IDS)
def test_both_ends_meet_when_the_node_overtakes_the_kit(raced: Raced, id: str) -> None:
    assert raced.wrong[id] == ""


def test_the_audit_chain_holds_through_all_races(raced: Raced) -> None:
    assert raced.chain == ""


@pytest.mark.parametrize("raced", ["everywhere", "here and there"], indirect=True)
def test_the_races_did_happen(raced: Raced) -> None:
    """Connections were dropped, 409 and 404 were answered, and scenarios lost that the official kit would call failed."""
    assert min(raced.dropped, raced.conflicts, raced.unheard, raced.lost) >= 3, raced


# --- the judge -----------------------------------------------------------------------------------


def test_our_own_schemas_judge_where_the_published_ones_are_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judge, "PUBLISHED", tmp_path / "absent")
    for cached in (judge._judges, judge._contexts):
        cached.cache_clear()
    try:
        good = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "TransferProcess"} | {
            "providerPid": "p", "consumerPid": "c", "state": "STARTED"
        }  # fmt: skip
        judge.check(good)
        assert judge.word(judge.expand(good), "state") == f"{judge.DSPACE}STARTED"
        for change in ({"@context": good["@context"][0]}, {"state": "dspace:STARTED"}, {"providerPid": 7}, {"@type": "Transfer"}):
            with pytest.raises(judge.Invalid):
                judge.check(good | change)
    finally:
        for cached in (judge._judges, judge._contexts):
            cached.cache_clear()
