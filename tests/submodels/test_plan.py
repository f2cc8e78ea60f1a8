"""A grant laid over the table: why a leaf stays, the law's reason first."""

from __future__ import annotations

import pytest

from submodels.audience import PUBLIC_GRANT
from submodels.grant import parse_grant
from submodels.plan import NO_CLASS, NOT_IN_VIEW, plan_of, why_not
from submodels.table import CEILINGS, Audience


@pytest.mark.parametrize("ceiling", CEILINGS)
def test_what_has_no_class_stays_under_every_ceiling(ceiling: str) -> None:
    assert why_not(None, ceiling, named=True) == NO_CLASS


@pytest.mark.parametrize("ceiling", CEILINGS)
def test_what_no_path_names_stays_even_when_it_is_public(ceiling: str) -> None:
    assert why_not(Audience.PUBLIC, ceiling, named=False) == NOT_IN_VIEW
    assert why_not(Audience.PUBLIC, ceiling, named=True) == ""


def test_the_law_is_named_before_the_view() -> None:
    assert why_not(Audience.AUTHORITIES, "legitimate-interest", named=False) == "authorities only, Art. 77(2)(b)"
    assert why_not(Audience.LEGITIMATE, "authorities", named=True) == "legitimate interest only"
    assert why_not(Audience.BOTH, "public", named=True) == "legitimate interest and authorities only"


def test_a_grant_is_compiled_once() -> None:
    assert plan_of(parse_grant(PUBLIC_GRANT.canonical())) is plan_of(PUBLIC_GRANT)
    assert parse_grant(PUBLIC_GRANT.canonical()) is parse_grant(PUBLIC_GRANT.canonical().encode())
