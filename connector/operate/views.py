"""Views: names for attribute grants, what each can let out, and the expectations that stand guard over them.

A view is a name; its grant is immutable and known by digest.  Replacing a view touches no offer and no agreement.
What a grant can let out is read from the element table alone, never from a passport.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connector.errors import Clash, Hidden, Malformed
from connector.exchange.conversation import transact
from connector.operate.all_of import all_of
from connector.operate.reading import checked_name, reading
from connector.ports import Transaction, World
from connector.records import Asset, Grant, Json, Note, View
from submodels import table
from submodels.audience import may_see, public_gaps
from submodels.documents import KINDS
from submodels.errors import Invalid
from submodels.grant import AttributeGrant, make_grant, parse_grant
from submodels.paths import covers, parse
from submodels.table import Element
from submodels.views import READY, ready_view

PUBLIC = "public"
DOCUMENTS = "documents/"  # an expectation about a document kind: "documents/dismantling-manual"


@dataclass(frozen=True, slots=True)
class Reach:
    """An element that a grant can let out; `when` is the condition on a sibling, '' when it always may go."""

    element: Element
    when: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation and whether the grant keeps it; `why` names the element that decided."""

    expectation: str  # "must materials/..." | "must_not documents/..."
    holds: bool
    why: str = ""


async def put(
    world: World,
    name: str,
    *,
    title: str = "",
    paths: Sequence[str] = (),
    parts: Mapping[str, Sequence[str]] | None = None,
    documents: Sequence[str] = (),
    ceiling: str = "",
    expectations: Json | None = None,
) -> Json:
    """Create or replace a view, from paths (`part/pointer`), or as the ready-made one of that name when none are given.

    Raises Malformed for a path that matches no element, for expectations that the grant does not keep, and for a view
    named public that holds less than everything public.  The same input again changes nothing.
    """
    checked_name("The view", name)
    grant, ready_title = _grant_from(name, [*paths, *_pointers(parts or {})], documents, ceiling)
    require_public(name, grant)
    require(name, judge(grant, expectations or {}))

    async def work(tx: Transaction) -> Json:
        stored = await tx.get(View, name)
        kept = expectations if expectations is not None else (stored.expectations if stored else {})
        require(name, judge(grant, kept))
        view = View(id=name, version=stored.version if stored else 0, title=title or ready_title, grant=grant.digest, expectations=kept)
        await keep_grant(tx, grant)
        if view != stored:
            tx.put(view)
            tx.note(Note(event="view.changed", subject=name, data={"grant": grant.digest, "was": stored.grant if stored else ""}))
        return await _shown(tx, view, grant) | {"changed": view != stored}

    return await transact(world, work)


async def show(world: World, name: str) -> Json:
    """A view with its elements and their classes, documents, expectations and the offers that stand on it."""

    async def work(tx: Transaction) -> Json:
        view, grant = await named(tx, name)
        return await _shown(tx, view, grant)

    return await transact(world, work)


async def list_views(world: World) -> list[Json]:
    """All views: the operator's, and the ready-made ones that were not used yet (`stored` is false)."""

    async def work(tx: Transaction) -> list[Json]:
        names = sorted({*READY, *(view.id for view in await all_of(tx, View))})
        return [_row(*await named(tx, name)) for name in names]

    return await transact(world, work)


async def delete(world: World, name: str) -> Json:
    """Forget a view's name; refused while an offer of it stands.  Grants and agreements stay."""

    async def work(tx: Transaction) -> Json:
        view = await tx.get(View, name)
        if view is None:
            raise Hidden(f"There is no view {name} to delete.", "saltbridge view list")
        offered = [asset.id for asset in await all_of(tx, Asset, view=name) if not asset.withdrawn]
        if offered:
            raise Clash(
                f"The view {name} is on offer.", "These datasets stand on it.", f"saltbridge view withdraw {offered[0]}", details=offered
            )
        tx.delete(View, name)
        tx.note(Note(event="view.deleted", subject=name, data={"grant": view.grant}))
        return {"view": name, "deleted": True}

    return await transact(world, work)


async def test(world: World, name: str) -> Json:
    """Run a view's expectations; `passed` is false as soon as one fails or cannot be run."""

    async def work(tx: Transaction) -> Json:
        view, grant = await named(tx, name)
        checks = judge(grant, view.expectations)
        return {
            "view": name,
            "grant": grant.digest,
            "passed": all(check.holds for check in checks),
            "checks": [{"expectation": check.expectation, "holds": check.holds, "why": check.why} for check in checks],
        }

    return await transact(world, work)


# --- for the other operator functions ------------------------------------------------------------


async def named(tx: Transaction, name: str) -> tuple[View, AttributeGrant]:
    """The view of this name with its grant; a ready-made one that is not stored has version 0.  Hidden when unknown."""
    view = await tx.get(View, name)
    if view is not None:
        return view, await grant_of(tx, view.grant)
    if name not in READY:
        raise Hidden(f"There is no view {name}.", f"Known: {', '.join(sorted(READY))}; and: saltbridge view list")
    title, grant = ready_view(name)
    return View(id=name, title=title, grant=grant.digest), grant


async def ensure(tx: Transaction, name: str) -> tuple[View, AttributeGrant]:
    """As `named`, stored from now on."""
    view, grant = await named(tx, name)
    await keep_grant(tx, grant)
    if view.version == 0:
        view = tx.put(view)
        tx.note(Note(event="view.changed", subject=name, data={"grant": grant.digest, "was": ""}))
    return view, grant


async def grant_of(tx: Transaction, digest: str) -> AttributeGrant:
    """The stored grant of a digest."""
    record = await tx.get(Grant, digest)
    if record is None:
        raise Hidden(f"There is no grant {digest}.", "saltbridge view list")
    with reading("The stored grant"):
        return parse_grant(record.content)


async def keep_grant(tx: Transaction, grant: AttributeGrant) -> None:
    """Store a grant's canonical bytes, once."""
    if await tx.get(Grant, grant.digest) is None:
        tx.put(Grant(id=grant.digest, content=grant.canonical()))


def reach(grant: AttributeGrant) -> tuple[Reach, ...]:
    """Every element that the grant can let out, in table order, handover entries with their documents."""
    held = [Reach(each, "" if may_see(grant.ceiling, each.audience) else condition(each)) for each in grant.elements]
    entries = [Reach(each, "its document is granted") for each in table.elements("handover") if each.by_document and grant.kinds]
    return (*held, *entries)


def document_kinds(grant: AttributeGrant) -> tuple[str, ...]:
    """The document kinds that the grant can let out."""
    return tuple(sorted(grant.kinds))


def condition(element: Element) -> str:
    """`IsCriticalRawMaterial is true`: where the element is public; '' when nothing makes it so."""
    if element.public_when is None:
        return ""
    name, value = element.public_when
    return f"{name} is {str(value).lower() if isinstance(value, bool) else value}"


def judge(grant: AttributeGrant, expectations: Mapping[str, Any]) -> tuple[Check, ...]:
    """Each expectation against the grant and the element table.  One that cannot be run does not hold."""
    unknown = sorted(set(expectations) - {"must", "must_not"})
    checks = [Check(key, False, "an expectation is must or must_not") for key in unknown]
    for key in ("must", "must_not"):
        wanted = expectations.get(key, [])
        if not isinstance(wanted, list | tuple):
            checks.append(Check(key, False, "write a list of paths"))
            continue
        checks.extend(_judge_one(grant, key, text) for text in wanted)
    return tuple(checks)


def require_public(name: str, grant: AttributeGrant) -> None:
    """A public element cannot be sold: a view named public holds all of them."""
    gaps = public_gaps(grant) if name == PUBLIC else ()
    if gaps:
        raise Malformed(
            "The public view cannot be narrower than public.",
            f"The law makes public, and it leaves out: {gaps[0]}" + (f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""),
            "Give a narrower view another name.",
            code="view.public",
        )


def require(name: str, checks: Iterable[Check]) -> None:
    """A view whose expectations fail, or whose check cannot run, is not published."""
    broken = [check for check in checks if not check.holds]
    if broken:
        raise Malformed(
            f"The view {name} does not keep what is expected of it.",
            f"{broken[0].expectation}: {broken[0].why}",
            "Change the view or its expectations, then: saltbridge view test",
            code="view.expectation",
            details=[f"{check.expectation}: {check.why}" for check in broken[1:]],
        )


# --- inside --------------------------------------------------------------------------------------


def _judge_one(grant: AttributeGrant, key: str, text: Any) -> Check:
    label = f"{key} {text}"
    if not isinstance(text, str):
        return Check(label, False, "a path is text")
    try:
        asked, let_out = _asked_document(grant, text) if text.startswith(DOCUMENTS) else _asked_elements(grant, text)
    except Invalid as error:
        return Check(label, False, f"cannot be checked: {error.what}")
    if not asked:
        return Check(label, False, "cannot be checked: no element of the table is there")
    if key == "must":
        missing = [name for name in asked if name not in let_out]
        return Check(label, not missing, f"{missing[0]} is not in the view" if missing else "")
    return Check(label, not let_out, f"{let_out[0]} is in the view" if let_out else "")


def _asked_elements(grant: AttributeGrant, text: str) -> tuple[list[str], list[str]]:
    """The elements that a path means, and those of them that the grant lets out (on a condition too)."""
    template = parse(text)
    asked = [element.template for element in table.elements(template.part) if covers(template, template.part, element.path)]
    can = {each.element.template for each in reach(grant)}
    return asked, [name for name in asked if name in can]


def _asked_document(grant: AttributeGrant, text: str) -> tuple[list[str], list[str]]:
    kind = text.removeprefix(DOCUMENTS)
    if kind not in KINDS:
        return [], []
    return [text], [text] if kind in document_kinds(grant) else []


def _grant_from(name: str, paths: Sequence[str], documents: Sequence[str], ceiling: str) -> tuple[AttributeGrant, str]:
    if not paths and not documents:
        if name not in READY:
            raise Malformed(
                f"There is no ready-made view {name}.",
                "A view of your own needs paths.",
                f"Ready-made are {', '.join(sorted(READY))}.",
                code="view.unknown",
            )
        title, grant = ready_view(name)
        return (replace(grant, ceiling=ceiling) if ceiling else grant), title
    with reading(f"The view {name}"):
        return make_grant(paths, documents, ceiling or "contract"), name


def _pointers(parts: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{part}{pointer}" for part, pointers in parts.items() for pointer in pointers]


def _row(view: View, grant: AttributeGrant) -> Json:
    return {
        "view": view.id,
        "title": view.title,
        "grant": grant.digest,
        "ceiling": grant.ceiling,
        "parts": list(grant.parts),
        "elements": len(reach(grant)),
        "documents": len(document_kinds(grant)),
        "stored": view.version > 0,
    }


async def _shown(tx: Transaction, view: View, grant: AttributeGrant) -> Json:
    offered = [asset.id for asset in await all_of(tx, Asset, view=view.id) if not asset.withdrawn]
    return _row(view, grant) | {
        "paths": [f"{part}{pointer}" for part, pointers in grant.parts.items() for pointer in pointers],
        "documents": list(document_kinds(grant)),
        "elements": [
            {
                "path": each.element.template,
                "class": each.element.audience.value if each.element.audience else "",
                "annex": list(each.element.annex),
                "when": each.when,
            }
            for each in reach(grant)
        ],
        "restricted": grant.ceiling != PUBLIC,
        "expectations": dict(view.expectations),
        "offers": offered,
    }
