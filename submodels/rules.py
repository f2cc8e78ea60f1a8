"""The rules that a passport is checked by, as one table: name, how bad a breach is, and what the rule asks.

The data points are rules too (`point.26`: it is missing; `unwanted.62`: it is there and not to be filled), made of their own
table.  Each rule here is broken once, alone, by `tests/submodels/test_rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from submodels.errors import Finding

ERROR, WARNING = "error", "warning"

RULES: Mapping[str, tuple[str, str]] = {
    # one leaf
    "name.unknown": (WARNING, "every name stands in the element table"),
    "type": (ERROR, "a value is of its element's type"),
    "range": (ERROR, "a number is within the range of its unit: percentages 0 to 100, masses not negative"),
    "word": (ERROR, "a value of a closed list is one of its words"),
    "text.languages": (ERROR, "a text in several languages is a list of { language: text }"),
    "text.tag": (ERROR, "a language is a tag as en, de, pt-BR"),
    "text.twice": (ERROR, "a text stands once in each language"),
    "text.none": (WARNING, "a text in several languages has a text"),
    "text.blank": (WARNING, "a text is not empty"),
    "file.shape": (ERROR, "a file is a media type and a path"),
    "file.type": (ERROR, "a file has a media type"),
    "time.zone": (WARNING, "an instant says its time zone"),
    "duration": (WARNING, "a period is written as P96M"),
    # cardinality
    "list.shape": (ERROR, "a list is a list"),
    "list.empty": (WARNING, "a list that needs an element has one"),
    "collection.shape": (ERROR, "a collection holds elements"),
    "element.missing": (WARNING, "what the template asks for is there"),
    # fields that contradict each other
    "order.voltage": (ERROR, "minimum <= nominal <= maximum voltage"),
    "order.temperature": (ERROR, "the lower bound of idle temperature is below the upper"),
    "order.efficiency": (ERROR, "round-trip efficiency at half of the cycle life is not above the initial one"),
    "order.power": (ERROR, "no original power is above the maximum permitted power"),
    "sum.mass": (ERROR, "the masses of materials add up to no more than the battery's"),
    "sum.share": (ERROR, "recycled shares of one material add up to no more than 100 %"),
    "share.twice": (WARNING, "each recycled material is told once"),
    "energy.certified": (ERROR, "certified energy is no more than nominal voltage times rated capacity"),
    "energy.remaining": (ERROR, "remaining energy is no more than the certified energy"),
    "capacity.remaining": (ERROR, "remaining capacity is no more than the rated capacity"),
    "date.service": (ERROR, "a battery is put into service after it was made"),
    "date.marking": (ERROR, "a marking expires after its issue"),
    "date.measured": (ERROR, "nothing is measured before manufacture"),
    "date.future": (ERROR, "no battery is made after the day of the check"),
    "same.manufacturer": (ERROR, "the manufacturer's identifier is the same in both parts"),
    "same.product": (ERROR, "the product's identifier is the same in both parts"),
    "same.facility": (ERROR, "the facility's identifier is the same in both parts"),
    "same.operator": (ERROR, "the operator's identifier is the same in both parts"),
    "same.category": (ERROR, "the passport's category is the one that its technical data say"),
    "marking.heavy-metal": (WARNING, "a battery with cadmium or lead above the threshold is marked Cd or Pb (Art. 13(5))"),
    # documents
    "document.missing": (WARNING, "a document that is referred to is there"),
    "document.kind": (WARNING, "a document is of one known kind; else nobody gets it"),
    "document.language": (WARNING, "a document says its language by a tag"),
    "document.type": (WARNING, "a document is of a type that is handed out"),
    # levels
    "level.item": (WARNING, "what changes with a battery is told by the battery, not by its model"),
    "level.public": (WARNING, "an item lays no value of its own over what is public of its model"),
    # the whole
    "metamodel": (ERROR, "the passport is a valid AAS under metamodel 3.0 and 3.1"),
    # against the version before
    "counter.falls": (ERROR, "a counter never falls, unless the battery was remanufactured or repurposed"),
    "time.falls": (WARNING, "a reading is not older than the one it replaces"),
    "identity.changes": (WARNING, "serial number, product identifier and day of manufacture stay what they were"),
}


def finding(rule: str, where: str, what: str, next: str = "", point: int = 0) -> Finding:
    """A breach of a rule, as bad as the table says."""
    return Finding(where, what, next, RULES[rule][0], rule, point)
