"""TLS by certificate files, between two nodes and from the command line; what does not serve stops a node at its start."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, ClientSession

from connector.errors import Misconfigured
from connector.identity import keys, static
from connector.operate import peers, ping, pulls
from connector.records import Json

from .authority import Authority
from .stage import FIRST, Run, Stage


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def over_tls(authority: Authority, chain: Path, key: Path) -> dict[str, str]:
    """Settings of a node whose two listeners speak TLS and which trusts the authority."""
    own = {"TLS_CERT": str(chain), "TLS_KEY": str(key)}
    return {
        "DATASPACE__TLS": "own",
        **{f"{side}__{name}": value for side in ("DATASPACE", "OPERATOR") for name, value in own.items()},
        "OUTBOUND__TLS_CA": str(authority.pem),
    }


def maker_card(maker: Run) -> Json:
    return dict(static.card(maker.world.me, keys.load(maker.node.config.keys).dsp))


async def introduced_by_card(stage: Stage, maker: Run, recycler: Run) -> None:
    """Each takes the other's card from its address, over TLS and through the node's own client."""
    for host, guest in ((maker, recycler), (recycler, maker)):
        card = (await peers.fetch(host.world, static, guest.url))["card"]
        await host.takes(card, guest.name, **({"role": "recycler"} if guest is recycler else {}))
    await maker.stock()


async def test_two_nodes_negotiate_and_pull_over_tls(stage: Stage, authority: Authority) -> None:
    settings = over_tls(authority, *authority.issue())
    maker, recycler = await stage.start("maker", settings), await stage.start("recycler", settings)
    assert maker.url.startswith("https://localhost:") and maker.id.startswith("did:web:localhost%3A")
    await introduced_by_card(stage, maker, recycler)
    pulled = await pulls.pull(recycler.world, pulls.Wish(peer="maker", what="dismantling", battery=FIRST))
    assert pulled["elements"] > 0
    layers = {row["layer"]: row["status"] for row in (await ping.ping(recycler.world, static, "maker"))["layers"]}
    assert set(layers.values()) == {"ok"}


async def test_a_peer_of_an_unknown_authority_is_not_called_and_tls_is_named(
    stage: Stage, authority: Authority, tmp_path: Path
) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    other = Authority(strange, "Nobody's authority")
    maker = await stage.start("maker", over_tls(authority, *authority.issue()))
    recycler = await stage.start("recycler", over_tls(other, *other.issue()))
    await recycler.takes(maker_card(maker), "maker")
    told = await ping.ping(recycler.world, static, "maker")
    assert told["failed"] == "tls"
    failed = next(row for row in told["layers"] if row["status"] == "failed")
    assert "authority" in failed["next"]


async def test_the_listeners_speak_no_plain_http(stage: Stage, authority: Authority) -> None:
    maker = await stage.start("maker", over_tls(authority, *authority.issue()))
    trust = ssl.create_default_context(cafile=str(authority.pem))
    operator = maker.node.config.operator
    async with ClientSession() as session:
        for address, path in ((maker.url, "/.well-known/dspace-version"), (f"https://{operator.listen}", "/health")):
            async with session.get(address + path, ssl=trust) as answer:
                assert answer.status == 200
            with pytest.raises(ClientConnectorCertificateError):
                await session.get(address + path)
            with pytest.raises(Exception, match=r"Bad status|disconnected|reset"):
                await session.get(address.replace("https:", "http:") + path)


async def test_the_command_line_speaks_tls_and_trusts_this_listener_only(
    stage: Stage, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, key = authority.issue()
    maker = await stage.start("maker", over_tls(authority, chain, key))
    monkeypatch.setenv("SALTBRIDGE_OPERATOR__TLS_CERT", str(chain))
    said = await maker.types("status", "--json")
    assert said.code == 0, said.err
    assert said.json["participant"] == maker.id
    # another certificate of the same authority is somebody else
    monkeypatch.setenv("SALTBRIDGE_OPERATOR__TLS_CERT", str(authority.issue("other")[0]))
    said = await maker.types("status")
    assert said.code == 1 and "No TLS" in said.err and "tls_cert" in said.err


@pytest.mark.parametrize(("since", "days", "said"), [(-9, -1, "expired"), (1, 9, "valid from")])
@pytest.mark.parametrize("side", ["DATASPACE", "OPERATOR"])
async def test_a_certificate_out_of_its_time_stops_the_start(
    stage: Stage, authority: Authority, side: str, since: float, days: float, said: str
) -> None:
    good, bad = authority.issue("good"), authority.issue("bad", since=since, days=days)
    settings = over_tls(authority, *good) | {f"{side}__TLS_CERT": str(bad[0]), f"{side}__TLS_KEY": str(bad[1])}
    with pytest.raises(Misconfigured) as raised:
        await stage.start("maker", settings)
    assert str(bad[0]) in raised.value.what and said in raised.value.why and raised.value.next
    # nothing is left running or locked: with the certificate mended it starts in the same home
    again = await stage.start("maker", over_tls(authority, *good))
    assert again.url.startswith("https:")


async def test_a_key_of_another_certificate_and_unreadable_authorities_are_named(
    stage: Stage, authority: Authority, tmp_path: Path
) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    with pytest.raises(Misconfigured, match="two-key") as raised:
        await stage.start("a", over_tls(authority, one[0], two[1]))
    assert "PEM" in raised.value.next
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    with pytest.raises(Misconfigured, match=r"broken\.pem"):
        await stage.start("b", over_tls(authority, *one) | {"OUTBOUND__TLS_CA": str(broken)})


async def test_a_clock_that_passes_the_end_of_a_certificate_is_seen_at_the_next_start(stage: Stage, authority: Authority) -> None:
    settings = over_tls(authority, *authority.issue(days=10))
    await stage.start("maker", settings)
    stage.passes(days=11)
    with pytest.raises(Misconfigured, match="expired"):
        await stage.start("maker", settings)
