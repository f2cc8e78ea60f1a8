"""Static identity: peers whose keys the operator has added, one fresh signed token per call.

Knows no negotiation and no policy: it says who called, where that peer may be called, and what the operator vouches for.
"""

from __future__ import annotations

from datetime import datetime

from jwcrypto.jwk import JWK

from connector.errors import Unauthenticated, Unavailable
from connector.frozen import replace
from connector.kept import Kept
from connector.ports import Caller, Clock, Me, Store
from connector.records import Json, Peer
from policies.facts import Facts
from policies.operands import PARTICIPANT, claim_iri

from . import jws
from .card import card, default_id, read_card
from .keys import fingerprint

__all__ = ["StaticIdentity", "card", "default_id", "fingerprint", "read_card"]

_SCHEME = "bearer "
_NONCES_PER_PEER = 10_000  # of GETs within the life of a token


class StaticIdentity:
    """`ports.Identity` over the Peer records of a store."""

    def __init__(self, store: Store, clock: Clock, key: JWK, me: Me) -> None:
        self._store = store
        self._clock = clock
        self._key = key
        self._me = me
        self._callers: Kept[tuple[str, int], Caller] = Kept(1024)
        self._seen: dict[str, dict[str, datetime]] = {}  # issuer -> nonce of a GET -> until; issuers are peers, so few

    def sign_with(self, key: JWK) -> None:
        """Sign with this key from the next call on."""
        self._key = key

    async def authenticate(self, authorization: str, *, safe: bool) -> Caller:
        """The peer that signed this `Authorization` for us just now.

        A message that changes something carries its nonce on, to be used up in the transaction of its change; a `safe` one is
        checked here against those of the last minutes.
        """
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthenticated("there is no bearer token")
        token = jws.read(authorization[len(_SCHEME) :])
        peer = await self._trusted(token.issuer)
        if peer is None:
            raise Unauthenticated("the issuer is no peer of ours, or blocked")
        keys = [peer.key] if peer.next_key is None else [peer.key, peer.next_key]
        if not jws.signed_by(token, keys):
            raise Unauthenticated(f"the signature does not fit the key we hold of {peer.name}")
        nonce, until = jws.check_claims(token, self._me.id, self._clock.now())
        if safe:
            self._use(peer.id, nonce, until)
            return self._caller(peer)
        return replace(self._caller(peer), nonce=(peer.id, nonce, until))

    async def caller(self, participant: str) -> Caller | None:
        peer = await self._trusted(participant)
        return None if peer is None else self._caller(peer)

    async def token(self, audience: str) -> str:
        return f"Bearer {jws.sign(self._key, self._me.id, audience, self._clock.now())}"

    def statement(self, claims: Json, typ: str) -> str:
        """What this node says for anyone to check against its card: a compact JWS of a type that is no call's."""
        return jws.sign_claims(self._key, claims, typ)

    def _caller(self, peer: Peer) -> Caller:
        """What the peer's record says, worked out once for each version of it."""
        key = (peer.id, peer.version)
        return self._callers.get(key) or self._callers.hold(key, _caller(peer))

    async def _trusted(self, participant: str) -> Peer | None:
        async with self._store.transaction() as tx:
            peer = await tx.get(Peer, participant)
        return None if peer is None or peer.blocked else peer

    def _use(self, issuer: str, nonce: str, until: datetime) -> None:
        seen = self._seen.setdefault(issuer, {})
        if nonce in seen:
            raise Unauthenticated("the token was used before")
        if len(seen) >= _NONCES_PER_PEER:
            now = self._clock.now()
            self._seen[issuer] = seen = {known: end for known, end in seen.items() if end > now}
        if len(seen) >= _NONCES_PER_PEER:  # forgetting one would let it be used again
            raise Unavailable("Too many requests.", "the peer reads faster than tokens expire", "Ask again later.", retry_after=10)
        seen[nonce] = until


def _caller(peer: Peer) -> Caller:
    return Caller(participant=peer.id, origins=peer.origins, facts=_facts(peer), name=peer.name)


def _facts(peer: Peer) -> Facts:
    """What the operator vouches for, and who the participant is; what its card wishes is no fact."""
    facts = Facts()
    for name, values in peer.claims.items():
        if values:
            facts = facts.with_fact(claim_iri(name), *values, source="vouched by operator")
    return facts.with_fact(PARTICIPANT, peer.id, source="authenticated")
