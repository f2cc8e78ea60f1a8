"""What is wrong with a passport: leaves, fields that contradict each other, documents, levels, data points, metamodel.

An error must not be published; a warning may.  `check` is what every import runs; `judge.report` adds what is asked of the
passport's category on a day.  The rules are named in `rules.RULES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from submodels.crossing import contradictions
from submodels.documents import KINDS, MEDIA_TYPES, PassportDocument, entry_identifiers, kinds_of, kinds_referred, kinds_stated
from submodels.errors import Finding
from submodels.judge import missing
from submodels.leaves import LANGUAGE, check_part
from submodels.passport import Passport
from submodels.rules import finding
from submodels.table import PARTS
from submodels.value import Tree

__all__ = ["Finding", "check", "missing"]

Parts = Mapping[str, Tree]
Told = dict[tuple[str, int], tuple[Tree, tuple[Finding, ...]]]  # by part and identity of a tree, which it keeps alive


def check(given: Passport | Parts, documents: Sequence[PassportDocument] = (), told: Told | None = None) -> tuple[Finding, ...]:
    """Every finding about a passport, or about parts and their documents, in the order of the parts.

    Many batteries share the very trees of their model: what `told` holds of one of them is not worked out again.
    """
    told = {} if told is None else told
    parts = given.parts if isinstance(given, Passport) else given
    documents = given.documents if isinstance(given, Passport) else documents
    findings: list[Finding] = []
    for part in PARTS:
        whole = parts.get(part)
        if whole is not None:
            if (part, id(whole)) not in told:
                told[part, id(whole)] = (whole, tuple(check_part(part, whole)))
            findings.extend(told[part, id(whole)][1])
    findings.extend(contradictions(parts))
    findings.extend(_documents(parts, documents))
    return tuple(findings)


def _documents(parts: Parts, documents: Sequence[PassportDocument]) -> Iterator[Finding]:
    """References without a document, and documents that nobody may have because their kind is not plain."""
    referred, stated = kinds_referred(parts), kinds_stated(documents)
    handover = parts.get("handover")
    listed = handover.get("Documents") if isinstance(handover, dict) else None
    entries = {each for entry in (listed if isinstance(listed, list) else ()) for each in entry_identifiers(entry)}
    known = entries | {document.identifier for document in documents}
    for identifier, kinds in referred.items():
        if identifier not in known:
            what = f"is referred to ({', '.join(sorted(kinds))}) but not there"
            yield finding("document.missing", f"documents/{identifier}", what, "add it to documents.csv")
    for identifier in sorted(known):
        kinds = kinds_of([identifier], referred, stated)
        if len(kinds) != 1 or not kinds <= KINDS.keys():
            what = f"is of several kinds ({', '.join(sorted(kinds))})" if len(kinds) > 1 else "is of no known kind"
            next = "state one kind, and refer to it as that only"
            yield finding("document.kind", f"documents/{identifier}", f"{what}; given to nobody", next)
    for document in documents:
        if document.language and not LANGUAGE.fullmatch(document.language):
            what = f"says a language that is no tag: {document.language[:20]!r}"
            yield finding("document.language", f"documents/{document.identifier}", what, "use tags as en, de, pt-BR")
        if document.media_type not in MEDIA_TYPES:
            what = f"is of type {document.media_type[:80]}, which is kept but not handed out"
            yield finding("document.type", f"documents/{document.identifier}", what, f"types are {', '.join(MEDIA_TYPES)}")
