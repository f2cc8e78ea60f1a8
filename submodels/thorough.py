"""Everything that can be found wrong with one passport, and the report of it: what `saltbridge passport check` runs.

Slower than `check.check`, which every import runs: the metamodel alone costs a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from submodels import compare
from submodels.check import check
from submodels.compare import Parts
from submodels.crossing import of_the_category, of_the_day
from submodels.errors import Finding, Invalid
from submodels.judge import Report, report
from submodels.passport import Passport
from submodels.provenance import Layer, misplaced
from submodels.rules import ERROR, finding


def judged(passport: Passport, day: date, layers: Sequence[Layer] = (), before: Parts | None = None) -> Report:
    """The report of a passport for its category and a day; `layers` where they are known, `before` the parts it replaces."""
    return report(passport, day, tuple(_findings(passport, day, layers, before)))


def _findings(passport: Passport, day: date, layers: Sequence[Layer], before: Parts | None) -> Iterator[Finding]:
    found = [*check(passport), *of_the_category(passport.parts, passport.category), *of_the_day(passport.parts, day), *misplaced(layers)]
    if before is not None:
        found.extend(compare.since(before, passport.parts))
    yield from found
    if not any(each.severity == ERROR for each in found):  # a wrong value would only be told a second time
        yield from _metamodel(passport)


def _metamodel(passport: Passport) -> Iterator[Finding]:
    from submodels.environment import environment

    try:
        environment(passport)
    except Invalid as error:
        yield finding("metamodel", error.where, error.what, error.next)
