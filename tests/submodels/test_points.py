"""The 71 data points: the guidance's own table, places that exist, and what is missing of a passport."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts.lib import sample
from submodels.check import missing
from submodels.documents import KINDS
from submodels.errors import Invalid
from submodels.passport import Passport
from submodels.points import CATEGORIES, DOCUMENTS, MODEL, Status, applies_from, changes, column, pending, points, status, tells
from submodels.table import Audience, element, rows

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "battery" / "data-points.csv"
FEBRUARY = date(2027, 2, 18)
COLUMNS = ("ev", "lmt", "industrial")


def _element(place: str) -> Any:
    part, _, path = place.partition("/")
    return element(part, path.split("/"))


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published table of data points is not beside this checkout (../shared/data)")
def test_names_and_states_are_those_of_the_guidance() -> None:
    with PUBLISHED.open(encoding="utf-8", newline="") as stream:
        published = list(csv.DictReader(stream))
    assert [int(row["point"]) for row in published] == list(points())
    for row in published:
        point = points()[int(row["point"])]
        assert point.name == row["name"].replace("–", "-")
        assert point.behaviour == row["behaviour"]
        assert point.seen_by == row["audience"].replace("_", "-")
        for category in COLUMNS:
            assert status(point.number, category, FEBRUARY) == row[category].replace("_", "-"), (point.number, category)


def test_there_are_71_points_and_five_answers() -> None:
    assert list(points()) == list(range(1, 72))
    answers = {each: Counter(status(number, each, FEBRUARY).value for number in points()) for each in COLUMNS}
    assert answers == {
        "ev": {"mandatory": 51, "conditional": 8, "pending": 4, "not-to-be-filled": 7, "optional": 1},
        "lmt": {"mandatory": 54, "conditional": 8, "pending": 4, "not-to-be-filled": 4, "optional": 1},
        "industrial": {"mandatory": 36, "conditional": 26, "pending": 4, "not-to-be-filled": 4, "optional": 1},
    }


def test_every_place_of_a_point_is_in_the_element_table() -> None:
    for point in points().values():
        for place in (*point.places, *point.none, *point.holds, *([point.entry] if point.entry else [])):
            part, _, path = place.partition("/")
            known = place == MODEL or (path in KINDS if part == DOCUMENTS else path == "**" or _element(place) is not None)
            assert known, f"point {point.number}: {place}"


def test_a_point_is_seen_by_whom_its_elements_are_seen_by() -> None:
    for point in points().values():
        for place in point.places:
            part, _, path = place.partition("/")
            found = None if place == MODEL else KINDS[path] if part == DOCUMENTS else _element(place)
            assert found is None or found.audience == Audience(point.seen_by), f"point {point.number}: {place}"


def test_the_nine_dynamic_points_without_a_place_at_the_item_live_there() -> None:
    """Three stand nowhere in IDTA's templates and six at the model's level; `note` says of each what was done."""
    nine = (51, 52, 54, 55, 56, 58, 59, 60, 66)
    assert all(points()[number].level == "item" and points()[number].note for number in nine)
    own = {number for number in nine if all(_element(place).own for place in points()[number].places)}
    assert own == {51, 55, 59, 66}  # 59 too: the template's element is public, and an item's value of it is not
    assert all(_element(place).audience is Audience.LEGITIMATE for number in nine for place in points()[number].places)


def test_a_point_without_a_place_says_why() -> None:
    assert {point.number for point in points().values() if not point.homes} == {16, 25, 44}
    assert all(point.note for point in points().values() if not point.homes)


def test_a_conditional_point_says_its_condition() -> None:
    for number, point in points().items():
        states = {status(number, category, FEBRUARY) for category in COLUMNS}
        assert bool(point.condition) == (Status.CONDITIONAL in states), number


def test_stationary_storage_counts_as_industrial() -> None:
    assert column("stationary") == column("Industrial") == "industrial"
    assert set(CATEGORIES) == {*COLUMNS, "stationary"}
    with pytest.raises(Invalid, match="no category"):
        column("portable")


def test_a_state_holds_until_the_next_and_before_the_first_too() -> None:
    assert applies_from() == FEBRUARY
    assert status(26, "ev", date(2026, 11, 25)) is Status.MANDATORY
    assert status(17, "ev", date(2040, 1, 1)) is Status.PENDING  # until an act says otherwise: a row
    assert list(changes(17, "ev", FEBRUARY)) == []
    assert pending("ev", FEBRUARY) == (17, 18, 19, 44)
    assert pending("nonsense", FEBRUARY) == pending("ev", FEBRUARY)


def test_every_row_of_a_state_names_its_source() -> None:
    assert all(row["source"] and date.fromisoformat(row["from"]) for row in rows("states.csv"))


def test_words_are_whole_words() -> None:
    assert tells(("cd", "pb"), "Marking (Pb)") and tells(("separate collection",), "SEPARATE collection symbol")
    assert not tells(("pb",), "spbs") and not tells(("lead",), "leading")


# --- missing ---------------------------------------------------------------------------------------

WHOLE = sample.passport(sample.read_folder(sample.folder()), "000017")


def without(passport: Passport, part: str, *path: str) -> Passport:
    """The passport without one element of a part."""

    def cut(value: Any, steps: tuple[str, ...]) -> Any:
        if isinstance(value, list):
            return [cut(each, steps[1:]) for each in value]
        if len(steps) == 1:
            return {key: each for key, each in value.items() if key != steps[0]}
        return {**value, steps[0]: cut(value[steps[0]], steps[1:])}

    return _with(passport, {**passport.parts, part: cut(passport.parts[part], path)})


def _with(passport: Passport, parts: Mapping[str, Any], **changed: Any) -> Passport:
    fields = {name: getattr(passport, name) for name in ("battery", "model", "category", "revision", "identifiers", "documents")}
    return Passport(**{**fields, "parts": parts, **changed})


def test_nothing_mandatory_is_missing_of_a_complete_passport() -> None:
    assert missing(WHOLE, FEBRUARY) == ()


def test_a_missing_point_is_one_error_with_its_clause_and_what_to_do() -> None:
    (finding,) = missing(without(WHOLE, "technical", "GeneralInformation", "BatteryMass"), FEBRUARY)
    assert (finding.point, finding.severity, finding.rule) == (10, "error", "point.10")
    assert finding.where == "technical/GeneralInformation/BatteryMass"
    assert finding.what == "Weight is missing (Annex VI A(5))"
    assert finding.next == "give technical/GeneralInformation/BatteryMass"


def test_an_entry_counts_for_the_point_its_words_name() -> None:
    content = WHOLE.parts["circularity"]
    assert isinstance(content, dict) and isinstance(content["RecycledContentInformation"], list)
    entries = [each for each in content["RecycledContentInformation"] if isinstance(each, dict) and each["RecycledMaterial"] != "Cobalt"]
    found = missing(_with(WHOLE, {**WHOLE.parts, "circularity": {**content, "RecycledContentInformation": [*entries]}}), FEBRUARY)
    assert [finding.point for finding in found] == [20]
    assert "where RecycledMaterial names cobalt" in found[0].next


def test_a_document_is_told_by_its_kind() -> None:
    documents = tuple(each for each in WHOLE.documents if each.kind != "cycle-life-test")
    found = missing(_with(WHOLE, WHOLE.parts, documents=documents), FEBRUARY)
    assert [(each.point, each.next) for each in found] == [(32, "give a document of the kind cycle-life-test")]


def test_an_empty_list_of_hazardous_substances_says_that_there_are_none() -> None:
    materials = WHOLE.parts["materials"]
    assert isinstance(materials, dict)
    assert missing(_with(WHOLE, {**WHOLE.parts, "materials": {**materials, "HazardousSubstances": []}}), FEBRUARY) == ()
    assert [each.point for each in missing(without(WHOLE, "materials", "HazardousSubstances"), FEBRUARY)] == [13]


def test_blank_texts_are_no_values() -> None:
    plate = WHOLE.parts["nameplate"]
    assert isinstance(plate, dict)
    for blank in ("", "  ", None):
        found = missing(_with(WHOLE, {**WHOLE.parts, "nameplate": {**plate, "SerialNumber": blank}}), FEBRUARY)
        assert [each.point for each in found] == [7]


def test_the_category_decides() -> None:
    lmt = {finding.point for finding in missing(_with(WHOLE, WHOLE.parts, category="lmt"), FEBRUARY)}
    assert lmt == {62, 65, 66}
    assert missing(_with(WHOLE, WHOLE.parts, category="stationary"), FEBRUARY) == ()
    with pytest.raises(Invalid):
        missing(_with(WHOLE, WHOLE.parts, category="pack"), FEBRUARY)


def test_a_passport_of_nothing_lacks_every_mandatory_point() -> None:
    empty = Passport(battery="EV-72.1", model="", category="ev", revision="1")
    assert [finding.point for finding in missing(empty, FEBRUARY)] == [
        number for number in points() if status(number, "ev", FEBRUARY) is Status.MANDATORY
    ]
