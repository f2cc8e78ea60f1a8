"""The words of the public page, in the languages it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WORDS: Mapping[str, dict[str, str]] = {
    "en": {
        "kind": "Battery passport",
        "model": "Model",
        "fire": "In case of fire: extinguish with",
        "facts": "This battery",
        "chemistry": "Chemistry",
        "category": "Category",
        "manufacturer": "Manufacturer",
        "made": "Date of manufacture",
        "serial": "Serial number",
        "mass": "Mass",
        "capacity": "Rated capacity",
        "voltage": "Nominal voltage",
        "carbon": "Carbon footprint",
        "carbon-pending": "not yet required by law",
        "not-given": "not given",
        "documents": "Documents",
        "all": "Everything that is public",
        "more": "Repairers, second-life operators, recyclers and authorities get more than this page: under a contract with the operator, "
        "node to node.",
        "proof": "Who says so:",
        "superseded": "Another passport has taken the place of this one:",
        "archived": "This passport is kept in the archive.",
        "follows": "It follows:",
        "ceased-title": "This passport has ceased to exist",
        "passport": "Passport",
        "ceased": "Since",
        "why": "Reason",
        "successor": "What follows",
        "statement": "Signed statement (JWS)",
    },
    "de": {
        "kind": "Batteriepass",
        "model": "Modell",
        "fire": "Im Brandfall löschen mit",
        "facts": "Diese Batterie",
        "chemistry": "Chemie",
        "category": "Kategorie",
        "manufacturer": "Hersteller",
        "made": "Herstellungsdatum",
        "serial": "Seriennummer",
        "mass": "Masse",
        "capacity": "Bemessungskapazität",
        "voltage": "Nennspannung",
        "carbon": "CO₂-Fußabdruck",
        "carbon-pending": "gesetzlich noch nicht vorgeschrieben",
        "not-given": "nicht angegeben",
        "documents": "Dokumente",
        "all": "Alles, was öffentlich ist",
        "more": "Werkstätten, Zweitnutzer, Recycler und Behörden bekommen mehr als diese Seite: unter einem Vertrag mit dem Betreiber, "
        "von Knoten zu Knoten.",
        "proof": "Wer das sagt:",
        "superseded": "An die Stelle dieses Passes ist ein anderer getreten:",
        "archived": "Dieser Pass liegt im Archiv.",
        "follows": "Er folgt auf:",
        "ceased-title": "Diesen Pass gibt es nicht mehr",
        "passport": "Pass",
        "ceased": "Seit",
        "why": "Grund",
        "successor": "Was folgt",
        "statement": "Unterschriebene Erklärung (JWS)",
    },
}

PART_NAMES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "nameplate": "Nameplate", "handover": "Documents", "carbon": "Carbon footprint", "technical": "Technical data",
        "condition": "Condition", "materials": "Materials", "circularity": "Circularity", "metadata": "About this passport",
    },
    "de": {
        "nameplate": "Typenschild", "handover": "Dokumente", "carbon": "CO₂-Fußabdruck", "technical": "Technische Daten",
        "condition": "Zustand", "materials": "Materialien", "circularity": "Kreislauf", "metadata": "Über diesen Pass",
    },
}  # fmt: skip


def words(languages: Sequence[str]) -> tuple[str, dict[str, str]]:
    """(language, its words) of the first language that there is; English otherwise."""
    found = next((each for each in languages if each in WORDS), "en")
    return found, WORDS[found]
