"""The npm client `@think-it-labs/edc-connector-client`, unmodified, provides, browses, negotiates, transfers and fetches.

It is installed once into a cache folder outside the tree; without Node, npm or a registry the test says why it is skipped.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connector.records import Transfer
from tests.management.nodes import End, Two

HERE = Path(__file__).parent / "edc-client"
STORY = "story.mjs"


@cache
def installed() -> Path:
    """The folder with the client in it; skips where there is none to be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("there is no Node.js with npm here")
    package = (HERE / "package.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "saltbridge-tests" / f"edc-client-{hashlib.sha256(package).hexdigest()[:12]}"
    done = folder / "installed"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(package)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=100)
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", None) or str(error).encode()
            pytest.skip(f"the client cannot be installed: {said.decode(errors='replace').strip()[-300:]}")
        done.touch()
    shutil.copy(HERE / STORY, folder / STORY)
    return folder


def told(end: End) -> dict[str, str]:
    return {"management": end.management, "token": end.token, "dsp": end.dsp, "id": end.id}


async def run(folder: Path, two: Two) -> dict[str, Any]:
    told_to_it = {"provider": told(two.provider), "consumer": told(two.consumer), "source": f"{two.source.url}/base"}
    process = await asyncio.create_subprocess_exec(
        "node", STORY, json.dumps(told_to_it), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


async def test_the_client_drives_two_nodes_from_the_first_asset_to_the_last_byte(two: Two) -> None:
    seen = await run(await asyncio.to_thread(installed), two)
    provided = {
        "secret": "source-key",
        "again": "Duplicate",
        "asset": {"name": "Battery passport 1", "baseUrl": f"{two.source.url}/base"},
        "assets": ["passport-1"],
        "filtered": ["passport-1"],
        "none": 0,
        "policies": ["everyone", "thirty-days"],
        "operand": "https://w3id.org/edc/v0.0.1/ns/inForceDate",
        "selector": "passport-1",
        "definitions": ["offer-1"],
    }
    agreed = {
        "participant": two.provider.id,
        "datasets": ["passport-1"],
        "stranger": "BadRequest",
        "negotiation": {"state": "FINALIZED", "type": "CONSUMER"},
        "state": "FINALIZED",
        "negotiations": True,
        "agreement": {
            "asset": "passport-1",
            "provider": two.provider.id,
            "consumer": two.consumer.id,
            "same": True,
            "listed": True,
            "negotiation": True,
            "permissions": 1,
        },
        "over": "Duplicate",
    }
    fetched = {
        "transfer": {"state": "STARTED", "asset": "passport-1", "contract": True},
        "edr": {"transfer": True, "asset": "passport-1", "provider": two.provider.id},
        "fetched": {"status": 200, "body": {"path": "/base/part", "query": "which=carbon"}},
        "early": "Duplicate",
        "forgotten": "NotFound",
        "ended": "TERMINATED",
        "afterwards": 403,
    }
    withdrawn = {
        "inUse": "Duplicate",
        "underContract": "Duplicate",
        "empty": 0,
        "gone": "NotFound",
        "unreadable": "BadRequest",
    }
    assert seen.pop("created") > 1_700_000_000_000 and len(seen.pop("transfers")) == 1
    assert seen == provided | agreed | fetched | withdrawn
    assert two.source.asked[0][3]["X-Key"] == "s3cr3t-2"
    async with two.consumer.node.world.store.transaction() as tx:
        assert [each.data_address for each in await tx.find(Transfer)] == [{}]  # deprovisioned
