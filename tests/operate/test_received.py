"""What a pull brings is held against the grant before anything is kept, and closed when the agreement is over."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Denied, Hidden, Malformed, PeerRefused, PeerUnreachable
from connector.operate import fetching, pulls, received
from connector.ports import Answer, World
from connector.records import Agreement, Json, Place, Received, Transfer
from submodels.grant import make_grant
from submodels.value import read_json

from .conftest import Holder

GRANT = make_grant(["materials/BatteryMaterials/*/BatteryMaterialName", "circularity/**"], ["dismantling-manual"], "contract")
MATERIAL = {"BatteryMaterialName": "Nickel", "BatteryMaterialIdentifier": "7440-02-0"}


def test_granted_leaves_pass_and_are_counted_by_template() -> None:
    tree: Any = read_json(b'{"BatteryMaterials": [{"BatteryMaterialName": "Nickel"}, {"BatteryMaterialName": "Cobalt"}]}')
    assert fetching.check(GRANT, {"materials": tree}) == (1, [])


@pytest.mark.parametrize(
    ("part", "tree", "outside"),
    [
        ("materials", {"BatteryMaterials": [MATERIAL]}, "materials/BatteryMaterials/0/BatteryMaterialIdentifier"),
        ("materials", {"BatteryMaterials": "everything"}, "materials/BatteryMaterials"),
        ("materials", {"Unknown": "x"}, "materials/Unknown"),
        ("condition", {"Anything": "x"}, "condition/Anything"),
    ],
)
def test_one_leaf_more_is_found(part: str, tree: Any, outside: str) -> None:
    assert fetching.check(GRANT, {part: tree})[1] == [outside]


@given(
    st.sampled_from(["materials", "circularity", "condition", "technical"]),
    st.text(st.characters(categories=["L"]), min_size=1, max_size=12),
)
def test_a_name_that_the_table_does_not_have_is_always_outside(part: str, name: str) -> None:
    assert fetching.check(GRANT, {part: {f"{name}_": "x"}})[1] == [f"{part}/{name}_"]


# --- a whole pull against a counterparty ---------------------------------------------------------


class Data:
    """The peer's data endpoint: answers by the rest of the address."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers

    async def fetch(self, url: str, *, authorization: str = "", origins: Any = (), accept: str = "*/*") -> Answer:
        assert authorization == "token"
        return self.answers.get(
            url.removeprefix("https://maker.example/data"), Answer(404, b'{"code": "not.found", "reason": ["No.", "Next."]}')
        )


@pytest.fixture
async def consumer(holder: Holder) -> World:
    """A recycler with a finalized agreement and a started transfer."""
    await holder.know("maker")
    now = holder.clock.now()
    agreement = Agreement(
        id="urn:uuid:a1",
        side="consumer",
        peer="did:web:maker.example",
        negotiation="urn:uuid:n1",
        dataset=f"model.EV-72.{GRANT.digest}",
        assigner="did:web:maker.example",
        assignee="did:web:recycler.example",
        policy={"permission": [_until("2027-12-31T23:59:59Z")]},
        scope="model.EV-72",
        grant=GRANT.canonical(),
        view="dismantling",
        state="FINALIZED",
        signed=now,
    )
    address = {"endpoint": "https://maker.example/data", "endpointProperties": [{"name": "authorization", "value": "token"}]}
    transfer = Transfer(
        id="urn:uuid:t1",
        side="consumer",
        peer="did:web:maker.example",
        peer_pid="urn:uuid:p1",
        address="https://maker.example/dsp/2025-1",
        place=Place(state="STARTED"),
        agreement=agreement.id,
        format="HttpData-PULL",
        data_address=address,
        opened=now,
        changed=now,
    )
    async with holder.store.transaction() as tx:
        tx.put(agreement)
        tx.put(transfer)
    return replace(holder.world, me=replace(holder.world.me, id="did:web:recycler.example"))


def _until(instant: str) -> Json:
    return {"action": "use", "constraint": [{"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": instant}]}


LISTING = "/documents?battery=000017"


def parts(tree: Json) -> Answer:
    headers = {"saltbridge-battery": "EV-72.000017", "saltbridge-revision": "1.1", "saltbridge-receipt": "r-1"}
    return Answer(200, json.dumps(tree).encode(), headers)


def listing(**documents: bytes) -> Answer:
    """What the provider lists: id -> bytes, all of a kind that is granted."""
    rows = [
        {"id": id.replace("__", "."), "kind": "dismantling-manual", "title": "Manual", "sha256": hashlib.sha256(body).hexdigest()}
        for id, body in documents.items()
    ]
    return Answer(200, json.dumps(rows).encode())


async def pull(world: World, answers: dict[str, Answer], battery: str = "000017") -> Json:
    # The completion stays in the outbox: nobody delivers in these tests.
    pulls.COMPLETION_SECONDS = 0.0
    answers = {LISTING: listing()} | answers
    return await pulls.pull(replace(world, data=Data(answers)), pulls.Wish(peer="maker", what="dismantling", battery=battery))


GOOD = {"materials": {"BatteryMaterials": [{"BatteryMaterialName": "Nickel"}]}}


async def test_a_pull_re_uses_agreement_and_transfer_and_keeps_what_came(consumer: World) -> None:
    told = await pull(consumer, {"?battery=000017": parts(GOOD)})
    assert told["reused"] == {"agreement": True, "transfer": True}
    assert (told["battery"], told["elements"], told["receipt"]) == ("EV-72.000017", 1, "r-1")
    [row] = told["parts"]
    body, media_type = await received.content(consumer, row["id"])
    assert media_type == "application/json"
    assert hashlib.sha256(body).hexdigest() == row["sha256"]
    assert json.loads(body) == GOOD["materials"]


async def test_what_exceeds_the_grant_is_not_kept_at_all(consumer: World) -> None:
    more = GOOD | {"condition": {"Secret": "x"}}
    with pytest.raises(Malformed) as raised:
        await pull(consumer, {"?battery=000017": parts(more)})
    assert raised.value.code == "grant.exceeded"
    assert "condition/Secret" in raised.value.why
    assert await received.list_received(consumer) == []


async def test_a_document_is_kept_under_a_name_of_ours(consumer: World) -> None:
    pdf = Answer(200, b"%PDF", {"content-type": "application/pdf", "content-disposition": 'attachment; filename="../../evil.pdf"'})
    answers = {"?battery=000017": parts(GOOD), "/documents/EV-72.doc-1?battery=000017": pdf}
    answers["/documents/a..b?battery=000017"] = Answer(200, b"<script>", {"content-type": "text/html"})
    answers[LISTING] = listing(**{"EV-72__doc-1": b"%PDF", "a____b": b"<script>"})
    told = await pull(consumer, answers)
    names = [row["document"]["filename"] for row in told["documents"]]
    assert names == ["EV-72.doc-1.pdf", f"document-{hashlib.sha256(b'<script>').hexdigest()[:16]}.bin"]
    assert told["documents"][1]["document"]["media_type"] == "application/octet-stream"
    assert told["documents"][0]["document"]["kind"] == "dismantling-manual"


async def test_a_document_that_is_not_what_was_listed_is_refused(consumer: World) -> None:
    answers = {"?battery=000017": parts(GOOD), "/documents/d1?battery=000017": Answer(200, b"%PDF", {}), LISTING: listing(d1=b"other")}
    with pytest.raises(Malformed) as raised:
        await pull(consumer, answers)
    assert raised.value.code == "document.hash"
    assert await received.list_received(consumer) == []


async def test_a_document_of_a_kind_that_is_not_granted_is_an_excess(consumer: World) -> None:
    rows = json.dumps([{"id": "d1", "kind": "test-reports", "sha256": ""}]).encode()
    with pytest.raises(Malformed) as raised:
        await pull(consumer, {"?battery=000017": parts(GOOD), LISTING: Answer(200, rows)})
    assert raised.value.code == "grant.exceeded"
    assert await received.list_received(consumer) == []


@pytest.mark.parametrize("body", [b"<html>", b'{"a": 1, "a": 2}', b"[]", b'"x"', b'{"no such part": {}}'])
async def test_an_answer_that_is_no_passport_is_refused(consumer: World, body: bytes) -> None:
    with pytest.raises(Malformed):
        await pull(consumer, {"?battery=000017": Answer(200, body)})
    assert await received.list_received(consumer) == []


async def test_a_refusal_at_the_data_endpoint_is_the_peers(consumer: World) -> None:
    said = {"code": "policy.denied", "reason": ["No.", "Because \u001b[31m.", "Ask.", "decision d-9"], "decision": "d-9"}
    with pytest.raises(PeerRefused) as raised:
        await pull(consumer, {"?battery=000017": Answer(403, json.dumps(said).encode())})
    error = raised.value
    assert (error.by, error.decision, error.next, error.process) == ("maker", "d-9", "Ask.", "urn:uuid:t1")
    assert "\x1b" not in error.why


async def test_a_provider_that_retired_the_agreement_is_believed(consumer: World) -> None:
    why = "Agreement retired by maker 0.2 s ago: model recalled."
    said = {"code": "agreement.retired", "reason": ["Gone.", why, "Ask."], "decision": ""}
    with pytest.raises(PeerRefused) as refused:
        await pull(consumer, {"?battery=000017": Answer(403, json.dumps(said).encode())})
    assert refused.value.why == "retired by maker: model recalled"
    async with consumer.store.transaction() as tx:
        agreement = await tx.get(Agreement, "urn:uuid:a1")
    assert agreement is not None
    assert (agreement.retired_by, agreement.retired_why) == ("did:web:maker.example", "model recalled")
    assert await state_of_transfer(consumer) == ("STARTED", "")  # the provider ends it
    with pytest.raises(PeerRefused) as again:
        await pull(consumer, {})
    assert again.value.why == "retired by maker: model recalled"


async def state_of_transfer(world: World) -> tuple[str, str]:
    """(state, what is sent and not answered yet) of the transfer."""
    async with world.store.transaction() as tx:
        process = await tx.get(Transfer, "urn:uuid:t1")
    assert process is not None
    return process.place.state, process.place.sent


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (Answer(403, b'{"code": "grant.path", "reason": ["No.", "Not in the view.", "Ask."]}'), "TransferCompletionMessage"),
        (parts({"condition": {"Secret": "x"}}), "TransferCompletionMessage"),
        (Answer(502, b""), ""),  # passing: the next try uses it again
    ],
)
async def test_a_pull_that_fails_leaves_no_transfer_open_but_for_a_retry(consumer: World, answer: Answer, sent: str) -> None:
    with pytest.raises((PeerRefused, Malformed, PeerUnreachable)):
        await pull(consumer, {"?battery=000017": answer})
    assert await state_of_transfer(consumer) == ("STARTED", sent)


async def test_what_was_kept_is_closed_when_the_agreement_is_over(holder: Holder, consumer: World) -> None:
    told = await pull(consumer, {"?battery=000017": parts(GOOD)})
    id = told["parts"][0]["id"]
    holder.clock.at += timedelta(days=800)
    with pytest.raises(Denied, match="not be read"):
        await received.content(consumer, id)
    assert (await received.list_received(consumer))[0]["over"] == "its terms have run out"
    with pytest.raises(Hidden):
        await received.content(consumer, "nothing")


async def test_the_battery_must_be_named_under_a_models_agreement(consumer: World) -> None:
    with pytest.raises(Malformed, match="Which battery"):
        await pull(consumer, {}, battery="")


async def test_pulling_twice_keeps_the_newest(consumer: World) -> None:
    await pull(consumer, {"?battery=000017": parts(GOOD)})
    async with consumer.store.transaction() as tx:  # its completion was not delivered: as the next start would leave it
        process = await tx.get(Transfer, "urn:uuid:t1")
        assert process is not None
        tx.put(replace(process, place=Place(state="STARTED")))
    newer = {"materials": {"BatteryMaterials": [{"BatteryMaterialName": "Cobalt"}]}}
    told = await pull(consumer, {"?battery=000017": parts(newer)})
    async with consumer.store.transaction() as tx:
        assert await tx.count(Received) == 1
    assert b"Cobalt" in (await received.content(consumer, told["parts"][0]["id"]))[0]


@pytest.mark.parametrize(
    ("scope", "battery", "covers"),
    [
        ("model.EV-72", "EV-72.000017", True),
        ("model.EV-72", "000017", True),
        ("model.EV-72", "EV-99.000017", False),
        ("model.EV-72", "https://id.example/21/17", True),
        ("battery.EV-72.000017", "EV-72.000017", True),
        ("battery.EV-72.000017", "000017", True),
        ("battery.EV-72.000017", "000018", False),
        ("battery.EV-72.000017", "", True),
    ],
)
async def test_an_agreement_is_passed_over_only_when_it_surely_does_not_cover(
    holder: Holder, scope: str, battery: str, covers: bool
) -> None:
    agreement = Agreement(
        id="a",
        side="consumer",
        peer="p",
        negotiation="n",
        dataset="d",
        assigner="p",
        assignee="c",
        policy={},
        scope=scope,
        signed=holder.clock.now(),
    )
    assert pulls._may_cover(agreement, battery) is covers
