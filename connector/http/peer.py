"""Calls to a peer's DSP endpoints: to an origin of its card, with a token made for this one call."""

from __future__ import annotations

from collections.abc import Iterable

from connector.addresses import origin, read_address
from connector.errors import Denied
from connector.ports import Answer, Identity

from .outbound import Outbound

_JSON = "application/json"


class HttpCourier:
    """`ports.Courier` over the outgoing client."""

    def __init__(self, outbound: Outbound, identity: Identity) -> None:
        self._outbound = outbound
        self._identity = identity

    async def post(self, address: str, path: str, body: bytes, audience: str, origins: Iterable[str]) -> Answer:
        """POST a message; Denied when the address has none of these origins, PeerUnreachable when no whole answer came."""
        return await self._call("POST", address + path, body, audience, origins)

    async def get(self, address: str, path: str, audience: str, origins: Iterable[str]) -> Answer:
        """GET the same way."""
        return await self._call("GET", address + path, None, audience, origins)

    async def _call(self, method: str, url: str, body: bytes | None, audience: str, origins: Iterable[str]) -> Answer:
        address = read_address(url)
        if address.origin not in {origin(one) for one in origins}:
            why = "it is not an origin of the peer's card, and messages go nowhere else"
            next = "Ask the peer for its present card and add it again (saltbridge peer add)."
            raise Denied(f"{address.origin} is not called.", why, next, code="address.refused")
        headers = {"Authorization": await self._identity.token(audience), "Accept": _JSON}
        if body is not None:
            headers["Content-Type"] = _JSON
        return await self._outbound.call(method, address, headers, body, listed=True)
