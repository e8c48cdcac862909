"""POST each completed failover to a URL as JSON. Usage: post_on_failover.py URL HOST:PORT..."""

import json
import sys
import urllib.request

from switchmaster import Failover, Outcome
from switchmaster.sync import Watcher


def main(url: str, *sentinels: str) -> None:
    with Watcher(sentinels) as watcher:
        print(f"watching {', '.join(watcher.masters())}", flush=True)
        for failover in watcher.failovers():
            if failover.closed and failover.outcome is Outcome.COMPLETED:
                post(url, failover)


def post(url: str, failover: Failover) -> None:
    body = {
        "text": f"{failover.master} moved from {failover.old} to {failover.new}",
        "outage_seconds": failover.durations.get("outage"),
    }
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except OSError as error:
        print(f"{url}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
