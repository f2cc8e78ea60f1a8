"""The operations below `/management/saltbridge`, a row each."""

from __future__ import annotations

from connector.operate.transfers import VERBS

from . import backup, contracts, exchanging, lives, peers, policies, received, registry, views
from .bodies import BASE
from .row import ARRAY, OBJECT, Row

_MADE = {200: OBJECT, 201: OBJECT}
_PACKAGES = (
    "application/zip", "application/asset-administration-shell-package", "application/json", "application/octet-stream", "text/csv",
)  # fmt: skip

ROWS = (
    Row("GET", f"{BASE}/status", "How this node is doing", {200: OBJECT}),
    # passports
    Row(
        "POST", f"{BASE}/passports/import", "Import a folder, CSV, AASX or JSON of any form that is known", {200: OBJECT}, {}, ("dry_run",),
        media=_PACKAGES,
    ),
    Row("GET", f"{BASE}/passports", "Models with their batteries", {200: ARRAY}),
    Row("GET", f"{BASE}/passports/{{name}}", "The operator's own whole passport", {200: {}}, query=("part", "at")),
    Row("GET", f"{BASE}/passports/templates/{{part}}", "The CSV template of a part", {200: None}, query=("model",)),
    Row("GET", f"{BASE}/passports/{{name}}/export", "Passports as a file", {200: None}, query=("as", "view", "part")),
    Row(
        "GET", f"{BASE}/passports/{{name}}/check", "Judge a passport, or all of a model, against the data points", {200: OBJECT},
        query=("category", "date"),
    ),
    Row("GET", f"{BASE}/passports/{{name}}/provenance", "Where each value of a passport comes from", {200: OBJECT}),
    Row("POST", f"{BASE}/passports/{{name}}/publish", "Publish a model, or a battery that waited", {200: OBJECT}),
    Row("GET", f"{BASE}/passports/{{name}}/history", "Every step in the life of a passport", {200: OBJECT}),
    Row("GET", f"{BASE}/passports/{{name}}/diff", "What differs between two versions", {200: OBJECT}, query=("before", "after")),
    Row("GET", f"{BASE}/passports/{{name}}/label", "A QR code for the battery", {200: OBJECT}, query=("link", "size_mm", "engrave")),
    Row("POST", f"{BASE}/passports/{{name}}/status", "Change the battery's own status", {200: OBJECT}, lives.StatusBody),
    Row("POST", f"{BASE}/passports/{{name}}/follow", "Say which passport this one follows", {200: OBJECT}, lives.FollowBody),
    *(
        Row("POST", f"{BASE}/passports/{{name}}/{verb}", summary, {200: OBJECT}, body, ("dry_run",), body_needed=False)
        for verb, summary, body in (
            ("supersede", "Say which passport follows", lives.FollowBody),
            ("archive", "Offer it no longer, answer it still", lives.EndBody),
            ("cease", "End it; a signed statement is left", lives.EndBody),
            ("forget", "Remove what was never published", lives.EndBody),
        )
    ),
    Row("PUT", f"{BASE}/passports/{{name}}/{{part}}", "Replace one part", {200: OBJECT}, {}),
    Row("GET", f"{BASE}/matrix", "Who may see what by law, of a passport or of any", {200: OBJECT}, query=("of", "category", "date")),
    # views and offers
    Row("GET", f"{BASE}/views", "Views", {200: ARRAY}),
    Row("PUT", f"{BASE}/views/{{name}}", "Write a view", {200: OBJECT}, views.ViewBody, body_needed=False),
    Row("GET", f"{BASE}/views/{{name}}", "One view", {200: OBJECT}),
    Row("DELETE", f"{BASE}/views/{{name}}", "Delete a view", {200: OBJECT}),
    Row("GET", f"{BASE}/views/{{name}}/preview", "What somebody would get", {200: OBJECT}, query=("battery", "as")),
    Row("POST", f"{BASE}/views/{{name}}/test", "Check what is expected of a view", {200: OBJECT}),
    Row(
        "GET", f"{BASE}/diff", "What changes between two views or participants, and for which peers", {200: OBJECT},
        query=("before", "after", "peers", "policy", "as", "other"),
    ),
    Row("POST", f"{BASE}/offers", "Offer a view", _MADE, views.OfferBody),
    Row("GET", f"{BASE}/offers", "What is on offer", {200: ARRAY}),
    Row("DELETE", f"{BASE}/offers/{{dataset}}", "Withdraw an offer", {200: OBJECT}, query=("policy",)),
    # policies
    Row("GET", f"{BASE}/policies", "Policy definitions, ready-made ones too", {200: ARRAY}),
    Row("POST", f"{BASE}/policies/explain", "What a participant would be told", {200: OBJECT}, policies.ExplainBody),
    Row("GET", f"{BASE}/policies/{{id}}", "One policy definition", {200: OBJECT}),
    Row("PUT", f"{BASE}/policies/{{id}}", "Write a policy definition (ODRL)", {200: OBJECT}, OBJECT),
    Row("DELETE", f"{BASE}/policies/{{id}}", "Delete a policy definition", {200: OBJECT}),
    # peers
    Row("GET", f"{BASE}/peers", "Peers", {200: ARRAY}),
    Row("GET", f"{BASE}/peers/card", "Our own card", {200: OBJECT}),
    Row("POST", f"{BASE}/peers/fetch", "Look at a card before trusting it", {200: OBJECT}, peers.LookBody),
    Row("POST", f"{BASE}/peers", "Trust a card", _MADE, peers.PeerBody),
    Row("GET", f"{BASE}/peers/{{name}}", "One peer", {200: OBJECT}),
    Row("DELETE", f"{BASE}/peers/{{name}}", "Trust a peer no longer", {200: OBJECT}, query=("dry_run",)),
    Row("POST", f"{BASE}/peers/{{name}}/refresh", "Fetch a peer's card again from where it serves it", {200: OBJECT}),
    Row("POST", f"{BASE}/peers/{{name}}/ping", "Ask a peer, layer by layer", {200: OBJECT}),
    Row("POST", f"{BASE}/peers/{{name}}/refresh", "Read a peer's card again", {200: OBJECT}),
    # this node
    Row("GET", f"{BASE}/keys", "Our signing key", {200: OBJECT}),
    Row("POST", f"{BASE}/keys/next", "Announce the next signing key", {200: OBJECT}),
    Row("POST", f"{BASE}/keys/rotate", "Sign with the announced key", {200: OBJECT}),
    Row("POST", f"{BASE}/backup", "A backup, as a tar", {200: None}, query=("keys",)),
    Row("PUT", f"{BASE}/backup", "Say that a backup was written and checked", {200: OBJECT}, backup.KeptBody),
    Row("GET", f"{BASE}/backup", "The last backup on record", {200: OBJECT}),
    # contracts
    Row("POST", f"{BASE}/catalog", "What a peer offers us", {200: OBJECT}, contracts.CatalogBody),
    Row("POST", f"{BASE}/negotiations", "Open a negotiation", {201: OBJECT}, contracts.NegotiationBody),
    Row("GET", f"{BASE}/negotiations", "Negotiations", {200: ARRAY}, query=("peer", "state", "waiting")),
    Row("GET", f"{BASE}/negotiations/{{id}}", "One negotiation", {200: OBJECT}),
    Row("GET", f"{BASE}/negotiations/{{id}}/timeline", "Every message of a negotiation", {200: OBJECT}),
    *(
        Row("POST", f"{BASE}/negotiations/{{id}}/{verb}", summary, {200: OBJECT}, contracts.AnswerBody, body_needed=False, query=query)
        for verb, summary, query in (
            ("approve", "Say yes to a request that waits", ()),
            ("accept", "Accept what stands", ()),
            ("decline", "Say no to what stands", ()),
            ("counter", "Answer with other terms", ()),
            ("terminate", "End a negotiation, or retire its agreement", ("dry_run",)),
        )
    ),
    Row("GET", f"{BASE}/agreements", "Agreements", {200: ARRAY}, query=("peer",)),
    Row("GET", f"{BASE}/agreements/{{id}}", "One agreement", {200: OBJECT}),
    Row(
        "POST", f"{BASE}/agreements/{{id}}/retire", "End an agreement at once", {200: OBJECT}, contracts.AnswerBody, ("dry_run",),
        body_needed=False,
    ),
    # transfers and pulls
    Row("POST", f"{BASE}/transfers", "Request a transfer", {201: OBJECT}, contracts.TransferBody),
    Row("GET", f"{BASE}/transfers", "Transfers", {200: ARRAY}, query=("peer", "agreement", "state")),
    Row("GET", f"{BASE}/transfers/{{id}}", "One transfer", {200: OBJECT}),
    Row("GET", f"{BASE}/transfers/{{id}}/timeline", "Every message of a transfer", {200: OBJECT}),
    Row("GET", f"{BASE}/transfers/{{id}}/dataaddress", "Where a transfer is pulled, with its token", {200: OBJECT}),
    Row(
        "POST", f"{BASE}/transfers/{{id}}/{{verb}}", "Move a transfer along", {200: OBJECT}, contracts.AnswerBody, body_needed=False,
        path_schemas={"verb": {"enum": sorted(VERBS)}},
    ),
    Row("POST", f"{BASE}/pull", "Negotiate where needed, pull, check and keep", {200: OBJECT}, received.PullBody),
    Row("GET", f"{BASE}/received", "What was pulled", {200: ARRAY}, query=("agreement", "battery", "peer")),
    Row("GET", f"{BASE}/received/{{id}}/content", "The bytes of what was pulled", {200: None}),
    # registry
    Row("GET", f"{BASE}/registry/shell-descriptors", "Shell descriptors, whole", {200: OBJECT}, query=("limit", "cursor")),
    Row("GET", f"{BASE}/registry/shell-descriptors/{{id}}", "One shell descriptor, whole", {200: OBJECT}),
    Row("GET", f"{BASE}/registry/submodel-descriptors/{{id}}", "One submodel descriptor, whole", {200: OBJECT}),
    Row("GET", f"{BASE}/registry/lookup/shells", "Shells by asset ids", {200: OBJECT}, query=("assetIds", "limit", "cursor")),
    Row("GET", f"{BASE}/registry/lookup/shells/{{id}}", "The asset links of a shell", {200: ARRAY}),
    Row("POST", f"{BASE}/registry/lookup/shellsByAssetLink", "Shells by asset links", {200: OBJECT}, ARRAY, query=("limit", "cursor")),
    Row("GET", f"{BASE}/registry/asset-ids", "Asset ids of the operator's own, and who may read them", {200: OBJECT}, query=("battery",)),
    Row("POST", f"{BASE}/registry/asset-ids/{{battery}}", "Give a battery an asset id", {200: OBJECT}, registry.AssetIdBody),
    Row("DELETE", f"{BASE}/registry/asset-ids/{{battery}}/{{name}}", "Take an asset id away", {200: OBJECT}, query=("value",)),
    Row("PUT", f"{BASE}/registry/rules/{{name}}", "Say who may read asset ids of a name", {200: OBJECT}, registry.RuleBody),
    Row("POST", f"{BASE}/lookup", "Find a battery at peers by any identifier", {200: OBJECT}, registry.LookupBody),
    Row("GET", f"{BASE}/peers/{{name}}/catalog", "What a peer offers us, as RDF", {200: None}, query=("as",)),
    Row("POST", f"{BASE}/query", "Ask our batteries or a peer's catalog in SPARQL", {200: OBJECT}, exchanging.QueryBody),
    # evidence
    Row("GET", f"{BASE}/audit", "The audit chain", {200: ARRAY}, query=("after", "limit", "last", "writer")),
    Row("GET", f"{BASE}/audit/verify", "Whether the chain holds", {200: OBJECT}),
    Row("GET", f"{BASE}/decisions/{{id}}", "Why something was decided", {200: OBJECT}, query=("replay",)),
)  # fmt: skip
