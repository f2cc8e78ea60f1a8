"""Many requests at once, each on a connection of its own: `python -m tests.hostile.flood PORT PARALLEL < requests > answers`.

A process of its own, so that the test's clock is not the flood's.  In: one request per line, base64 of its bytes.  Out: one JSON object:
how many answers of each status (`broken`: none came), how many of those 503 said when to come back, the seconds it all took.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections import Counter

LONGEST = 240.0  # seconds that one request may wait for its answer


async def one(port: int, request: bytes, found: Counter[str]) -> None:
    try:
        async with asyncio.timeout(LONGEST):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            found[head.split(b" ", 2)[1].decode()] += 1
            if b" 503 " in head[:16] and b"retry-after:" in head.lower():
                found["retry-after"] += 1
            writer.close()
    except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError) as error:
        found["broken"] += 1
        found[f"broken {type(error).__name__}"] += 1


async def main(port: int, parallel: int) -> None:
    requests = [base64.b64decode(line) for line in sys.stdin.buffer]
    found: Counter[str] = Counter()
    started = time.monotonic()
    turn = asyncio.Semaphore(parallel)

    async def taken(request: bytes) -> None:
        async with turn:
            await one(port, request, found)

    await asyncio.gather(*(taken(request) for request in requests))
    print(json.dumps({"answers": found, "seconds": round(time.monotonic() - started, 2)}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
