"""The counterparty that plays a scenario against a node: a real HTTP client beside its `Desk`, as strict as the official kit.

It repeats a message that is answered with another 4xx than 404 twice, and wants 400 to 499 but no 404 where it has to be
refused.  In a negotiation it takes its own steps as a consumer before it speaks, as a provider after the answer.

Stricter than the official kit: every answer is judged, refusals and acknowledgements that it would not read as well, and what
the scenario never expects must never be said.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from . import judge, wording
from .desk import Desk
from .judge import Json, word
from .scenarios import Row, Step
from .script import KIT
from .wording import Overtaken, Process

PAUSE = 0.1  # seconds: between two looks, before some messages, before a state is read once
BACK_OFF = (0.2, 0.4)  # seconds before a message is repeated that was answered with 4xx
OPEN_SECONDS = 10.0  # until the kit gives up on an answer
FIRST = 3.0  # seconds in which a node that is to overtake us has to speak
DATASETS = "http://www.w3.org/ns/dcat#dataset"


class Failed(Exception):
    """The scenario went otherwise than it must."""


@dataclass(frozen=True)
class Manner:
    """How patient a kit is, and whether it lets the node overtake it.

    Where it is overtaken, the kit goes on only after the node has spoken: it has not moved yet although its message was
    answered, or it does not expect yet what the node says by itself.
    """

    wait: float = 10.0  # seconds for each step that waits
    overtaken: Callable[[Row, int], bool] = lambda row, step: False  # at which steps


@dataclass(frozen=True)
class Target:
    """The node under test."""

    id: str
    root: str  # before `/.well-known`
    base: str  # the DSP base
    triggers: str
    offer_of: Callable[[str], str]  # dataset -> offer id


class Kit:
    """The counterparty of one scenario."""

    def __init__(self, row: Row, desk: Desk, target: Target, client: aiohttp.ClientSession, manner: Manner) -> None:
        self.row, self.desk, self.target = row, desk, target
        self._client, self._manner = client, manner
        self._latches: deque[asyncio.Event] = deque()
        self._step = 0
        self._heard = 0  # how much the node had said when we last spoke

    async def play(self) -> None:
        """Do the steps in order; Failed with the step at which it went wrong."""
        for number, step in enumerate(self.row.steps):
            self._step = number
            try:
                await self._do(step)
            except (Failed, judge.Invalid, Overtaken, aiohttp.ClientError, TimeoutError) as error:
                said = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
                raise Failed(f"step {number + 1} ({step.verb} {step.what}): {'; '.join([said, *self.desk.broken])}") from error
        if self.desk.broken:
            raise Failed("; ".join(self.desk.broken))

    async def _do(self, step: Step) -> None:
        match step.verb:
            case "expect":
                if self.row.says_by_itself(self._step):
                    await self._overtaken()
                self._latches.append(self.desk.expect(step.what, silently=bool(step.how)))
            case "send" | "refused" if step.what == "request":
                await self._request()
            case "send" | "refused":
                await self._say(step.what, refused=step.verb == "refused")
            case "wait":
                await self._wait(step.what)
            case "read":
                await self._read(step.what)
            case "signal":
                await self._signal()
            case "pause":
                await asyncio.sleep(PAUSE)
            case _:
                await READINGS[step.verb](self)

    # --- what we say

    async def _signal(self) -> None:
        """Make the node open a process as consumer, with us as provider."""
        common = {"providerId": KIT, "connectorAddress": self.desk.address}
        if self.row.is_transfer:
            body, noun = {**common, "agreementId": self.row.subject, "format": "HttpData-PULL"}, "transfers"
        else:
            body, noun = {**common, "datasetId": self.row.subject, "offerId": f"offer{self.row.subject}"}, "negotiations"
        await self.post(f"{self.target.triggers}/{noun}", body)

    async def _request(self) -> None:
        """Open a process as consumer: we have moved once the acknowledgement has been read."""
        offer = "" if self.row.is_transfer else self.target.offer_of(self.row.subject)
        process = self.desk.process = Process(
            self.row.subject, self.row.is_transfer, consumer=True, offer_id=offer, address=self.target.base
        )
        body = wording.compose("request", process, self.desk.address, self.target.id)
        ack = await self.post(process.address + self.desk.kinds["request"].path, body)
        if ack is None:
            raise Failed("the request was not acknowledged with a process")
        if self._latches:
            await self._overtaken()
        process.peer_pid = word(ack, "providerPid")
        process.move("REQUESTED")

    async def _say(self, name: str, *, refused: bool) -> None:
        """Say it; what is to be refused moves nothing."""
        process = self._mine()
        kind = self.desk.kinds[name.removeprefix("bare-").removeprefix("foreign-")]
        if name == "verification" or (name == "termination" and not self.row.is_transfer):
            await asyncio.sleep(PAUSE)
        early = process.consumer and not self.row.is_transfer and name != "termination"
        before = process.state
        body = wording.compose(name, process, self.desk.address, self.target.id)
        if early and not refused:
            process.move(kind.state)
        try:
            await self.post(process.address + kind.path.format(process.peer_pid), body, refused=refused)
        except Failed:
            process.state = before if early else process.state  # what was refused has not happened
            raise
        if self._latches and not refused:
            await self._overtaken()
        if not early and not refused:
            process.move(kind.state)

    async def _overtaken(self) -> None:
        """Let the node speak first, where the manner says so."""
        if not self._manner.overtaken(self.row, self._step):
            return
        until = asyncio.get_running_loop().time() + FIRST
        while self.desk.tally.heard == self._heard and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.005)

    # --- what we wait for

    async def _wait(self, state: str) -> None:
        """Until the earliest message expected so far has come, then until we are there ourselves."""
        await self._came(state)
        until = self._deadline()
        while True:
            await asyncio.sleep(PAUSE)
            process = self.desk.process
            if process is not None and process.state == state:
                return
            if self.desk.broken or asyncio.get_running_loop().time() > until:
                raise Failed(f"we are {process.state if process else 'nowhere'}")

    async def _read(self, state: str) -> None:
        """The node's own word for its state: asked once in a negotiation, until it is so in a transfer."""
        process = self._mine()
        if self.row.is_transfer:
            await self._came(state)
        until = self._deadline()
        noun = "transfers" if self.row.is_transfer else "negotiations"
        while True:
            await asyncio.sleep(PAUSE)
            seen = word(await self.get(f"{process.address}/{noun}/{process.peer_pid}"), "state").removeprefix(judge.DSPACE)
            if seen == state:
                return
            if not self.row.is_transfer or asyncio.get_running_loop().time() > until:
                raise Failed(f"the node is {seen}")

    async def _came(self, state: str) -> None:
        if not self._latches:
            return
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._latches.popleft(), self.desk.breaks)]
        done, rest = await asyncio.wait(waiting, timeout=self._manner.wait, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        if not done:
            raise Failed(f"nothing came that leads to {state}")
        if self.desk.broken:
            raise Failed("what came is not allowed")

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._manner.wait

    def _mine(self) -> Process:
        if self.desk.process is None:
            raise Failed("there is no process")
        return self.desk.process

    # --- the client

    async def post(self, url: str, body: Json, *, refused: bool = False) -> Json | None:
        """The expanded answer, None when it is empty; Failed when its status is not what must come."""
        self._heard = self.desk.tally.heard
        for back_off in (*BACK_OFF, None):
            status, answer = await self.call("POST", url, body)
            if refused or status == 404 or not 400 <= status < 500 or back_off is None:
                break
            await asyncio.sleep(back_off)
        what = body.get("@type", "the signal")
        if refused and (not 400 <= status < 500 or status == 404):
            raise Failed(f"{what} was answered with {status} instead of being refused")
        if not refused and not 200 <= status < 300:
            raise Failed(f"{what} was answered with {status}")
        return self.desk.judged(answer, f"answer {status}") if answer and "@type" in body else None

    async def get(self, url: str, *, missing: bool = False) -> Json:
        """The expanded answer; Failed when it is not 2xx (any status will do when `missing`)."""
        status, answer = await self.call("GET", url)
        if not missing and not 200 <= status < 300:
            raise Failed(f"GET was answered with {status}")
        expanded = self.desk.judged(answer, f"answer {status}")
        if expanded is None:
            raise Failed(f"GET was answered with {status}")
        return expanded

    async def call(self, method: str, url: str, body: Json | None = None) -> tuple[int, bytes]:
        """Status and body, whatever they are."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"User-Agent": f"kit {self.row.id}"}  # names the scenario: a planted fault is to hit no other
        headers |= {"Content-Type": "application/json; charset=utf-8"} if data else {}
        async with self._client.request(
            method, url, data=data, headers=headers, skip_auto_headers=["Accept"],
            timeout=aiohttp.ClientTimeout(total=OPEN_SECONDS), allow_redirects=False,
        ) as response:  # fmt: skip
            answer = await response.read()
            if answer and response.content_type != "application/json":
                self.desk.lose(f"an answer is {response.content_type}")
            return response.status, answer


# --- suites without a process --------------------------------------------------------------------


async def _metadata(kit: Kit) -> None:
    status, answer = await kit.call("GET", f"{kit.target.root}/.well-known/dspace-version")
    if status != 200:
        raise Failed(f"the version metadata was answered with {status}")
    versions = json.loads(answer).get("protocolVersions") or []
    if not any(entry.get("version") == "2025-1" and entry.get("path") and entry.get("binding") for entry in versions):
        raise Failed(f"no 2025-1 with a path and a binding in {versions}")


async def _catalog(kit: Kit) -> None:
    answer = await kit.post(f"{kit.target.base}/catalog/request", wording.message("CatalogRequestMessage"))
    if not any(dataset["@id"] == kit.row.subject for dataset in (answer or {}).get(DATASETS, ())):
        raise Failed(f"the catalog has no dataset {kit.row.subject}")


async def _dataset(kit: Kit) -> None:
    found = await kit.get(f"{kit.target.base}/catalog/datasets/{kit.row.subject}")
    if found["@id"] != kit.row.subject:
        raise Failed(f"the dataset is {found['@id']}")


async def _no_dataset(kit: Kit) -> None:
    answer = await kit.get(f"{kit.target.base}/catalog/datasets/{kit.row.subject}", missing=True)
    if answer["@type"] != [f"{judge.DSPACE}CatalogError"]:
        raise Failed(f"an unknown dataset was answered with {answer['@type']}")


READINGS = {"metadata": _metadata, "catalog": _catalog, "dataset": _dataset, "no-dataset": _no_dataset}
