"""Certificate files: what does not serve is named with the file, the reason and the fix."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.certificates import Served, check, client_context, read, server_context
from connector.errors import Misconfigured

from .running.authority import Authority

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("content", [None, "", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, content: str | None) -> None:
    chain = tmp_path / "chain.pem"
    if content is not None:
        chain.write_text(content)
    with pytest.raises(Misconfigured, match=r"chain\.pem") as raised:
        server_context(chain, tmp_path / "key.pem", NOW)
    assert raised.value.why and "PEM" in raised.value.next and raised.value.code == "certificate.unfit"


def test_a_key_that_is_absent_or_anothers_is_named(authority: Authority, tmp_path: Path) -> None:
    chain, _ = authority.issue("one")
    for key in (tmp_path / "absent.pem", authority.issue("two")[1]):
        with pytest.raises(Misconfigured) as raised:
            server_context(chain, key, NOW)
        assert str(key) in raised.value.why


def test_a_certificate_serves_from_its_beginning_to_its_end(authority: Authority) -> None:
    found = read(authority.issue(days=10)[0])
    assert found.left(found.ends - timedelta(days=9, hours=1)).days == 9
    check(found, found.begins)
    for moment, code in ((found.ends, "certificate.expired"), (found.begins.replace(year=2000), "certificate.early")):
        with pytest.raises(Misconfigured) as raised:
            check(found, moment)
        assert raised.value.code == code


def test_a_listener_speaks_nothing_older_than_tls_12(authority: Authority) -> None:
    assert server_context(*authority.issue(), NOW).minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_systems_authorities_stay_trusted_beside_a_file(authority: Authority) -> None:
    plain, more = client_context(None), client_context(authority.pem)
    assert len(more.get_ca_certs()) == len(plain.get_ca_certs()) + 1
    assert more.check_hostname and more.verify_mode == plain.verify_mode


async def test_a_renewed_certificate_is_taken_up_while_it_listens_and_a_broken_one_is_not(authority: Authority, tmp_path: Path) -> None:
    chain, key = authority.issue("first")
    served = Served(chain, key, NOW)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=served.context)
    port = server.sockets[0].getsockname()[1]
    trust = client_context(authority.pem)

    async def shown() -> int:
        _, writer = await asyncio.open_connection("localhost", port, ssl=trust)
        found = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return int(found, 16)

    first = await shown()
    assert not served.renew(NOW)
    other_chain, other_key = authority.issue("second")
    chain.write_bytes(other_chain.read_bytes())
    with pytest.raises(Misconfigured):  # the key is still the first one's
        served.renew(NOW)
    assert await shown() == first
    key.write_bytes(other_key.read_bytes())
    assert served.renew(NOW)
    assert await shown() != first
    chain.write_bytes(authority.issue("third", since=-9, days=-1)[0].read_bytes())
    with pytest.raises(Misconfigured, match="expired"):
        served.renew(NOW)
    server.close()
    await server.wait_closed()
