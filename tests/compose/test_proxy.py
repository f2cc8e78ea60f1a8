"""The proxy configuration of the small dataspace, run by a real nginx in front of two real nodes; SKIPPED without nginx."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from connector.certificates import client_context
from connector.identity import static
from connector.operate import peers, ping, pulls
from tests.running.authority import Authority
from tests.running.stage import FIRST, LOOPBACK, Pair, Run, Stage, free_ports

CONFIGURATION = Path(__file__).resolve().parents[2] / "compose" / "nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
Behind = tuple[Pair, Authority]
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx (Debian: apt-get install --no-install-recommends nginx-light)")


def here(folder: Path, chain: Path, key: Path, ports: Mapping[str, tuple[int, int]]) -> Path:
    """The configuration as it stands, but for where files, nodes and ports are: each name becomes a port of localhost.

    `ports` has (public, own) of each node.
    """
    text = CONFIGURATION.read_text()
    text = text.replace("/tmp/", f"{folder}/").replace("/run/tls/chain.pem", str(chain)).replace("/run/tls/key.pem", str(key))
    text = re.sub(r"    server \{\n\s+listen 8443 ssl http2 default_server;.*?\n    \}\n", "", text, flags=re.DOTALL)
    for name, (public, own) in ports.items():
        text = text.replace(f"server {name}:7401;", f"server 127.0.0.1:{own};")
        listens = rf"listen 8443 ssl http2;(\s+)server_name {name}\.saltbridge\.test;"
        text = re.sub(listens, rf"listen 127.0.0.1:{public} ssl http2;\1server_name localhost;", text)
    assert "8443" not in text and "saltbridge.test" not in text
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


@asynccontextmanager
async def proxying(path: Path) -> AsyncIterator[None]:
    command = [str(NGINX), "-c", str(path), "-p", str(path.parent), "-g", "daemon off;"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        await asyncio.sleep(0.3)
        assert process.returncode is None, (await process.stderr.read()).decode() if process.stderr else ""
        yield
    finally:
        process.terminate()
        await process.communicate()


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Behind]:
    """A maker and a recycler behind nginx, each at its own public https address."""
    authority = Authority(tmp_path)
    chain, key = authority.issue("proxy")
    stage = Stage(tmp_path)
    ports: dict[str, tuple[int, int]] = {}
    runs: dict[str, Run] = {}
    for name in ("maker", "recycler", "oem"):
        public, own = free_ports()
        ports[name] = (public, own)
    for name in ("maker", "recycler"):
        public, own = ports[name]
        settings = {
            "DATASPACE__LISTEN": f"127.0.0.1:{own}", "DATASPACE__PUBLIC_URL": f"https://localhost:{public}", "DATASPACE__TLS": "proxy",
            "OUTBOUND__TLS_CA": str(authority.pem), "OUTBOUND__ALLOW_PRIVATE": ", ".join(LOOPBACK),
        }  # fmt: skip
        runs[name] = await stage.start(name, settings)
    folder = tmp_path / "nginx"
    folder.mkdir()
    async with proxying(here(folder, chain, key, ports)):
        yield Pair(stage, runs["maker"], runs["recycler"]), authority
    await stage.close()


def test_nginx_reads_it_as_it_is_delivered(tmp_path: Path) -> None:
    chain, key = Authority(tmp_path).issue()
    folder = tmp_path / "nginx"
    folder.mkdir()
    path = here(folder, chain, key, {name: free_ports() for name in ("maker", "recycler", "oem")})
    checked = subprocess.run([str(NGINX), "-t", "-c", path, "-p", folder], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


async def test_two_nodes_do_business_through_it(behind: Behind) -> None:
    pair, _ = behind
    for host, guest, claims in ((pair.maker, pair.recycler, {"role": "recycler"}), (pair.recycler, pair.maker, {})):
        card = (await peers.fetch(host.world, static, guest.url))["card"]
        await host.takes(card, guest.name, **claims)
    await pair.maker.stock()
    pulled = await pulls.pull(pair.recycler.world, pulls.Wish(peer="maker", what="dismantling", battery=FIRST))
    assert pulled["elements"] > 0 and pulled["documents"]
    assert (await ping.ping(pair.recycler.world, static, "maker"))["ok"]


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl (Debian: apt-get install curl)")
@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
async def test_it_speaks_http_2_and_older_and_shows_the_dataspace_side_only(behind: Behind, version: str) -> None:
    pair, authority = behind
    for path in ("/.well-known/dspace-version", "/management/saltbridge/status", "/metrics", "/health"):
        status = "200" if "well-known" in path else "404"
        asked = ["curl", "-sS", version, "--cacert", str(authority.pem), "-w", "\n%{http_version} %{http_code}", f"{pair.maker.url}{path}"]
        process = await asyncio.create_subprocess_exec(*asked, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert out.decode().splitlines()[-1] == f"{'2' if version == '--http2' else '1.1'} {status}"


async def test_a_node_that_is_down_is_bad_gateway_and_its_neighbour_goes_on(behind: Behind) -> None:
    pair, authority = behind
    await pair.stage.stop("maker")
    trust = client_context(authority.pem)
    async with ClientSession() as session:
        async with session.get(f"{pair.maker.url}/.well-known/dspace-version", ssl=trust) as answer:
            assert answer.status == 502
        async with session.get(f"{pair.recycler.url}/.well-known/dspace-version", ssl=trust) as answer:
            assert answer.status == 200
