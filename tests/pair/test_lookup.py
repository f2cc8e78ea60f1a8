"""From an identifier to the granted data: a peer's registry says where it is, and a pull goes there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from connector.errors import Hidden, Malformed, PeerUnreachable
from connector.operate import lookups, offers, passports, pulls, registry
from connector.ports import Answer
from connector.records import Peer
from submodels.folder import Batch
from submodels.value import read_json, write_json

from .nodes import FIRST, Pair, sample

SERIAL, PRODUCT = "000017", "https://id.halden-cells.example/01/09506000172040/21/000017"
PASSPORT = "https://passport.halden-cells.example/EV-72/7QX4-000017"
OTHER_HOST = "https://qr.resolver.example/01/09506000172040/21/000017"


def second_model() -> Batch:
    """The same batteries as another model, with identifiers of their own."""

    def renamed(text: str) -> str:
        return text.replace("/21/0000", "/21/9900").replace("7QX4-", "8RY5-")

    layers = tuple(replace(each, tree=read_json(renamed(write_json(each.tree).decode()))) for each in sample().layers)
    batteries = tuple(replace(each, aliases=tuple(map(renamed, each.aliases))) for each in sample().batteries)
    return replace(sample(), model="EV-73", layers=layers, batteries=batteries)


@pytest.mark.parametrize("identifier", [SERIAL, PRODUCT, PASSPORT, FIRST, OTHER_HOST])
@pytest.mark.parametrize("named", [True, False])
async def test_any_identifier_leads_to_the_datasets_that_are_for_us(pair: Pair, identifier: str, named: bool) -> None:
    found = await lookups.find(pair.recycler.world, "maker" if named else "", identifier)
    assert [(each.peer.name, each.battery) for each in found] == [("maker", FIRST)]
    assert found[0].ids["globalAssetId"] == PRODUCT
    offered = [row["dataset"] for row in await offers.list_offers(pair.maker.world) if row["dataset"]]
    assert [each.dataset for each in found[0].datasets] == offered
    assert set(found[0].datasets[0].parts) == {"circularity", "materials", "handover"} & set(found[0].datasets[0].parts)
    assert "circularity" in found[0].datasets[0].parts


async def test_a_peer_is_named_by_its_address_too(pair: Pair) -> None:
    found = await lookups.find(pair.recycler.world, f"{pair.maker.url}/dsp/2025-1", SERIAL)
    assert found[0].battery == FIRST


@pytest.mark.parametrize("identifier", ["000099", "https://id.halden-cells.example/01/09506000172040/21/000099", "EV-72.000099"])
async def test_what_nobody_knows_is_told_as_such(pair: Pair, identifier: str) -> None:
    with pytest.raises(Hidden, match="shows us no battery"):
        await lookups.find(pair.recycler.world, "maker", identifier)
    with pytest.raises(Hidden, match="none shows us"):
        await lookups.find(pair.recycler.world, "", identifier)
    with pytest.raises(Malformed):
        await lookups.find(pair.recycler.world, "", " ")


async def test_a_pull_goes_by_the_text_of_a_qr_code(pair: Pair) -> None:
    done = await pulls.pull(pair.recycler.world, pulls.Wish(peer="maker", what="dismantling", battery=PRODUCT))
    assert done["battery"] == FIRST and done["elements"] > 0
    assert done["steps"][0]["step"] == "lookup" and done["steps"][0]["battery"] == FIRST
    again = await pulls.pull(pair.recycler.world, pulls.Wish(peer="maker", what="dismantling", battery=OTHER_HOST))
    assert again["battery"] == FIRST and again["reused"]["agreement"]


async def test_a_serial_number_of_two_models_means_the_one_that_the_agreement_is_over(pair: Pair) -> None:
    world = pair.maker.world
    await passports.import_batch(world, second_model())
    await passports.publish(world, "EV-73")
    found = await lookups.find(pair.recycler.world, "maker", SERIAL)
    assert [each.battery for each in found] == [FIRST, "EV-73.000017"]
    done = await pulls.pull(pair.recycler.world, pulls.Wish(peer="maker", what="dismantling", battery=SERIAL))
    assert done["battery"] == FIRST


async def test_an_id_that_the_maker_added_is_found_by_whom_it_opened_it_to(pair: Pair) -> None:
    world = pair.maker.world
    await registry.add(world, FIRST, "customerPartId", "K-1")
    ask = json.dumps([{"name": "customerPartId", "value": "K-1"}]).encode()

    async def asked() -> list[str]:
        answer = await pair.recycler.world.courier.post(pair.maker.url, "/lookup/shellsByAssetLink", ask, pair.maker.id, [pair.maker.url])
        shells: list[str] = json.loads(answer.body)["result"]
        return shells

    assert await asked() == []
    await registry.open_to(world, "customerPartId", "recycler")
    assert len(await asked()) == 1
    assert await registry.open_to(world, "customerPartId", "") == {"name": "customerPartId", "visible_to": "", "changed": True}
    assert await asked() == []
    assert (await registry.remove(world, FIRST, "customerPartId"))["removed"] == ["K-1"]


async def test_the_names_of_the_passport_cannot_be_added(pair: Pair) -> None:
    for name in ("globalAssetId", "partInstanceId", "manufacturerId", "with space", ""):
        with pytest.raises(Malformed):
            await registry.add(pair.maker.world, FIRST, name, "x")


# --- peers that answer otherwise -----------------------------------------------------------------


class Telling:
    """A courier that brings prepared answers."""

    def __init__(self, shells: Answer, descriptor: Answer) -> None:
        self.shells, self.descriptor = shells, descriptor

    async def post(self, *_: object) -> Answer:
        return self.shells

    async def get(self, *_: object) -> Answer:
        return self.descriptor


def told(body: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


async def at(pair: Pair, shells: Answer, descriptor: Answer) -> list[lookups.Found]:
    world = pair.recycler.world
    async with world.store.transaction() as tx:
        peer = await tx.get(Peer, pair.maker.id)
    assert peer is not None
    return await lookups.at(replace(world, courier=Telling(shells, descriptor)), peer, SERIAL)


async def test_a_dataset_at_another_address_is_not_followed(pair: Pair) -> None:
    """A registry may be wrong or hostile: only the peer's own DSP base counts."""
    body = "id=model.EV-72.x;dspEndpoint=https://elsewhere.example/dsp"
    semantic = {"keys": [{"value": "urn:samm:io.admin-shell.idta.batterypass.circularity:1.0.0#Circularity"}]}
    endpoint = {"protocolInformation": {"subprotocol": "DSP", "subprotocolBody": body}}
    found = await at(pair, told({"result": ["s"]}), told({"submodelDescriptors": [{"semanticId": semantic, "endpoints": [endpoint]}]}))
    assert found[0].datasets == ()
    assert "elsewhere.example" in found[0].notes[0]


@pytest.mark.parametrize(
    "descriptor", [{}, {"submodelDescriptors": 1}, {"submodelDescriptors": [1, {"endpoints": [2]}]}, {"specificAssetIds": [{}]}]
)
async def test_a_descriptor_of_any_shape_is_read_without_harm(pair: Pair, descriptor: dict[str, object]) -> None:
    found = await at(pair, told({"result": ["s"]}), told(descriptor))
    assert found[0].datasets == () and found[0].battery == ""


async def test_a_peer_without_a_registry_knows_nothing_and_one_in_trouble_says_so(pair: Pair) -> None:
    assert await at(pair, told({}, 404), told({})) == []
    with pytest.raises(PeerUnreachable):
        await at(pair, told({}, 503), told({}))
    with pytest.raises(Malformed):
        await at(pair, told([1]), told({}))
