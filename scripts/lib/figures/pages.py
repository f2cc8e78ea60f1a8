"""How many pages of a catalog one core answers, and what becomes of that as the catalog grows."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.lib import bench_pair
from scripts.lib.bench_pair import Pair, Stores

from .figure import Figure, Plan, figure

NAMES = ("catalog_page_per_s", "catalog_page_first_per_s", "catalog_page_gzip_per_s", "catalog_growth")


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    small, middle, large = plan.datasets
    rates: dict[int, list[float]] = {}
    with bench_pair.workplace() as folder, bench_pair.pair(folder, stores, view="") as nodes:
        nodes.pin_apart()
        for size in plan.datasets:
            nodes.maker.do("fill", upto=size)
            first = [_rate(nodes, plan.pages // 4)]
            rates[size] = [_rate(nodes, plan.pages) for _ in range(plan.runs)]
            if size != middle:
                continue
            seen = f"pages of 100 of {size} datasets under ten definitions, eight of them for this caller"
            how = f"{seen}, over HTTP, a signed token each, provider on one core; policies evaluated at every request"
            kept = "what depends on datasets and terms alone is kept from an earlier walk (by a process that is alone on its database)"
            yield figure("catalog_page_per_s", "1/s", rates[size], f"{how}; {kept}")
            yield figure("catalog_page_first_per_s", "1/s", first, f"{how}; the first walk, nothing kept yet")
            packed = [_rate(nodes, plan.pages, "gzip") for _ in range(plan.runs)]
            yield figure("catalog_page_gzip_per_s", "1/s", packed, f"{how}; as catalog_page_per_s, compressed")
    ratio = [few / most for few, most in zip(sorted(rates[small]), sorted(rates[large]), strict=True)]
    how = f"pages a second of {small} datasets divided by pages a second of {large}, as catalog_page_per_s"
    yield figure("catalog_growth", "ratio", ratio, how)


def _rate(nodes: Pair, count: int, encoding: str = "") -> float:
    done = nodes.recycler.do("pages", count=count, at_once=8, encoding=encoding)
    return float(count / done["seconds"])
