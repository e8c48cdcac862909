"""A temporary BIND on loopback: one zone that a key of TSIG may change."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.message

from rig.conditions import eventually
from rig.programs import program_or_skip
from switchmaster.lab.ports import free_ports
from switchmaster.model import Address

LIMIT = 60.0
ATTEMPTS = 4
ZONE = "kv.example.net"
KEY = 'key "switchmaster" {\n\talgorithm hmac-sha256;\n\tsecret "c3dpdGNobWFzdGVyIHRlc3RzIGl0cyBhY3Rpb25z";\n};\n'
OTHER_KEY = KEY.replace("c3dp", "AAAA")
CONFIGURATION = """\
options {{
    directory "{folder}"; pid-file none; session-keyfile "{folder}/session.key"; lock-file none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; notify no; transfers-in 1;
}};
controls {{ }};
{key}
zone "{zone}" {{ type primary; file "{folder}/zone"; allow-update {{ key switchmaster; }}; }};
"""
RECORDS = """\
$TTL 60
@ SOA localhost. root.localhost. 1 3600 600 86400 60
@ NS localhost.
"""


class Named:
    """One server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = program_or_skip("named")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.key_file = folder / "key"
        self.key_file.write_text(KEY)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    def start(self) -> None:
        """Start the server and wait until it answers; on another port if this one is taken."""
        for _ in range(ATTEMPTS):
            self.port = free_ports(1)[0]
            (self.folder / "zone").write_text(RECORDS)
            (self.folder / "zone.jnl").unlink(missing_ok=True)
            given = {"folder": self.folder, "port": self.port, "key": KEY, "zone": ZONE}
            (self.folder / "named.conf").write_text(CONFIGURATION.format(**given))
            with (self.folder / "log").open("ab") as log:
                words = [self._program, "-g", "-n", "1", "-c", str(self.folder / "named.conf")]
                self._process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "TZ": "UTC"})
            if eventually(lambda: self._answers() or self._ended(), LIMIT, what="named to answer") != "ended":
                return
            self.stop()
        raise AssertionError((self.folder / "log").read_text("utf-8", "replace")[-2000:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(LIMIT)
            self._process = None

    def records(self, name: str, kind: str) -> list[str]:
        """Return what the server holds of a name."""
        answer = asyncio.run(self._ask(name, kind))
        return [str(one) for found in answer.answer for one in found]

    async def _ask(self, name: str, kind: str) -> dns.message.Message:
        return await dns.asyncquery.tcp(dns.message.make_query(name, kind), "127.0.0.1", port=self.port, timeout=LIMIT)

    def _answers(self) -> str:
        try:
            return "yes" if self.records(ZONE, "SOA") else ""
        except (OSError, EOFError, dns.exception.DNSException):
            return ""

    def _ended(self) -> str:
        assert self._process is not None
        return "" if self._process.poll() is None else "ended"


@contextmanager
def running_named(folder: Path) -> Iterator[Named]:
    """Run a server while the block lasts."""
    server = Named(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
