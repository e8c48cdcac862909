"""
A Celery application whose broker and result backend are behind Sentinel. Run as a program, it sends tasks.

Environment: ``SENTINELS`` has their addresses; ``CLIENTS`` says whose classes are used: ``transport`` (our transport
and backend), ``installed`` (our classes in the place of redis-py's), ``stock`` (redis-py's own). ``DONE`` is the first
part of the names of the files to which each task appends its number; ``QUEUES`` has the queues of the tasks, ``PAUSE``
the seconds between two of them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

if os.environ["CLIENTS"] == "installed":
    # As docs/how-to/frameworks.md says: before Celery's transport and backend are imported.
    import switchmaster.redis

    switchmaster.redis.install()

from celery import Celery

URL = ";".join(f"sentinel://{address}" for address in os.environ["SENTINELS"].split())
PLACE = {"master_name": "mymaster"}
QUEUES = os.environ["QUEUES"].split()
PAUSE = float(os.environ["PAUSE"])

app = Celery("rig.celery_app")
app.conf.update(
    broker_url=URL,
    broker_transport_options=PLACE,
    result_backend=URL,
    result_backend_transport_options=PLACE,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
if os.environ["CLIENTS"] == "transport":
    # As docs/how-to/celery.md says.
    app.conf.update(broker_transport="switchmaster.celery:Transport", result_backend=f"switchmaster+{URL}")


@app.task
def record(queue: str, number: int) -> int:
    """Append a task's number to the file of its queue."""
    with Path(f"{os.environ['DONE']}.{queue}").open("a") as file:
        file.write(f"{number} {time.time()}\n")
    return number


def send() -> None:
    """Send one task after the other to each queue until a line is read; then fetch the results of the last two."""
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
    number, last = 0, {}
    while not over.wait(PAUSE):
        number += 1
        for queue in QUEUES:
            try:
                last[queue] = record.apply_async((queue, number), queue=queue)
                print("sent", queue, number, flush=True)
            except Exception as error:
                print("failed", queue, number, repr(error), flush=True)
    for queue, result in last.items():
        print("result", queue, result.get(timeout=30), flush=True)


if __name__ == "__main__":
    send()
