"""The settings: known keys only, every value with its origin, and what production refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.config import check_profile, did_web, load, parse_address, read, read_token, rows
from connector.errors import Misconfigured
from connector.settings import KNOWN, Address, Config


def settings(toml: str = "", **environment: str) -> Config:
    return read(tomllib.loads(toml), environment, Path("/home/of/node"))


def refused(toml: str = "", **environment: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        settings(toml, **environment)
    return str(caught.value)


def test_an_empty_file_gives_the_documented_defaults() -> None:
    config = settings()
    assert (config.dataspace.listen, config.operator.listen) == ("127.0.0.1:7401", "127.0.0.1:7402")
    assert config.dataspace.public_url == "http://localhost:7401"
    assert config.participant.id == "did:web:localhost%3A7401"
    assert config.database == Path("/home/of/node/saltbridge.db")
    assert not config.outbound.allow_private and not config.dataplane.plain_assets and not config.operator.exposed


def test_every_value_says_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "saltbridge.toml").write_text(
        'profile = "demo"\n\n[dataspace]\nlisten = "127.0.0.1:9001"\n[participant.claims]\nrole = "recycler"\n'
    )
    config = load(tmp_path, {"SALTBRIDGE_OUTBOUND__TIMEOUT": "2.5"})
    shown = {row["key"]: (row["value"], row["origin"]) for row in rows(config)}
    assert set(shown) == set(KNOWN)
    assert shown["profile"] == ("demo", "saltbridge.toml:1")
    assert shown["dataspace.listen"] == ("127.0.0.1:9001", "saltbridge.toml:4")
    assert shown["participant.claims"] == ({"role": ("recycler",)}, "saltbridge.toml:5")
    assert shown["outbound.timeout"] == (2.5, "SALTBRIDGE_OUTBOUND__TIMEOUT")
    assert shown["dataspace.public_url"] == ("http://localhost:9001", "from dataspace.listen")
    assert shown["participant.id"] == ("did:web:localhost%3A9001", "from dataspace.public_url")
    assert shown["limits.page"] == (100, "default")


def test_a_password_in_the_store_address_is_not_shown() -> None:
    config = settings('[store]\nurl = "postgresql://salt:pepper@db/x"')
    shown = next(row["value"] for row in rows(config) if row["key"] == "store.url")
    assert shown == "postgresql://salt:***@db/x"


@pytest.mark.parametrize(
    ("toml", "environment", "said"),
    [
        ('[dataspace]\nlisten_on = "x"', {}, ("saltbridge.toml", "dataspace.listen_on", "Did you mean dataspace.listen?")),
        ('[dataspce]\nlisten = "x"', {}, ("dataspce.listen", "Did you mean dataspace.listen?")),
        ('listen = "x"', {}, ("sets listen", "dataspace.listen")),
        ('dataspace = "x"', {}, ("is a section",)),
        ("[nothing]", {}, ("sets nothing",)),
        ("[outbound.timeout]\nseconds = 3", {}, ("outbound.timeout",)),
        ("", {"SALTBRIDGE_DATASPACE__LISTN": "x"}, ("SALTBRIDGE_DATASPACE__LISTN", "dataspace.listen")),
        ("", {"SALTBRIDGE_DATASPACE_LISTEN": "x"}, ("SALTBRIDGE_DATASPACE__LISTEN", "two underscores")),
    ],
)
def test_an_unknown_key_is_refused_with_the_place_and_a_suggestion(toml: str, environment: dict[str, str], said: tuple[str, ...]) -> None:
    text = refused(toml, **environment)
    assert all(part in text for part in said), text


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[dataspace]\nlisten = "localhost"', "dataspace.listen (saltbridge.toml)"),
        ('[dataspace]\nlisten = "::1:7401"', "brackets"),
        ('[dataspace]\npublic_url = "ftp://x"', "dataspace.public_url"),
        ('[dataspace]\npublic_url = "http://me:pw@x"', "host, port and path only"),
        ('[dataspace]\npublic_url = "http://["', "dataspace.public_url"),
        ('[dataspace]\ntls = "maybe"', "dataspace.tls"),
        ('[operator]\nexposed = "perhaps"', "operator.exposed"),
        ("[outbound]\ntimeout = 0", "outbound.timeout"),
        ('[outbound]\nallow_private = ["10.0.0.1/8"]', "outbound.allow_private"),
        ('[store]\nurl = "mysql://x"', "store.url"),
        ('[identity]\nadapter = "magic"', "identity.adapter"),
        ('profile = "prod"', "profile"),
    ],
)
def test_a_value_that_does_not_fit_names_its_key_and_place(toml: str, said: str) -> None:
    assert said in refused(toml)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[dataspace]\ntls = "own"', "certificate files"),
        ('[dataspace]\ntls = "proxy"', "not https"),
        ('[dataspace]\npublic_url = "https://maker.example"', 'tls is "off"'),
        ('[operator]\ntls_cert = "x"', "go together"),
        ('[operator]\nlisten = "127.0.0.1:7401"', "one port"),
        ('[operator]\nlisten = "0.0.0.0:7401"', "one port"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(toml: str, said: str) -> None:
    assert said in refused(toml)


def test_the_environment_stands_over_the_file_and_reads_lists_and_claims() -> None:
    config = settings(
        '[participant]\nname = "file"',
        SALTBRIDGE_PROFILE="demo",
        SALTBRIDGE_PARTICIPANT__NAME="environment",
        SALTBRIDGE_PARTICIPANT__CLAIMS="role=recycler, role=supplier, membership=active",
        SALTBRIDGE_OUTBOUND__ALLOW_PRIVATE="127.0.0.0/8, ::1/128",
        SALTBRIDGE_OPERATOR__HOSTS='["a.example"]',
        SALTBRIDGE_DATAPLANE__PLAIN_ASSETS="true",
        SALTBRIDGE_HOME="ignored here",
        PATH="ignored too",
    )
    assert (config.profile, config.participant.name) == ("demo", "environment")
    assert config.participant.claims == {"role": ("recycler", "supplier"), "membership": ("active",)}
    assert config.outbound.allow_private == ("127.0.0.0/8", "::1/128")
    assert config.operator.known_hosts == ("a.example",)
    assert config.dataplane.plain_assets


def test_settings_are_frozen() -> None:
    config = settings()
    with pytest.raises(ValidationError):
        config.dataspace.listen = "127.0.0.1:1"  # type: ignore[misc]


# --- production ----------------------------------------------------------------------------------

SAFE = 'profile = "production"\n[dataspace]\ntls = "proxy"\npublic_url = "https://maker.example"\n'


def production(toml: str, *, demo_keys: bool = False) -> str:
    try:
        check_profile(settings(toml), demo_keys=demo_keys)
    except Misconfigured as error:
        return str(error)
    return ""


def test_production_starts_behind_a_proxy_with_its_own_keys() -> None:
    assert production(SAFE) == ""


@pytest.mark.parametrize(
    ("toml", "demo_keys", "said"),
    [
        (SAFE, True, "made for a demo"),
        ('profile = "production"', False, 'tls is "off"'),
        ('profile = "production"\n[dataspace]\ntls="own"\ntls_cert="c"\ntls_key="k"\npublic_url="http://x"', False, "not https"),
        (SAFE + '[operator]\nlisten = "0.0.0.0:7402"', False, "without TLS"),
        (SAFE + '[operator]\nlisten = "0.0.0.0:7402"\nexposed = true', False, "without TLS"),
        (SAFE + '[operator]\nlisten = ":7402"\ntls_cert = "c"\ntls_key = "k"', False, "exposed = true"),
        (SAFE + '[operator]\nlisten = "192.0.2.7:7402"', False, "without TLS"),
    ],
)
def test_production_refuses_and_says_which(toml: str, demo_keys: bool, said: str) -> None:
    assert said in production(toml, demo_keys=demo_keys)


def test_production_names_every_reason_at_once() -> None:
    text = production('profile = "production"\n[operator]\nlisten = "0.0.0.0:7402"', demo_keys=True)
    assert all(part in text for part in ("demo", "tls", "without TLS", "exposed"))


def test_production_takes_an_exposed_operator_side_with_tls() -> None:
    assert production(SAFE + '[operator]\nlisten = "0.0.0.0:7402"\ntls_cert = "c"\ntls_key = "k"\nexposed = true') == ""


def test_development_may_do_all_that() -> None:
    check_profile(settings('[operator]\nlisten = "0.0.0.0:7402"'), demo_keys=True)


# --- the token -----------------------------------------------------------------------------------


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    config = read({}, {}, tmp_path)
    token = tmp_path / "operator.token"
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_token(config)
    token.write_text("0123456789abcdef\n")
    token.chmod(0o640)
    with pytest.raises(Misconfigured, match=r"chmod 600"):
        read_token(config)
    token.chmod(0o600)
    assert read_token(config) == "0123456789abcdef"
    token.write_text("short")
    with pytest.raises(Misconfigured, match="too short"):
        read_token(config)


def test_a_home_without_a_node_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"saltbridge --home .* init"):
        load(tmp_path, {})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "saltbridge.toml").write_text("[dataspace\n")
    with pytest.raises(Misconfigured, match=r"saltbridge\.toml cannot be read"):
        load(tmp_path, {})


# --- small rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:1", ("127.0.0.1", 1)), ("[::1]:7401", ("::1", 7401)), (":80", ("0.0.0.0", 80)), ("localhost:0", ("localhost", 0))],
)
def test_addresses_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@given(st.text(max_size=30))
def test_whatever_is_written_as_an_address_is_one_or_is_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert isinstance(address, Address) and 0 <= address.port <= 65535


@pytest.mark.parametrize(
    ("url", "did"),
    [
        ("http://localhost:7401", "did:web:localhost%3A7401"),
        ("https://maker.example", "did:web:maker.example"),
        ("https://maker.example/a/b", "did:web:maker.example:a:b"),
    ],
)
def test_a_public_address_has_its_did(url: str, did: str) -> None:
    assert did_web(url) == did
