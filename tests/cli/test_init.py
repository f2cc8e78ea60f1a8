"""A home is made whole or not at all, and nothing in it is ever overwritten."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.cli.init import make, render, report
from connector.cli.main import main
from connector.config import check_profile, demo_keys, load, read, read_token
from connector.errors import Misconfigured
from connector.identity import keys


def test_a_new_home_holds_keys_settings_token_and_database_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "maker"
    make(home, name="maker", port=7411, profile="development")
    assert sorted(path.name for path in home.iterdir() if path.suffix != ".lock") == [
        "keys",
        "operator.token",
        "saltbridge.db",
        "saltbridge.toml",
    ]
    for path in (home, home / "keys", home / "operator.token", home / "saltbridge.db", *(home / "keys").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    config = load(home, {})
    assert (config.dataspace.listen, config.operator.listen) == ("127.0.0.1:7411", "127.0.0.1:7412")
    assert (config.participant.name, config.participant.id) == ("maker", "did:web:localhost%3A7411")
    assert len(read_token(config)) >= 32
    ring = keys.load(config.keys)
    assert ring.data != ring.seal


def test_two_homes_share_no_secret(tmp_path: Path) -> None:
    homes = [make(tmp_path / name, profile="development").home for name in "ab"]
    tokens, data = zip(*((read_token(load(home, {})), keys.load(home / "keys").data) for home in homes), strict=True)
    assert len(set(tokens)) == len(set(data)) == 2


@pytest.mark.parametrize("taken", ["saltbridge.toml", "keys", "operator.token", "saltbridge.db"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(Misconfigured, match="already"):
        make(tmp_path, profile="development")
    assert [path.name for path in tmp_path.iterdir()] == [taken] and (tmp_path / taken).read_text() == "mine"


def test_a_refused_value_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "maker"
    with pytest.raises(Misconfigured, match=r"dataspace\.public_url"):
        make(home, public_url="ftp://maker.example", profile="development")
    assert not home.exists()
    home.mkdir()
    with pytest.raises(Misconfigured, match="allow_private"):
        make(home, allow_private=["localhost"], profile="development")
    assert list(home.iterdir()) == []


def test_what_was_asked_for_stands_in_the_file(tmp_path: Path) -> None:
    config = make(
        tmp_path / "x", name='a "quoted" name', id="did:web:maker.example", public_url="https://maker.example/", profile="production",
        operator_port=9000, allow_private=["127.0.0.0/8", "::1/128"], claims={"role": ["recycler"], "a b": ["x", "y"]},
    ).config  # fmt: skip
    assert config.operator.listen == "127.0.0.1:9000"
    assert config.participant.claims == {"role": ("recycler",), "a b": ("x", "y")}
    assert (config.participant.name, config.participant.id) == ('a "quoted" name', "did:web:maker.example")
    assert (config.dataspace.public_url, config.dataspace.tls) == ("https://maker.example", "proxy")
    assert config.outbound.allow_private == ("127.0.0.0/8", "::1/128")
    check_profile(config, demo_keys=demo_keys(config))


def test_keys_of_a_demo_are_known_as_such_for_ever(tmp_path: Path) -> None:
    make(tmp_path / "demo", profile="demo")
    config = load(tmp_path / "demo", {"SALTBRIDGE_PROFILE": "production"})
    with pytest.raises(Misconfigured, match="made for a demo"):
        check_profile(config, demo_keys=demo_keys(config))


@given(
    name=st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()),
    id=st.text(max_size=40).filter(lambda text: text.isprintable()),
)
def test_any_name_and_id_survive_the_file(name: str, id: str) -> None:
    config = read(tomllib.loads(render(name, id, (7401, 7402), "", (), {}, "development")), {}, Path("/home/of/node"))
    assert config.participant.name == name and config.participant.id == (id or "did:web:localhost%3A7401")


def test_the_comments_of_the_file_are_settings_that_exist() -> None:
    text = render("n", "", (7401, 7402), "", (), {}, "development")
    lines = [
        line.removeprefix("# ") if line.startswith("# ") and (" = " in line or line.startswith("# [")) else line
        for line in text.splitlines()
    ]
    uncommented = "\n".join(line for line in lines if not line.startswith(("public_url", "tls_", "id =")))
    read(tomllib.loads(uncommented), {}, Path("/home/of/node"))


def test_it_says_what_it_made_and_the_three_next_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "maker"
    monkeypatch.setenv("SALTBRIDGE_HOME", str(home))  # the command line sets it; given back after the test
    assert main(["--home", str(home), "init", "--name", "maker", "--port", "7421"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[-1] for line in said.splitlines()[-2:]] == ["serve", "card"] and said.count(f"saltbridge --home {home} ") == 3
    assert read_token(load(home, {})) not in said
    assert main(["--home", str(home), "init"]) == 1
    assert f"next  saltbridge --home {home} serve" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("public_url", "allowed", "told"),
    [
        ("", [], True),
        ("http://127.0.0.1:7401", [], True),
        ("http://[::1]:7401", [], True),
        ("", ["127.0.0.0/8"], False),
        ("https://maker.example", [], False),
    ],
)
def test_a_node_on_this_machine_is_told_how_to_call_its_neighbours(tmp_path: Path, public_url: str, allowed: list[str], told: bool) -> None:
    text = "\n".join(report(make(tmp_path / "n", public_url=public_url, allow_private=allowed, profile="development")))
    assert ("--allow-private 127.0.0.0/8" in text) is told


def test_the_report_names_every_piece(tmp_path: Path) -> None:
    text = "\n".join(report(make(tmp_path / "n", profile="development")))
    assert all(piece in text for piece in ("saltbridge.toml", "keys", "operator.token", "saltbridge.db", "did:web:"))
