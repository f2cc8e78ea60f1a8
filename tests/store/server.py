"""A PostgreSQL server of the tests' own: from the system's packages, in a folder and on a port of its own, thrown away at the end.

PostgreSQL refuses to run as root; root hands it to the user `postgres` that Debian's package makes.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

MISSING = (
    "PostgreSQL's server programs are not here (looked in /usr/lib/postgresql/*/bin and on the PATH). "
    "To run this: apt-get install postgresql"
)


@dataclass
class PostgresServer:
    """A running server; each test gets a schema of its own."""

    folder: Path
    port: int
    programs: Path
    as_user: tuple[str, ...]
    fsync: str = "off"  # "on" where durability is part of what is measured
    options: str = ""  # more of what the server is started with

    def url(self, schema: str, **settings: str) -> str:
        more = "".join(f"&{name}={value}" for name, value in settings.items())
        return f"postgres://saltbridge:secret@127.0.0.1:{self.port}/postgres?search_path={schema}{more}"

    async def new_schema(self) -> str:
        name = f"t_{secrets.token_hex(6)}"
        await self.does(f"CREATE SCHEMA {name}")
        return name

    async def does(self, statement: str, schema: str = "public") -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url(schema))
        try:
            found: list[asyncpg.Record] = await connection.fetch(statement)
            return found
        finally:
            await connection.close()

    async def start(self) -> None:
        await asyncio.to_thread(self.start_now)

    async def stop(self, mode: str = "fast") -> None:
        await asyncio.to_thread(self.stop_now, mode)

    def make(self) -> None:
        password = self.folder / "password"
        password.write_text("secret\n")
        self._owned(self.folder, password)
        self._runs(
            "initdb", "-D", str(self.folder / "data"), "-U", "saltbridge", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8",
            "--no-locale", "-N",
        )  # fmt: skip

    def follow(self, primary: PostgresServer) -> None:
        """Make this a standby of a running primary: a copy of it that receives what it writes."""
        self._owned(self.folder)
        source = f"host=127.0.0.1 port={primary.port} user=saltbridge password=secret"
        self._runs(
            "pg_basebackup", "-d", source, "-D", str(self.folder / "data"), "-R", "-X", "stream", "-C", "-S", f"at_{self.port}",
            "-c", "fast", "--no-sync",
        )  # fmt: skip

    def promote(self) -> None:
        """Be the primary from now on."""
        self._runs("pg_ctl", "-D", str(self.folder / "data"), "-w", "promote")

    def stop_now(self, mode: str = "fast") -> None:
        self._runs("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    @property
    def runs(self) -> bool:
        return (self.folder / "data" / "postmaster.pid").exists()

    def start_now(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync={self.fsync}"
        options += f" {self.options}" * bool(self.options)
        self._runs("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def _owned(self, *paths: Path) -> None:
        """Give paths to the user that the server runs as."""
        if self.as_user:
            user = pwd.getpwnam("postgres")
            for path in paths:
                os.chown(path, user.pw_uid, user.pw_gid)

    def _runs(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self.as_user, str(self.programs / program), *arguments],
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout.decode(errors='replace')}"


def programs() -> Path | None:
    """Where the server's programs are; the newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    return next((path for path in [*found, *([Path(on_path).parent] if on_path else [])] if (path / "initdb").exists()), None)


def why_not() -> str:
    """Why there can be no server here; '' when there can."""
    if programs() is None:
        return MISSING
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL does not run as root, and there is no user postgres. To run this: run the tests as another user"
        if _runuser() is None:
            return "PostgreSQL does not run as root, and runuser is not here. To run this: apt-get install util-linux"
    return ""


def _runuser() -> str | None:
    return shutil.which("runuser", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def new_server(fsync: str = "off", options: str = "") -> PostgresServer:
    """A server with a folder and a port of its own; nothing is in the folder yet."""
    where = programs()
    assert where is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="saltbridge-pg-"))
    return PostgresServer(folder, port, where, (str(_runuser()), "-u", "postgres", "--") if os.geteuid() == 0 else (), fsync, options)


@contextmanager
def running_server(fsync: str = "off") -> Iterator[PostgresServer]:
    server = new_server(fsync)
    try:
        server.make()
        server.start_now()
        try:
            yield server
        finally:
            server.stop_now("immediate")
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)
