"""Where the official kit's jars come from: a folder that is named, what an earlier run fetched, or Maven where it serves them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ENVIRONMENT = "SALTBRIDGE_DSP_KIT"
KIT = ("org.eclipse.dataspacetck.dsp", "dsp-tck", "1.0.1")
# The kit names `okhttp`, whose jar is empty for whoever does not read Gradle's metadata; this one holds the classes.
HTTP = ("com.squareup.okhttp3", "okhttp-jvm", "5.4.0")
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
PATIENCE = 600  # seconds for Maven on a slow line


class NoKit(Exception):
    """Nothing to run here; the message says why and how to get it."""


class WrongFolder(Exception):
    """The folder that was named holds no kit."""


def find(named: Path | None, cache: Path) -> Path:
    """The folder with the kit's jars.  NoKit where there is none to be had, WrongFolder when the named one holds none."""
    named = named or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if named is not None:
        missing = [artifact for _, artifact, _ in (KIT, HTTP) if not any(named.glob(f"{artifact}-*.jar"))]
        if missing:
            raise WrongFolder(f"{named} holds no {' and no '.join(missing)} jar: it must hold the kit and all that it needs.")
        return named.resolve()
    fetched = cache / f"dsp-tck-{KIT[2]}"
    return fetched if fetched.is_dir() else _fetch(cache, fetched)


def _fetch(cache: Path, into: Path) -> Path:
    """Let Maven copy the kit and what it needs; everything stays below `cache`, which git is told to overlook."""
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKit(f"There is no Maven here to fetch {':'.join(KIT)} with. {_HOW}")
    cache.mkdir(exist_ok=True)
    (cache / ".gitignore").write_text("*\n", "utf-8")
    (cache / "pom.xml").write_text(_pom(), "utf-8")
    partly = cache / "partly"
    shutil.rmtree(partly, ignore_errors=True)
    command = [maven, "-B", "-q", "-f", str(cache / "pom.xml"), f"-Dmaven.repo.local={cache / 'm2'}", COPY, f"-DoutputDirectory={partly}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NoKit(f"Maven did not deliver {':'.join(KIT)} within {PATIENCE} s. {_HOW}") from None
    if done.returncode:
        shutil.rmtree(cache)  # also what was fetched for nothing
        raise NoKit(f"Maven does not serve {':'.join(KIT)} here ({_why(done.stdout)}). {_HOW}")
    partly.rename(into)
    return into


def _why(said: str) -> str:
    """The first thing of substance that Maven calls an error."""
    errors = [line.partition("[ERROR]")[2].partition(" -> [Help")[0].strip() for line in said.splitlines()]
    return next((error[-240:] for error in errors if error), "it did not say why")


def _pom() -> str:
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        for group, artifact, version in (KIT, HTTP)
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"<groupId>kit</groupId><artifactId>kit</artifactId><version>1</version><dependencies>{wanted}</dependencies></project>\n"
    )


_HOW = f"Name a folder that holds the kit and all its libraries: --jars DIR, or {ENVIRONMENT}=DIR."
