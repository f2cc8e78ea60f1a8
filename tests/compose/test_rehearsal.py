"""The image cannot be built without an engine, so its steps are rehearsed: the Dockerfile's own commands, as an unprivileged user.

Every RUN, COPY, ENV, USER, ENTRYPOINT and CMD is taken from the file; only the paths lie below a folder of the test.  Then the
"image" is made read-only and a node runs from it, writing to its volume and to /tmp alone.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.running.stage import free_ports

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "compose" / "Dockerfile"
# What an image has and this machine has not.
PLACES = ("/src", "/opt/saltbridge", "/var/lib/saltbridge", "/usr/local/bin/saltbridge-entrypoint")
MOST_MEGABYTES = 300
Words = list[str]


def instructions(text: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) in order, continued lines joined."""
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in joined.splitlines() if line.strip()]


@dataclass
class Image:
    """What the Dockerfile has led to so far, below `root`."""

    root: Path
    user: dict[str, int]
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    runs: int = 0
    start: dict[str, Words] = field(default_factory=dict)
    named: str = ""

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def here(self, text: str) -> str:
        """The text with the image's places moved below the root."""
        for place in PLACES:
            text = re.sub(rf"(?<![\w/]){re.escape(place)}(?![\w-])", str(self.at(place)), text)
        return text

    def environ(self) -> dict[str, str]:
        tools = {name: value for name, value in os.environ.items() if re.match(r"(?i)(pip|ssl|requests)_|https?_proxy|no_proxy", name)}
        return {**tools, "HOME": str(self.root), "PATH": f"{self.root / 'python'}:/usr/bin:/bin", **self.environment}

    def do(self, instruction: str, rest: str) -> None:
        match instruction:
            case "FROM":
                self.environment, self.folder = {}, "/"
            case "ENV":
                for word in shlex.split(rest):
                    name, _, value = word.partition("=")
                    self.environment[name] = self.here(value).replace("$PATH", "")
                if "PATH" in self.environment:
                    self.environment["PATH"] += f":{self.root / 'python'}"
            case "WORKDIR":
                self.folder = rest
                self.at(rest).mkdir(parents=True, exist_ok=True)
                self.own(self.at(rest))
            case "COPY":
                self.copy(*[word for word in rest.split() if not word.startswith("--")], options=rest)
            case "RUN":
                self.runs += 1
                done = subprocess.run(
                    ["sh", "-ec", self.here(rest)], cwd=self.at(self.folder), env=self.environ(), capture_output=True, text=True,
                    timeout=400, check=False, **self.user,
                )  # fmt: skip
                assert done.returncode == 0, f"RUN {rest}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            case "ENTRYPOINT" | "CMD":
                self.start[instruction] = json.loads(rest)
            case "USER":
                self.named = rest
            case "VOLUME" | "EXPOSE" | "STOPSIGNAL" | "HEALTHCHECK":
                self.start.setdefault(instruction, [rest])
            case _:
                raise AssertionError(f"{instruction} is not rehearsed")

    def copy(self, *words: str, options: str) -> None:
        *sources, target = words
        if "--from=" in options:
            return  # both stages share one root here
        into = self.at(target) if target.startswith("/") else self.at(self.folder) / target
        for source in sources:
            found = ROOT / source
            if found.is_dir():
                shutil.copytree(found, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place = into / found.name if target.endswith("/") else into
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)
                place.chmod(0o755 if "--chmod=0755" in options else 0o644)
        self.own(into)

    def own(self, path: Path) -> None:
        if self.user:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.user["user"], self.user["group"], follow_symlinks=False)


def python_for(user: dict[str, int]) -> Path:
    """A Python that the unprivileged user can run; SKIPPED where there is none."""
    for candidate in (Path(sys.executable).resolve(), Path("/usr/bin/python3"), Path("/usr/local/bin/python3")):
        script = "import sys, ensurepip, venv; raise SystemExit(sys.version_info < (3, 11))"
        try:
            if subprocess.run([candidate, "-c", script], cwd="/", check=False, capture_output=True, **user).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.skip("no Python 3.11 with venv that an unprivileged user can run (Debian: apt-get install python3 python3-venv)")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    user: dict[str, int] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
    python = python_for(user)
    root = Path(tempfile.mkdtemp(prefix="saltbridge-image-", dir="/tmp"))
    root.chmod(0o755)
    made = Image(root, user)
    made.own(root)
    (root / "python").mkdir()
    (root / "python" / "python").symlink_to(python)
    for place in ("opt", "var/lib", "tmp"):
        (root / place).mkdir(parents=True)
    made.own(root)
    try:
        for instruction, rest in instructions(DOCKERFILE.read_text()):
            made.do(instruction, rest)
        shutil.rmtree(made.at("/src"))  # the build stage is left behind
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def sealed(image: Image) -> None:
    """A read-only file system: nothing but the volume and /tmp may be written by the node's user."""
    for path in sorted(image.at("/opt").rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
            if image.user:
                os.chown(path, 0, 0)
    image.at("/opt/saltbridge").chmod(0o555)


def written(image: Image) -> set[Path]:
    return {path for path in image.root.rglob("*") if path.is_file() and image.at("/var/lib/saltbridge") not in path.parents}


@pytest.mark.timeout(600)
def test_its_steps_install_a_node_that_starts_from_a_read_only_tree_and_stops_when_asked(image: Image) -> None:
    assert image.runs >= 2 and image.named == "10001:10001"
    assert sum(path.lstat().st_size for path in image.at("/opt/saltbridge").rglob("*")) / 1e6 < MOST_MEGABYTES
    assert not list(image.at("/opt/saltbridge").glob("lib/*/site-packages/pip"))
    assert list(image.at("/opt/saltbridge").rglob("connector/__pycache__/node.*.pyc"))
    sealed(image)
    before = written(image)

    port, operator = free_ports()
    settings = {
        "SALTBRIDGE_PROFILE": "production", "SALTBRIDGE_PARTICIPANT__NAME": "maker", "SALTBRIDGE_DATASPACE__TLS": "proxy",
        "SALTBRIDGE_DATASPACE__PUBLIC_URL": "https://maker.example", "SALTBRIDGE_DATASPACE__LISTEN": f"127.0.0.1:{port}",
        "SALTBRIDGE_OPERATOR__LISTEN": f"127.0.0.1:{operator}", "TMPDIR": str(image.at("/tmp")),
    }  # fmt: skip
    command = [image.here(f"/usr/local/bin/{word}") if word == "saltbridge-entrypoint" else word for word in image.start["ENTRYPOINT"]]
    command += image.start["CMD"]
    environment = image.environ() | settings
    for attempt in ("the first start makes the home", "the second finds it"):
        node = subprocess.Popen(
            command, cwd=image.at(image.folder), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **image.user
        )
        try:
            assert answers(f"http://127.0.0.1:{operator}/health/ready", node), attempt
            said = subprocess.run(
                [image.at("/opt/saltbridge/bin/saltbridge"), "status", "--json"], env=environment, cwd="/", capture_output=True, text=True,
                check=False, **image.user,
            )  # fmt: skip
            assert said.returncode == 0, said.stderr
            assert json.loads(said.stdout)["participant"] == "did:web:maker.example"
            node.send_signal(getattr(signal, image.start["STOPSIGNAL"][0]))
            _, log = node.communicate(timeout=30)
            assert node.returncode == 0 and log.rstrip().endswith("stopped"), log
        finally:
            if node.poll() is None:
                node.kill()
                node.communicate()
    home = image.at("/var/lib/saltbridge")
    assert (home / "saltbridge.db").exists() and (home / "operator.token").stat().st_mode & 0o077 == 0
    assert written(image) == before


def answers(url: str, node: subprocess.Popen[str]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and node.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} never answered: {node.communicate(timeout=10) if node.poll() is not None else 'it runs'}")


def test_the_health_check_asks_what_the_node_answers_without_a_token() -> None:
    [check] = [rest for instruction, rest in instructions(DOCKERFILE.read_text()) if instruction == "HEALTHCHECK"]
    assert "/health/ready" in check and "127.0.0.1:7402" in check
