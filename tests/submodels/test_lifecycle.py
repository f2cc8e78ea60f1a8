"""The life of a passport: the whole table, and what no table has."""

from __future__ import annotations

import itertools

import pytest

from submodels.errors import Invalid
from submodels.lifecycle import (
    ANSWERED,
    IN_PLACE,
    NEW_PASSPORT,
    OFFERED,
    STAGE_TABLE,
    STAGES,
    TABLE,
    Act,
    State,
    after,
    stage,
    stage_change,
    standing,
)

CASES = list(itertools.product([None, *State], Act))


@pytest.mark.parametrize(("state", "act"), CASES, ids=[f"{state}-{act}" for state, act in CASES])
def test_every_act_leads_where_the_table_says_or_nowhere(state: State | None, act: Act) -> None:
    if (state, act) in TABLE:
        assert after(state, act) is TABLE[state, act]
    else:
        with pytest.raises(Invalid, match=str(act)):
            after(state, act)


def test_the_table_as_people_read_it() -> None:
    drawn = {(str(state or "-"), str(act)): str(then) for (state, act), then in TABLE.items()}
    assert drawn == {
        ("-", "template"): "draft", ("-", "import"): "imported",
        ("draft", "template"): "draft", ("draft", "import"): "imported", ("draft", "forget"): "forgotten",
        ("imported", "update"): "imported", ("imported", "status"): "imported", ("imported", "follow"): "imported",
        ("imported", "publish"): "published", ("imported", "forget"): "forgotten",
        ("published", "publish"): "published", ("published", "update"): "published", ("published", "status"): "published",
        ("published", "follow"): "published", ("published", "supersede"): "superseded", ("published", "archive"): "archived",
        ("published", "cease"): "ceased",
        ("superseded", "archive"): "archived", ("superseded", "cease"): "ceased",
        ("archived", "publish"): "published", ("archived", "supersede"): "superseded", ("archived", "cease"): "ceased",
    }  # fmt: skip


def test_what_has_ceased_or_is_forgotten_stays_so() -> None:
    assert not [state for state, _ in TABLE if state in (State.CEASED, State.FORGOTTEN)]


def test_nothing_that_was_published_is_ever_forgotten_or_unpublished() -> None:
    seen = {State.PUBLISHED, State.SUPERSEDED, State.ARCHIVED, State.CEASED}
    assert {then for (state, _), then in TABLE.items() if state in seen} <= seen


def test_every_state_is_reached() -> None:
    assert set(TABLE.values()) == set(State)


PAIRS = list(itertools.product([s for s in State if s is not State.FORGOTTEN], ["", *(s for s in State if s is not State.FORGOTTEN)]))


@pytest.mark.parametrize(("model", "own"), PAIRS, ids=[f"{model}-{own or 'as-model'}" for model, own in PAIRS])
def test_a_battery_shows_no_more_than_its_model_and_itself(model: State, own: str) -> None:
    found = standing(model, own)
    both = {model, State(own) if own else model}
    assert found in both
    if both & {State.DRAFT, State.IMPORTED}:
        assert found not in ANSWERED
    elif State.CEASED in both:
        assert found is State.CEASED
    if found in OFFERED:
        assert both == {State.PUBLISHED}


@pytest.mark.parametrize(("now", "then"), list(itertools.product(["", *STAGES], STAGES)))
def test_a_battery_changes_its_status_as_the_table_says(now: str, then: str) -> None:
    if (now, then) in STAGE_TABLE:
        assert stage_change(now.upper(), then.title()) == STAGE_TABLE[now, then]
    else:
        with pytest.raises(Invalid, match="does not become"):
            stage_change(now, then)


def test_a_second_life_needs_a_passport_of_its_own_and_waste_does_not() -> None:
    for now in STAGES:
        for then in ("re-used", "repurposed", "remanufactured"):
            assert stage_change(now, then) == NEW_PASSPORT
    assert {stage_change(now, "waste") for now in STAGES if now != "waste"} == {IN_PLACE}


def test_a_status_is_read_in_any_case_and_no_other_word_is_one() -> None:
    assert stage("Original") == "original"
    assert stage("Reused") == "re-used"
    with pytest.raises(Invalid):
        stage("broken")
