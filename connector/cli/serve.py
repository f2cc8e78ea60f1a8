"""`saltbridge serve`: runs the node until it is asked to stop (SIGTERM, SIGINT)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .init import Home

if TYPE_CHECKING:
    from connector.settings import Config

LogForm = Literal["text", "json"]


def serve(
    home: Home = None,
    log: Annotated[LogForm, typer.Option("--log", help="text is read by eye, json by jq.")] = "text",
) -> None:
    """Run the node.

    Example: saltbridge --home maker serve --log json
    """
    from connector import log as logging
    from connector.config import check_profile, demo_keys, load

    from .client import home_dir

    started = time.perf_counter()
    config = load(home or home_dir())
    check_profile(config, demo_keys=demo_keys(config))
    logging.configure(log)
    asyncio.run(_run(config, started, banner=log == "text"))


async def _run(config: Config, started: float, *, banner: bool) -> None:
    """Start, say so, wait for a signal, stop.  What cannot start says why and leaves nothing running."""
    from connector import log, node

    _allow_files(config.limits.connections)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before anything is started: a signal in between must stop it too.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with node.running(node.build(config)) as running:
        settle()
        seconds = time.perf_counter() - started
        if banner:
            print("\n".join(lines(config, seconds, await node.last_backup(running))), flush=True)
        else:
            log.event(
                "ready",
                id=config.participant.id,
                address=config.dataspace.public_url,
                operator=config.operator.listen,
                seconds=round(seconds, 3),
            )
        _tell_supervisor("READY=1")
        await stop.wait()
        _tell_supervisor("STOPPING=1")
        log.event("stopping")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)  # who asks twice does not want to wait
    log.event("stopped")


def _allow_files(connections: int) -> None:
    """As many open files as the connections of both listeners may need, so far as this process may have them."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 1024 + 10 * connections) if hard != resource.RLIM_INFINITY else 1024 + 10 * connections
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def settle() -> None:
    """What is there once a node is ready stays: the collector need not look at it again, nor at every seven hundredth new object.

    Measured: some seven hundredths of the CPU time of a negotiation.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _tell_supervisor(state: str) -> None:
    """Say it to systemd, where it asked (`Type=notify`): one datagram to the socket it names; see sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def lines(config: Config, seconds: float, last_backup: str = "") -> list[str]:
    """What a person sees of a started node: at most twelve lines, the last one says that it is ready."""
    from importlib.metadata import version

    from connector.text import clean, duration

    operator = f"{'https' if config.operator.tls_cert else 'http'}://{config.operator.listen}"
    rows = [
        ("participant", config.participant.id),
        ("dataspace", f"{config.dataspace.public_url}   (listens on {config.dataspace.listen}, tls {config.dataspace.tls})"),
        ("operator", f"{operator}   (token in {config.home / config.operator.token_file})"),
        ("data", _kept(config, last_backup)),
        ("profile", config.profile),
    ]
    shown = [f"Saltbridge {version('saltbridge')} · {config.participant.name}", *(f"  {name:<12} {value}" for name, value in rows)]
    return [clean(line) for line in [*shown, f"ready in {duration(seconds)}"]]


def _kept(config: Config, last_backup: str) -> str:
    from connector.text import local, size

    path = config.database
    if path is None:
        return "in memory, lost on exit" if config.store.url.startswith("sqlite:") else config.store.url.partition("@")[2] or "PostgreSQL"
    # Recent writes lie in the write-ahead log until SQLite moves them.
    bytes = sum(file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists())
    saved = f"last backup {local(last_backup)}" if last_backup else "no backup on record"
    return f"SQLite {path} · {size(bytes)} · {saved}"
