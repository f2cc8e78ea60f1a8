"""What belongs to one peer does not exist for another, and a token is good for its holder, its audience and one call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwcrypto.jwk import JWK

from connector.config import load
from connector.dataplane.tokens import HmacTokens
from connector.http import dsp
from connector.identity import jws, keys
from connector.ports import SystemClock

from . import messages
from .messages import Running, agreed, good, new_id, opened, transferring
from .node import BASE, Node, Peer, message
from .shapes import Still, is_in_shape

WITH_PID = [route for route in dsp.ROUTES if "*" in route.steps and route.steps[0] != "catalog"]
NAMES = [f"{route.method} {'/'.join(route.steps)}" for route in WITH_PID]


def later(type: str, node: Node, peer: Peer, running: Running) -> dict[str, Any]:
    """A message as it is right in a process that runs: a callback address belongs to the first one."""
    document = good(type, node, peer, running)
    if type in ("ContractRequestMessage", "ContractOfferMessage"):
        del document["callbackAddress"]
    return document


@pytest.fixture(scope="module")
def theirs(node: Node) -> dict[str, Running]:
    """A finished negotiation of the recycler, its transfer that is started, and a negotiation that is under way."""
    peer = node.peers["recycler"]
    contract = agreed(node, peer)
    return {"negotiations": opened(node, peer), "transfers": transferring(node, peer, contract.agreement), "contract": contract}


def test_the_routes_with_a_pid_are_those_of_the_router() -> None:
    assert len(WITH_PID) == 12 and {route.steps[0] for route in WITH_PID} == {"negotiations", "transfers"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("turned", [False, True])
def test_a_foreign_process_and_one_that_is_not_there_are_answered_alike(
    node: Node, theirs: dict[str, Running], name: str, turned: bool
) -> None:
    """Both ways round: the pids as they are, and with sender and receiver in each other's place."""
    route, oem = WITH_PID[NAMES.index(name)], node.peers["oem"]
    running = theirs[route.steps[0]]
    nobody = Running(new_id(), new_id(), theirs["negotiations"].offer, "")
    still, said = Still(node), []
    for each in (Running(running.ours, running.theirs, theirs["negotiations"].offer, running.agreement), nobody):
        path = f"{BASE}/" + "/".join(each.ours if step == "*" else step for step in route.steps)
        body = None
        if route.expects is not None:
            document = later(route.expects.type, node, oem, each)  # type: ignore[attr-defined]
            if turned:
                document |= {"consumerPid": each.ours, "providerPid": each.theirs}
            body = json.dumps(document).encode()
        answer = node.says(oem, route.method, path, body)
        is_in_shape(path, answer)
        still.after(answer)
        text = answer.body.decode()
        for pid in (each.ours, each.theirs):
            text = text.replace(pid, "PID")
        said.append((answer.status, text))
    assert said[0] == said[1]
    # in the place of a pid that the path does not allow the message contradicts itself: 400, for both alike
    allowed = {404} if route.own == "either" or not route.expects or (route.own == "consumer") == turned else {400}
    assert {said[0][0]} == allowed, said


@pytest.mark.parametrize("type", [route.expects.type for route in dsp.ROUTES if route.expects and "*" in route.steps])  # type: ignore[attr-defined]
def test_no_message_under_anybodys_path_moves_a_foreign_process(node: Node, theirs: dict[str, Running], type: str) -> None:
    """Every message at every path with a pid, where only the path or only the body names the foreign process."""
    oem = node.peers["oem"]
    own = opened(node, oem)
    still = Still(node)
    for route in WITH_PID:
        if route.expects is None:
            continue
        running = theirs[route.steps[0]]
        for in_path, in_body in ((running, own), (own, running), (running, running)):
            path = f"{BASE}/" + "/".join(in_path.ours if step == "*" else step for step in route.steps)
            document = later(type, node, oem, Running(in_body.ours, in_body.theirs, own.offer, ""))
            answer = node.says(oem, "POST", path, json.dumps(document).encode())
            assert answer.status in (400, 404), (path, answer.body)
            still.after(answer)


def test_an_agreement_of_another_is_no_ground_for_a_transfer(node: Node, theirs: dict[str, Running]) -> None:
    oem, still, said = node.peers["oem"], Still(node), []
    for agreement in (theirs["contract"].agreement, new_id()):
        fields = {
            "@id": new_id(),
            "consumerPid": new_id(),
            "agreementId": agreement,
            "format": "HttpData-PULL",
            "callbackAddress": oem.callback,
        }
        answer = node.sends(oem, "/transfers/request", "TransferRequestMessage", **fields)
        said.append((answer.status, answer.json["reason"]))
        still.after(answer)
    assert said[0] == said[1] and said[0][0] == 404


# --- tokens of calls ------------------------------------------------------------------------------


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _claims(node: Node, peer: Peer) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": peer.id, "sub": peer.id, "aud": node.id, "iat": now, "exp": now + 60, "jti": new_id()}


def _unsigned(node: Node, peer: Peer) -> str:
    return f"Bearer {_part({'alg': 'none', 'typ': jws.TYPE})}.{_part(_claims(node, peer))}."


def _hmac(secret: Callable[[JWK], bytes]) -> Callable[[Node, Peer], str]:
    """HS256 with what everybody may know of the peer's key as its secret."""

    def made(node: Node, peer: Peer) -> str:
        signed = f"{_part({'alg': 'HS256', 'typ': jws.TYPE})}.{_part(_claims(node, peer))}"
        mac = hmac.digest(secret(peer.key), signed.encode(), hashlib.sha256)
        return f"Bearer {signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    return made


def _pem(key: JWK) -> bytes:
    public = key.get_op_key("verify")
    return bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _with_header(**header: Any) -> Callable[[Node, Peer], str]:
    """Signed as it should be, under a header that names a key of its own or a critical extension."""

    def made(node: Node, peer: Peer) -> str:
        token = jws.sign_claims(peer.key, _claims(node, peer))
        _, claims, signature = token.split(".")
        return f"Bearer {_part({'alg': 'ES256', 'typ': jws.TYPE} | header)}.{claims}.{signature}"

    return made


STOLEN: dict[str, Callable[[Node, Peer], str]] = {
    "none": lambda node, peer: "",
    "basic": lambda node, peer: "Basic eDp5",
    "for another audience": lambda node, peer: peer.token("did:web:elsewhere.example"),
    "for several audiences": lambda node, peer: peer.token(node.id, aud=[node.id]),
    "by another peer's key": lambda node, peer: peer.token(node.id, key=node.peers["oem"].key),
    "by a key of nobody": lambda node, peer: peer.token(node.id, key=keys.new_key()),
    "by somebody unknown": lambda node, peer: peer.token(node.id, iss="did:web:nobody.example", sub="did:web:nobody.example"),
    "for somebody else": lambda node, peer: peer.token(node.id, sub="did:web:oem.example"),
    "expired": lambda node, peer: peer.token(node.id, iat=int(time.time()) - 400, exp=int(time.time()) - 200),
    "from the future": lambda node, peer: peer.token(node.id, iat=int(time.time()) + 120, exp=int(time.time()) + 200),
    "of a long life": lambda node, peer: peer.token(node.id, exp=int(time.time()) + 3600),
    "of no end": lambda node, peer: peer.token(node.id, exp=None),
    "of no beginning": lambda node, peer: peer.token(node.id, iat=None),
    "with times as text": lambda node, peer: peer.token(node.id, iat=str(int(time.time())), exp=str(int(time.time()) + 60)),
    "with a time beyond numbers": lambda node, peer: peer.token(node.id, iat=10**30, exp=10**30 + 60),
    "without jti": lambda node, peer: peer.token(node.id, jti=None),
    "with an empty jti": lambda node, peer: peer.token(node.id, jti=""),
    "with a jti of spaces": lambda node, peer: peer.token(node.id, jti=" " * 20),
    "huge": lambda node, peer: peer.token(node.id, more="x" * 3500),
    "unsigned": _unsigned,
    "HS256 with the PEM": _hmac(_pem),
    "HS256 with the JWK": _hmac(lambda key: key.export_public().encode()),
    "with a key inside": _with_header(jwk={"kty": "EC"}),
    "with a key elsewhere": _with_header(jku="https://evil.example/keys"),
    "with something critical": _with_header(crit=["b64"], b64=False),
    "of another type": _with_header(typ="JWT"),
    "a data token": lambda node, peer: "Bearer " + ".".join((_part({"alg": "HS256", "typ": "saltbridge-data+jwt"}), _part({}), "x")),
    "cut short": lambda node, peer: peer.token(node.id)[:-8],
    "with padding": lambda node, peer: peer.token(node.id) + "=",
    "no token at all": lambda node, peer: "Bearer ...",
    "two in one": lambda node, peer: f"{peer.token(node.id)}, {peer.token(node.id)}",
}


@pytest.mark.parametrize("name", list(STOLEN))
def test_a_token_that_is_not_the_callers_own_for_us_now_is_401_everywhere(node: Node, theirs: dict[str, Running], name: str) -> None:
    peer, still = node.peers["recycler"], Still(node)
    texts = set()
    for method, path, body in (
        ("GET", f"{BASE}/negotiations/{theirs['negotiations'].ours}", None),
        ("GET", f"{BASE}/transfers/{theirs['transfers'].ours}", None),
        ("POST", f"{BASE}/catalog/request", message("CatalogRequestMessage")),
        ("POST", f"{BASE}/negotiations/request", json.dumps(good("ContractRequestMessage", node, peer, theirs["negotiations"])).encode()),
        ("GET", "/grants/x", None),
    ):
        answer = node.says(peer, method, path, body, {"Authorization": STOLEN[name](node, peer)})
        assert answer.status == 401, (name, path, answer.body)
        is_in_shape(path, answer)
        still.after(answer)
        texts.add(tuple(answer.json["reason"]))
    assert texts == {("Not authenticated.", "Send a valid token for this node.")}, "a prober learns nothing"


def test_a_token_is_good_for_one_call_whatever_call_that_was(node: Node) -> None:
    peer = node.peers["recycler"]
    offer = messages.an_offer(node, peer)

    def opening(token: str) -> int:
        fields = {"@id": new_id(), "consumerPid": new_id(), "callbackAddress": peer.callback, "offer": offer}
        return node.says(
            peer, "POST", f"{BASE}/negotiations/request", message("ContractRequestMessage", **fields), {"Authorization": token}
        ).status

    def reading(token: str) -> int:
        return node.says(peer, "POST", f"{BASE}/catalog/request", message("CatalogRequestMessage"), {"Authorization": token}).status

    used = peer.token(node.id)
    assert opening(used) == 201
    still = Still(node)
    assert [opening(used), opening(used)] == [401, 401]
    read = peer.token(node.id)
    assert [reading(read), reading(read)] == [200, 401]
    assert node.stored() == still._before
    refused = peer.token(node.id)
    answer = node.says(peer, "POST", f"{BASE}/negotiations/request", b"{}", {"Authorization": refused})
    assert answer.status == 400 and node.stored() == still._before, "a refusal uses nothing up, so that it leaves nothing behind"


# --- tokens of data -------------------------------------------------------------------------------


def _without_evidence(stored: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stored.items() if key.startswith("record ") and key != "record decision"}


def _data(node: Node, token: str) -> int:
    answer = node.call("GET", "/data/EV-72.000017", headers={"Authorization": token})
    is_in_shape("/data/EV-72.000017", answer)
    return answer.status


def test_data_tokens_open_their_own_transfer_in_its_present_generation(node: Node, theirs: dict[str, Running]) -> None:
    secret = keys.load(load(node.home, {}).keys)
    ours, now = HmacTokens(secret.data), SystemClock().now()
    transfer, until = theirs["transfers"].ours, now + timedelta(days=1)
    recycler, oem = node.peers["recycler"], node.peers["oem"]
    right = ours.issue(transfer, 1, recycler.id, until)
    assert _data(node, right) == 200
    still = Still(node)
    wrong = {
        "another consumer": ours.issue(transfer, 1, oem.id, until),
        "a later generation": ours.issue(transfer, 2, recycler.id, until),
        "an earlier generation": ours.issue(transfer, 0, recycler.id, until),
        "another transfer": ours.issue(new_id(), 1, recycler.id, until),
        "a negotiation": ours.issue(theirs["negotiations"].ours, 1, recycler.id, until),
        "expired": ours.issue(transfer, 1, recycler.id, now - timedelta(seconds=1)),
        "another key": HmacTokens(b"x" * 32).issue(transfer, 1, recycler.id, until),
        "the sealing key": HmacTokens(secret.seal).issue(transfer, 1, recycler.id, until),
        "a call's token": recycler.token(node.id),
        "unsigned": right.rpartition(".")[0] + ".",
        "another header": f"{_part({'alg': 'none'})}.{right.split('.')[1]}.",
        "cut": right[:-2],
        "twice": f"{right}, {right}",
        "huge": right + "x" * 7000,
    }
    for name, token in wrong.items():
        assert _data(node, token) in (401, 403, 404), name
    # a refusal under our own key is a decision, and evidence; nothing else came of it
    assert _without_evidence(node.at_rest()) == _without_evidence(still._before)
    assert _data(node, f"Bearer {right}") == 200


def test_a_token_of_before_a_suspension_is_an_old_one(node: Node, theirs: dict[str, Running]) -> None:
    recycler = node.peers["recycler"]
    running = transferring(node, recycler, theirs["contract"].agreement)
    before = _token(node, running)
    assert _data(node, before) == 200
    for type, fields in (("suspension", {"code": "1", "reason": ["pause"]}), ("start", {})):
        name = f"Transfer{type.capitalize()}Message"
        answer = node.sends(recycler, f"/transfers/{running.ours}/{type}", name, **{"@id": new_id(), **running.pids, **fields})
        assert answer.status == 200, answer.body
        if type == "suspension":
            node.at_rest()
            assert _data(node, before) == 403
    node.at_rest()
    assert _data(node, before) in (401, 403)


def _token(node: Node, running: Running) -> str:
    return HmacTokens(keys.load(load(node.home, {}).keys).data).issue(
        running.ours, 1, node.peers["recycler"].id, SystemClock().now() + timedelta(days=1)
    )
