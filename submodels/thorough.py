"""Everything that can be found wrong with one passport, and the report of it: what `saltbridge passport check` runs.

Slower than `check.check`, which every import runs: the metamodel alone costs a tenth of a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date

from submodels import compare
from submodels.batch import Batch, BatteryIn, DocumentIn, LayerIn
from submodels.check import check
from submodels.compare import Parts
from submodels.crossing import of_the_category, of_the_day
from submodels.documents import PassportDocument
from submodels.errors import Finding, Invalid
from submodels.judge import Report, report
from submodels.passport import Passport, merge
from submodels.provenance import Layer, misplaced
from submodels.rules import ERROR, finding
from submodels.table import PARTS


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


def passports(batch: Batch) -> Iterator[tuple[Passport, tuple[Layer, ...]]]:
    """Every battery that a batch brings, with its layers, as a node would read it; of a model alone, what it says by itself."""
    layers = [_layer(each) for each in batch.layers]
    for item in batch.batteries or (BatteryIn(serial=""),):
        owners = {("model", ""), ("batch", item.batch), ("item", item.serial)}
        own = tuple(each for each in layers if (each.level, each.owner) in owners)
        trees = {part: [each.tree for each in own if each.part == part] for part in PARTS}
        name = f"{batch.model}.{item.serial}" if item.serial else batch.model
        yield (
            Passport(
                battery=name,
                model=batch.model,
                category=batch.category,
                revision="",
                identifiers=batch.identifiers,
                parts={part: merge(stack) for part, stack in trees.items() if stack},
                documents=tuple(_document(each) for each in batch.documents if each.owner in ("", item.serial)),
            ),
            own,
        )


def _layer(given: LayerIn) -> Layer:
    level = "batch" if given.batch else "item" if given.owner else "model"
    return Layer(level=level, owner=given.batch or given.owner, part=given.part, tree=given.tree)


def _document(given: DocumentIn) -> PassportDocument:
    return PassportDocument(
        id=given.identifier,
        identifier=given.identifier,
        kind=given.kind,
        title=given.title,
        filename=given.filename,
        media_type=given.media_type,
        language=given.language,
        size=len(given.content),
        sha256=hashlib.sha256(given.content).hexdigest(),
    )
