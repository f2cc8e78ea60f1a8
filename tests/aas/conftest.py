"""A node's two listeners over a real store in memory, with the sample battery imported and published."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connector import node
from connector.cli.init import make
from connector.config import load
from connector.operate import passports
from submodels.folder import read_folder

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"
BASE = "/aas/api/v3.1"
SHELL = "https://passport.halden-cells.example/EV-72/7QX4-000017#shell"


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def part(name: str) -> str:
    """The address of one part of the first battery."""
    return f"/submodels/{b64(SHELL.replace('#shell', f'#{name}'))}"


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of a Result that holds nothing else."""
        assert set(self.json) == {"messages"}, self.body
        return list(self.json["messages"])


@dataclass
class Door:
    """One listener, as a client sees it."""

    client: TestClient[web.Request, web.Application]
    base: str
    token: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        headers = {**({"X-Api-Key": self.token} if self.token else {}), **more.pop("headers", {})}
        if body is not None:
            more["data"], headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        async with self.client.request(method, self.base + path, headers=headers, **more) as answer:
            return Answer(answer.status, await answer.read(), dict(answer.headers))

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def json(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status == 200, answer.body
        return answer.json


@dataclass
class Doors:
    public: Door
    operator: Door
    node: node.Node


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    made = await asyncio.to_thread(make, tmp_path / "node", name="maker", profile="development")
    built = node.build(load(made.home, {"SALTBRIDGE_STORE__URL": "sqlite::memory:"}))
    await built.world.store.open()
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    await passports.import_batch(built.world, read_folder(files))
    await passports.publish(built.world, "EV-72")
    token = (made.home / "operator.token").read_text().strip()
    async with TestClient(TestServer(built.dataspace)) as outside, TestClient(TestServer(built.operator)) as inside:
        yield Doors(Door(outside, BASE), Door(inside, f"/management{BASE}", token), built)
    await built.world.store.close()
