"""`/metrics` on the operator listener, for Prometheus: what the store holds now, and what this process has counted.

Names begin with `saltbridge_`.  Labels are states, sides, codes and classes, all from closed lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from connector.meter import COUNTERS, Meter
from connector.operate import backups
from connector.operate.status import counts
from connector.ports import World

from .doorway import TEXT, VISIT

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

PATH = "/metrics"
PREFIX = "saltbridge_"

Days = Mapping[str, Mapping[str, float]]  # "certificate" -> listener -> days left; "key" -> key -> days left


def routes(world: World, meter: Meter, days: Callable[[datetime], Days]) -> list[web.RouteDef]:
    """`/metrics`; `days` says how long certificates and keys still serve."""

    async def scrape(_: web.Request) -> web.Response:
        from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        held = await counts(world) | {"backup": await backups.age(world)}
        registry.register(_Collected([*_gauges(held, days(world.clock.now())), *_counters(meter)]))
        ProcessCollector(registry=registry)
        headers = {**TEXT, "Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=generate_latest(registry), headers=headers)

    return [web.get(PATH, scrape, allow_head=False)]


def counted(meter: Meter, listener: str) -> Middleware:
    """The outermost middleware of a listener: every answer is counted by its family and status."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        visit = request.get(VISIT)
        meter.add("requests", listener, visit.family.value if visit else "", str(response.status))
        return response

    return count


class _Collected:
    """What was gathered, as a collector that the client library can write."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _gauges(held: Mapping[str, Any], days: Days) -> Iterable[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    for noun in ("negotiations", "transfers", "agreements"):
        gauge = GaugeMetricFamily(f"{PREFIX}{noun}", f"{noun.capitalize()} on record, by state.", labels=("state",))
        for state, count in held[noun].items():
            gauge.add_metric((state,), count)
        yield gauge
    for name, help, value in (
        ("waiting_for_operator", "Negotiations that wait for a person.", held["waiting"]),
        ("blocked_peers", "Peers whose messages are refused until a person has looked.", held["blocked"]),
        ("outbox_letters", "Letters that wait to be sent or to be looked at.", held["letters"]),
        ("outbox_oldest_seconds", "Age of the oldest letter that waits.", held["oldest_seconds"]),
    ):
        yield GaugeMetricFamily(PREFIX + name, help, value=value)
    if held["backup"] is not None:
        yield GaugeMetricFamily(f"{PREFIX}backup_age_seconds", "Since the last backup was kept.", value=held["backup"])
    for name, label in (("certificate", "listener"), ("key", "key")):
        gauge = GaugeMetricFamily(f"{PREFIX}{name}_days_left", f"Days until the {name} should have been renewed.", labels=(label,))
        for which, left in days.get(name, {}).items():
            gauge.add_metric((which,), left)
        yield gauge


def _counters(meter: Meter) -> Iterable[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily

    for name, family in COUNTERS.items():
        counter = CounterMetricFamily(PREFIX + name, family.help, labels=family.labels)
        if not family.labels:
            counter.add_metric((), meter.counts[name][()])
        else:
            for labels, count in meter.counts[name].items():
                counter.add_metric(labels, count)
        yield counter
