"""What a peer offers, read as its consumer: titles, contents and terms in words, and whether an offer is for us.

The grant behind a view is fetched once, checked against the digest in the dataset's id and kept; a dataset whose grant
does not hash to its id is shown as broken and never negotiated.  Links lead on only within the peer's own origins.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urljoin

from catalog.asset import split_view_asset_id
from catalog.dcat import TITLE
from catalog.publish import grant_digest_of
from connector.addresses import read_address
from connector.errors import Hidden, Malformed, PeerRefused, PeerUnreachable
from connector.exchange.conversation import transact
from connector.exchange.whole import WHOLE
from connector.operate import fit
from connector.operate.shapes import rules, title, words
from connector.ports import Answer, Transaction, World, new_message_id
from connector.protocol import wire
from connector.protocol.messages import CatalogRequest
from connector.protocol.vocabulary import DSP_VERSION
from connector.records import Grant, Json, Peer
from connector.text import clean
from policies.errors import Invalid
from policies.evaluate import Outcome
from policies.odrl import parse_policy
from submodels.errors import Invalid as InvalidGrant
from submodels.grant import AttributeGrant, parse_grant
from submodels.table import submodel

PAGES = 100  # of one catalog; more is reported, not followed
EVERYTHING = "/**"
_LINK = re.compile(r"<([^<>]{0,2048})>([^<>]{0,512})")


@dataclass(frozen=True, slots=True)
class Found:
    """One dataset of a peer's catalog."""

    id: str
    title: str
    view: str
    scope: str
    digest: str
    offers: tuple[Json, ...]
    content: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A catalog read to its end, or to where it stopped."""

    participant: str
    datasets: tuple[Found, ...]
    not_followed: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


async def catalog(world: World, peer: Peer, filter: Sequence[Any] = ()) -> Json:
    """A peer's catalog as its operator API answer; raises PeerUnreachable, PeerRefused, Malformed."""
    listing = await fetch(world, peer, filter)
    shown = [_shown(world, peer, await describe(world, peer, found)) for found in listing.datasets]
    notes = list(listing.notes)
    if listing.participant and listing.participant != peer.id:
        notes.append(f"The catalog says it is of {clean(listing.participant, 200)}, not of {peer.id}.")
    return {
        "peer": peer.name,
        "peer_id": peer.id,
        "protocol": "DSP 2025-1",
        "datasets": shown,
        "not_followed": list(listing.not_followed),
        "notes": notes,
    }


async def fetch(world: World, peer: Peer, filter: Sequence[Any] = ()) -> Listing:
    """Every page of a peer's catalog, following `Link: rel="next"` within its origins."""
    participant = ""
    datasets: list[Found] = []
    not_followed: list[str] = []
    async for page, left in pages(world, peer, filter):
        participant = str(page.get("participantId", ""))
        datasets += [found(each) for each in _datasets(page)]
        not_followed += [left] if left else []
    return Listing(participant, tuple(datasets), tuple(not_followed))


async def pages(world: World, peer: Peer, filter: Sequence[Any] = ()) -> AsyncIterator[tuple[Json, str]]:
    """A peer's catalog page by page in plain form, and what of it was not followed ('' for nothing)."""
    body = wire.write(CatalogRequest(id=new_message_id(), filter=tuple(filter)))
    address, path = peer.address, "/catalog/request"
    seen = set[str]()
    for number in range(PAGES):
        answer = await world.courier.post(address, path, body, peer.id, peer.origins)
        page = wire.read_catalog(_good(answer, peer, "your catalog request").body)
        link = next_link(answer.headers.get("link", ""), address + path)
        if not link or link in seen:
            yield page, ""
            return
        seen.add(link)
        leads = read_address(link, "Link")
        address, path = leads.origin, leads.path
        if address not in peer.origins:
            yield page, clean(link, 300)
            return
        yield page, f"more than {PAGES} pages" if number == PAGES - 1 else ""


async def dataset(world: World, peer: Peer, id: str) -> Json:
    """One dataset of a peer in plain form; Hidden when it shows none of this id to us."""
    answer = await world.courier.get(peer.address, f"/catalog/datasets/{quote(id, safe=':-._~')}", peer.id, peer.origins)
    if answer.status == 404:
        raise Hidden(f"{peer.name} shows no dataset {clean(id, 120)}.", f"saltbridge catalog {peer.name}")
    return wire.read_dataset(_good(answer, peer, f"your request for {clean(id, 120)}").body)


async def find(world: World, peer: Peer, text: str) -> Found:
    """The dataset that `text` means: an id, a unique beginning of one, or the name of a view with a single dataset."""
    if split_view_asset_id(text) is not None:
        return await describe(world, peer, found(await dataset(world, peer, text)))
    listing = await fetch(world, peer)
    named = [each for each in listing.datasets if text in (each.view, each.id)]
    matching = named or [each for each in listing.datasets if each.id.startswith(text) or each.title.startswith(text)]
    return await describe(world, peer, only(peer, text, matching))


def only(peer: Peer, text: str, matching: Sequence[Found]) -> Found:
    """The single dataset that matches; Hidden for none, Malformed for several."""
    if not matching:
        raise Hidden(f"{peer.name} shows no dataset {clean(text, 120)!r} to us.", f"saltbridge catalog {peer.name}")
    if len(matching) > 1:
        shown = ", ".join(f"{each.title} ({each.id})" for each in matching[:4])
        raise Malformed(
            f"{clean(text, 120)!r} is more than one dataset of {peer.name}.", shown, "Give the id of one.", code="name.ambiguous"
        )
    return matching[0]


def found(dataset: Json) -> Found:
    """A catalog's dataset in plain form."""
    id = dataset["@id"]
    split = split_view_asset_id(id)
    named = next((dataset[key] for key in (TITLE, "dct:title", "title") if dataset.get(key)), "")
    named = clean(named.get("@value", "") if isinstance(named, dict) else named, 200) if isinstance(named, str | dict) else ""
    view = named.partition(" · ")[0] if split else ""
    return Found(
        id=id,
        title=named or (title(id) if split else clean(id, 120)),
        view=view,
        scope=split[0] if split else "",
        digest=split[1] if split else "",
        offers=tuple(offer for offer in dataset.get("hasPolicy", ()) if offer.get("@id")),
        content="" if split else WHOLE,
    )


# --- the grant behind a view ---------------------------------------------------------------------


async def grant(world: World, peer: Peer, dataset: str) -> str:
    """The canonical text of a view dataset's grant, checked against its digest and kept; '' for a plain asset."""
    split = split_view_asset_id(dataset)
    if split is None:
        return ""
    digest = split[1]
    async with world.store.transaction() as tx:
        kept = await stored_grant(tx, digest)
    if kept:
        return kept
    answer = await world.courier.get(root(peer), f"/grants/{quote(digest, safe='-_')}", peer.id, peer.origins)
    content = _good(answer, peer, f"the grant of {title(dataset)}").body
    text = checked_grant(content, digest, peer.name)

    async def keep(tx: Transaction) -> None:
        if await tx.get(Grant, digest) is None:
            tx.put(Grant(id=digest, content=text))

    await transact(world, keep)
    return text


async def stored_grant(tx: Transaction, digest: str) -> str:
    kept = await tx.get(Grant, digest) if digest else None
    return kept.content if kept else ""


def checked_grant(content: bytes, digest: str, peer: str) -> str:
    """The grant's text if its bytes hash to the digest and are canonical; Malformed otherwise."""
    if base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode() != digest:
        raise Malformed(
            f"The grant that {peer} sent is not the one its dataset names.",
            "Its bytes do not hash to the digest in the dataset's id.",
            "Do not negotiate it; tell its operator.",
            code="grant.digest",
        )
    try:
        return parse_grant(content).canonical()
    except InvalidGrant as error:
        raise Malformed(
            f"The grant of {peer} cannot be read.", error.what, error.next, code="grant.unreadable", where=error.where
        ) from error


async def describe(world: World, peer: Peer, dataset: Found) -> Found:
    """The dataset with its content in words; one whose grant is unreachable or wrong says so in `problem`."""
    if not dataset.digest:
        return dataset
    try:
        text = await grant(world, peer, dataset.id)
    except (Malformed, Hidden, PeerRefused, PeerUnreachable) as error:
        return replace(dataset, problem=clean(f"{error.what} {error.why}".strip(), 300))
    return replace(dataset, content=content_in_words(parse_grant(text)))


def content_in_words(granted: AttributeGrant) -> str:
    """`Circularity, Materials, 2 documents`; `everything ...` where every part is granted whole."""
    whole = [part for part, pointers in granted.parts.items() if EVERYTHING in pointers]
    parts = [submodel(part).title for part in granted.parts]
    named = f"everything {granted.ceiling.replace('contract', 'with a class')}" if len(whole) >= 7 else ", ".join(parts)
    count = len(granted.documents)
    documents = f"{count} document{'s' if count != 1 else ''}" if count else ""
    return ", ".join(text for text in (named, documents) if text)


def best_offer(world: World, dataset: Found) -> Json:
    """The offer that is most for us, the first of equals; it names the dataset's grant, or nothing is negotiated."""
    order = (Outcome.YES, Outcome.UNDECIDED, Outcome.NO)
    usable = [offer for offer in dataset.offers if not dataset.digest or _names_grant(offer, dataset.digest)]
    if dataset.problem or not usable:
        raise Malformed(
            f"{dataset.title} cannot be negotiated.",
            dataset.problem or ("Its offers name another grant than its id." if dataset.offers else "It has no offer."),
            "Tell its operator.",
            code="grant.mismatch",
        )
    return min(usable, key=lambda offer: order.index(fit.for_you(world, "", offer).outcome))


# --- inside --------------------------------------------------------------------------------------


def root(peer: Peer) -> str:
    """The root of a Saltbridge peer, beside its DSP base."""
    return peer.address.removesuffix(f"/dsp/{DSP_VERSION}")


def next_link(header: str, base: str) -> str:
    """The target of `rel="next"` in a Link header (RFC 8288), absolute; '' when there is none."""
    for target, parameters in _LINK.findall(header):
        rels = [value.strip(' ",') for name, _, value in (each.strip().partition("=") for each in parameters.split(";")) if name == "rel"]
        if any("next" in rel.split() for rel in rels):
            return urljoin(base, str(target))
    return ""


def _datasets(page: Json) -> Iterator[Json]:
    yield from page["dataset"]
    for nested in page["catalog"]:
        yield from _datasets(nested)


def _good(answer: Answer, peer: Peer, what: str) -> Answer:
    """A 2xx answer; otherwise the peer's refusal in its own words."""
    if 200 <= answer.status < 300:
        return answer
    code, reasons = wire.read_error(answer.body)
    if answer.status >= 500:
        raise PeerUnreachable(
            f"{peer.name} answered {answer.status}.", clean("; ".join(reasons), 300), "Try again later.", code="peer.failing"
        )
    why = [clean(text, 300) for text in reasons] or [f"It answered {answer.status}."]
    advice = f"saltbridge peer ping {peer.name}" if answer.status == 401 else f"saltbridge catalog {peer.name}"
    raise PeerRefused(what, why[0], advice, code=clean(code, 120) or f"http.{answer.status}", details=why[1:], by=peer.name)


def _names_grant(offer: Json, digest: str) -> bool:
    try:
        return grant_digest_of(parse_policy(rules(offer))) == digest
    except Invalid:
        return False


def _shown(world: World, peer: Peer, dataset: Found) -> Json:
    offers: list[Json] = []
    for offer in dataset.offers:
        view = fit.for_you(world, peer.name, offer)
        offers.append(
            {
                "offer": offer["@id"],
                "terms": words(offer),
                "for_you": {"outcome": str(view.outcome), "text": view.text, "reasons": list(view.reasons)},
            }
        )
    order = [str(each) for each in (Outcome.YES, Outcome.UNDECIDED, Outcome.NO)]
    best: Json = min(offers, key=lambda each: order.index(each["for_you"]["outcome"])) if offers else {}
    broken = {"outcome": "no", "text": f"no: {dataset.problem}" if dataset.problem else "no: it has no offer", "reasons": []}
    return {
        "dataset": dataset.id,
        "title": dataset.title,
        "view": dataset.view,
        "scope": dataset.scope,
        "grant": dataset.digest,
        "content": dataset.content,
        "problem": dataset.problem,
        "terms": best.get("terms", ""),
        "for_you": broken if dataset.problem or not best else best["for_you"],
        "offers": offers,
    }
