"""Our bundled contexts mean what the published ones mean, and the second door loses nothing."""

import json

import pytest
from pyld import jsonld as pyld

from connector.errors import Malformed, TooLarge
from connector.protocol import contexts
from connector.protocol.door import admit
from connector.protocol.vocabulary import (
    CATENAX_CONTEXT,
    CATENAX_ODRL_CONTEXT,
    DSP_CONTEXT,
    EDC_CONTEXT,
    EDC_NS,
    ODRL_CONTEXT,
    PINNED_CONTEXTS,
    W3C_ODRL_CONTEXT,
)

BOTH = [DSP_CONTEXT, EDC_CONTEXT]


def _expand(document, documents):
    def load(url, options):
        return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": documents[url]}

    return pyld.expand(document, {"base": None, "documentLoader": load})


def _merged(context, odrl):
    """The published context with its imports merged in (PyLD does that wrongly)."""
    types = {}
    for name, term in context.items():
        if isinstance(term, dict) and "@import" in term.get("@context", {}):
            scoped = {key: value for key, value in term["@context"].items() if key != "@import"}
            term = {**term, "@context": {**odrl, **scoped}}
        types[name] = term
    return types


@pytest.fixture(scope="module")
def published(dsp):
    odrl = json.loads((dsp / "context/odrl.jsonld").read_text("utf-8"))["@context"]
    context = json.loads((dsp / "context/dspace.jsonld").read_text("utf-8"))["@context"]
    return {DSP_CONTEXT: {"@context": _merged(context, odrl)}, ODRL_CONTEXT: {"@context": odrl}}


def _spelled_out(term, prefixes):
    """A term definition with its IRI in full and its one-word short form undone."""
    definition = {"@id": term} if isinstance(term, str) else dict(term)
    prefix, _, local = definition.get("@id", "").partition(":")
    definition["@id"] = prefixes[prefix] + local if prefix in prefixes else definition["@id"]
    if "@context" in definition:
        scoped = definition["@context"]
        definition["@context"] = {key: value if key[0] == "@" else _spelled_out(value, prefixes) for key, value in scoped.items()}
    return definition


@pytest.mark.parametrize("url", [DSP_CONTEXT, ODRL_CONTEXT])
def test_our_context_defines_the_same_terms(published, url):
    ours, theirs = (dict(documents[url]["@context"]) for documents in (contexts.documents(), published))
    theirs.pop("CatalogService", None)  # a DID service type, no message
    theirs["@version"] = 1.1
    prefixes = contexts.PREFIXES
    for name in {*ours, *theirs} - {"@version", "@protected"}:
        if name in prefixes:
            assert ours.get(name) == theirs.get(name), name
            continue
        left, right = _spelled_out(ours[name], prefixes), _spelled_out(theirs[name], prefixes)
        for context in (left.get("@context", {}), right.get("@context", {})):
            context.pop("odrl", None)  # a prefix that the merged profile brings along
        assert left == right, name
    assert ours.get("@protected") == theirs.get("@protected")


def test_every_example_expands_the_same(examples, published):
    for name, body in examples.items():
        document = json.loads(body)
        if "@context" in document:
            ours, theirs = (_expand(document, documents) for documents in (contexts.documents(), published))
            assert ours == theirs, name
            assert ours


def test_every_example_comes_through_the_second_door_unchanged(examples):
    for name, body in examples.items():
        document = json.loads(body)
        if "@context" not in document:
            continue
        plain = admit(document, document["@type"])
        for order in (BOTH, BOTH[::-1], [*BOTH, CATENAX_ODRL_CONTEXT, CATENAX_CONTEXT], [CATENAX_CONTEXT, CATENAX_ODRL_CONTEXT, *BOTH]):
            assert admit({**document, "@context": order}, document["@type"]) == plain, (name, order)


def _request(permission, *more, **extra):
    offer = {"@id": "o:1", "@type": "Offer", "target": "bp-1", "permission": [permission]}
    document = {"@context": [*BOTH, *more], "@type": "ContractRequestMessage", "consumerPid": "c", "offer": offer, **extra}
    return admit(document, "ContractRequestMessage")


def _constraint(left, *more):
    permission = {"action": "use", "constraint": [{"leftOperand": left, "operator": "eq", "rightOperand": "x"}]}
    return _request(permission, *more)["offer"]["permission"][0]["constraint"][0]["leftOperand"]


@pytest.mark.parametrize(
    ("left", "more", "becomes"),
    [
        ("inForceDate", (), EDC_NS + "inForceDate"),
        ("edc:inForceDate", (), EDC_NS + "inForceDate"),
        (EDC_NS + "inForceDate", (), EDC_NS + "inForceDate"),
        ("UsagePurpose", (CATENAX_CONTEXT,), "https://w3id.org/catenax/2025/9/policy/UsagePurpose"),
        ("UsagePurpose", (), "UsagePurpose"),  # no context says what it is
        ("odrl:dateTime", (), "http://www.w3.org/ns/odrl/2/dateTime"),
        ("dateTime", (), "dateTime"),
        ("https://w3id.org/saltbridge/v1/grant", (), "https://w3id.org/saltbridge/v1/grant"),
    ],
)
def test_words_become_full_names_or_stay(left, more, becomes):
    assert _constraint(left, *more) == becomes


def test_an_unknown_restriction_does_not_vanish():
    permission = {"action": "use", "refinement": [{"leftOperand": "x"}], "duty": [{"action": "use"}]}
    kept = _request(permission, stray={"a": 1})
    assert kept["offer"]["permission"][0]["refinement"] == {"leftOperand": "x"}  # refused by the policy's reader
    assert kept["offer"]["permission"][0]["duty"] == [{"action": "use"}]
    assert kept["stray"] == {"a": 1}


def test_one_element_groups_regain_their_array():
    inner = {"leftOperand": "a", "operator": "eq", "rightOperand": "b"}
    permission = {"action": "use", "constraint": [{"and": inner}]}  # as EDC compacts it
    assert _request(permission)["offer"]["permission"][0]["constraint"] == [{"and": [inner]}]


@pytest.mark.parametrize(
    "id",
    ["bp-1", "a b/c?d#e", "CD123:ACN0101:456", "_:EU", "../x", "http://h/a/../b", "REQUESTED", "use", "https://w3id.org/dspace/2025/1/x"],
)
def test_ids_stay_what_they_are(id):
    offer = {"@id": id, "@type": "Offer", "target": id, "assigner": id, "permission": [{"action": "use"}]}
    document = {"@context": BOTH, "@type": "ContractRequestMessage", "@id": id, "consumerPid": id, "offer": offer}
    plain = admit(document, "ContractRequestMessage")
    assert (plain["@id"], plain["consumerPid"], plain["offer"]) == (id, id, offer)


def test_a_query_of_an_edc_keeps_its_short_names():
    query = {
        "@type": "QuerySpec",
        "limit": 50,
        "filterExpression": [{"@type": "Criterion", "operandLeft": "id", "operator": "=", "operandRight": "bp-1"}],
    }
    assert admit({"@context": BOTH, "@type": "CatalogRequestMessage", "filter": [query]}, "CatalogRequestMessage")["filter"] == [query]


def test_terms_do_not_leak_from_one_message_to_the_next(examples):
    for name in ("contract-agreement-message.json", "catalog.json", "contract-request-message.json", "catalog.json"):
        document = json.loads(examples[name])
        assert admit({**document, "@context": BOTH}, document["@type"]) == admit(document, document["@type"])


def test_the_costly_door_is_narrower():
    document = {"@type": "CatalogRequestMessage", "filter": ["x"] * 10_001}
    assert admit({**document, "@context": [DSP_CONTEXT]}, "CatalogRequestMessage")
    with pytest.raises(TooLarge):
        admit({**document, "@context": BOTH}, "CatalogRequestMessage")


def test_nothing_is_ever_fetched():
    assert set(contexts.documents()) == PINNED_CONTEXTS | {ODRL_CONTEXT, W3C_ODRL_CONTEXT, contexts.PLAIN_FORM, contexts.GUARD}
    with pytest.raises(Malformed, match=r"https://w3id.org/dspace/2025/1/odrl-profile.jsonld"):
        admit({"@context": [DSP_CONTEXT, ODRL_CONTEXT], "@type": "Catalog"}, "Catalog")


def test_a_message_that_contradicts_its_contexts_is_refused():
    with pytest.raises(Malformed) as caught:
        admit({"@context": BOTH, "@type": "Catalog", "@id": ["two", "ids"]}, "Catalog")
    assert caught.value.code == "context.unreadable"
