"""Calls to a peer: to its card's origins only, each with a token of its own that the peer accepts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiohttp import web

from connector.errors import Denied, PeerUnreachable, Unauthenticated
from connector.http.outbound import Outbound
from connector.http.peer import HttpCourier
from connector.identity.keys import new_key, public_jwk
from connector.identity.static import StaticIdentity
from connector.ports import Caller, Me, SystemClock
from connector.records import Peer
from connector.storage.sqlite import open_sqlite

MAKER, RECYCLER = "did:web:maker.example", "did:web:recycler.example"


async def test_each_call_carries_a_fresh_token_that_the_peer_accepts_once() -> None:
    clock = SystemClock()
    ours, theirs = open_sqlite(":memory:", clock), open_sqlite(":memory:", clock)
    key = new_key()
    known = Peer(
        id=RECYCLER,
        name="recycler",
        address="http://recycler.example",
        origins=("http://recycler.example",),
        key=public_jwk(key),
        added=datetime.now(UTC),
    )
    async with theirs.transaction() as tx:
        tx.put(known)
    recycler = StaticIdentity(ours, clock, key, Me(id=RECYCLER, name="recycler", public_url="http://recycler.example"))
    maker = StaticIdentity(theirs, clock, new_key(), Me(id=MAKER, name="maker", public_url="http://maker.example"))
    calls: list[tuple[str, str, bytes, str, Caller]] = []

    async def answer(request: web.Request) -> web.Response:
        try:
            caller = await maker.authenticate(request.headers["Authorization"], safe=request.method == "GET")
        except Unauthenticated:
            return web.Response(status=401)
        calls.append((request.method, request.raw_path, await request.read(), request.content_type, caller))
        return web.json_response({"ok": True}, status=201)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    at = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with Outbound(allow_private=["127.0.0.0/8"]) as outbound:
        courier = HttpCourier(outbound, recycler)
        posted = await courier.post(f"{at}/dsp", "/negotiations/urn%3Auuid%3A1%2F2", b"{}", MAKER, [at])
        got = await courier.get(f"{at}/dsp", "/negotiations/x", MAKER, [at])
        other = await courier.get(f"{at}/dsp", "/negotiations/x", "did:web:somebody.else", [at])
    await runner.cleanup()
    await ours.close()
    await theirs.close()
    assert (posted.status, posted.body, posted.headers["content-type"]) == (201, b'{"ok": true}', "application/json; charset=utf-8")
    assert (got.status, other.status) == (201, 401)
    [(method, path, body, media, caller), (method2, _, _, _, caller2)] = calls
    assert (method, path, body, media) == ("POST", "/dsp/negotiations/urn%3Auuid%3A1%2F2", b"{}", "application/json")
    assert caller.participant == RECYCLER
    assert caller.nonce is not None
    assert (method2, caller2.nonce) == ("GET", None)


@pytest.mark.parametrize("origins", [[], ["http://127.0.0.1:1"], ["https://127.0.0.1:9"], ["http://localhost:9"]])
async def test_a_message_goes_nowhere_but_to_an_origin_of_the_card(origins: list[str]) -> None:
    store = open_sqlite(":memory:", SystemClock())
    identity = StaticIdentity(store, SystemClock(), new_key(), Me(id=MAKER, name="maker", public_url="http://maker.example"))
    async with Outbound(allow_private=["127.0.0.0/8"]) as outbound:
        courier = HttpCourier(outbound, identity)
        with pytest.raises(Denied) as refused:
            await courier.post("http://127.0.0.1:9", "/x", b"{}", RECYCLER, origins)
        with pytest.raises(PeerUnreachable):
            await courier.post("http://127.0.0.1:9", "/x", b"{}", RECYCLER, ["http://127.0.0.1:9"])
    await store.close()
    assert refused.value.code == "address.refused"
