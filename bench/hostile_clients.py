"""
Hostile clients as a process: ``hostile_clients.py PORT IDLE SLOW STREAMS`` holds these connections until stdin ends.

Idle clients send nothing, slow ones send a byte of their header every 0.1 s, stream clients follow the stream and read
everything. A client that is disconnected or refused comes back after `BACK`. At the end it prints how often each kind
was disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter

BACK = 1.0
DRIP = 0.1
HEADER = b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n"


async def hold(kind: str, port: int, ended: Counter[str]) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                if kind == "slow":
                    await drip(writer)
                elif kind == "stream":
                    writer.write(HEADER + b"\r\n")
                while await reader.read(65536):
                    pass
            finally:
                writer.transport.abort()
        ended[kind] += 1
        await asyncio.sleep(BACK)


async def drip(writer: asyncio.StreamWriter) -> None:
    for byte in HEADER * 1000:
        if writer.is_closing():
            return
        writer.write(bytes([byte]))
        await asyncio.sleep(DRIP)


async def main(port: int, idle: int, slow: int, streams: int) -> None:
    ended: Counter[str] = Counter()
    kinds = ["idle"] * idle + ["slow"] * slow + ["stream"] * streams
    tasks = [asyncio.create_task(hold(kind, port, ended)) for kind in kinds]
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(ended), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
