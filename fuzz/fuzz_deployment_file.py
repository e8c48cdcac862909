"""The deployments of any configuration file are read, or refused in one sentence that names the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from drive import Target, main
from switchmaster.errors import UsageError
from switchmaster.server.settings.file import read_deployment


def check(data: bytes) -> None:
    """Take the content of a file."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "switchmaster.toml"
        path.write_bytes(data)
        try:
            settings = read_deployment(path, None)
        except UsageError as error:
            assert str(path) in str(error), f"does not name the file: {error}"
            assert "\n" not in str(error)
            return
        assert settings.deployment is not None
        assert settings.timeout is None or settings.timeout > 0
        for access in (settings.node, settings.sentinel, *(settings.node_access or {}).values()):
            named = (access.password_file, access.ca, access.cert, access.key)
            assert all(Path(each).is_absolute() for each in named if each is not None)


def seeds() -> list[bytes]:
    """Return files with every key, in each of TOML's notations."""
    return [
        b"""[deployments.kvdb]
sentinels = ["10.209.10.30:46390", "10.209.10.31:46390"]     # all of them
masters = ["mymaster1"]
timeout = 0.5
address_map = { "10.209.10.30:6390" = "127.0.0.1:7001" }
[deployments.kvdb.sentinel]
username = "watch"
password_file = "/run/secrets/sentinel"
tls = { ca = "ca.pem", cert = "c.pem", key = "k.pem", server_name = "kv" }
[deployments.kvdb.node]
password_file = "~/secret"
tls = true
""",
        b'[deployments.kv]\nsentinels = ["h"]\nmasters = ["m", "tls"]\n[deployments.kv.nodes.m]\nusername = "u"\n'
        b'password_file = "m.secret"\ntls = { ca = "ca.pem" }\n[deployments.kv.nodes.tls]\ntls = false\n',
        b'[deployments."a b"]\nsentinels = "redis+sentinel://u@h1:26379,h2/mymaster?timeout=2"\n',
        b"deployments.kv = {sentinels = ['h:1', '[::1]:26379'], node = {tls = {ca = '~root/ca.pem'}}}\n",
        b'[deployments]\n[deployments.a]\nsentinels = ["h"]\n[deployments.b]\nsentinels = ["h"]\n',
        b'[deployments.kv]\nsentinels = [[["h"]]]\ntimeout = 99999999999999999999\n[journal]\nurl = "sqlite:///j.db"\n',
        b'[deployments.kv]\nsentinel = ["h"]\ntimeout = nan\n[http]\nlisten = "127.0.0.1:8370"\n',
        b'[deployments.kv]\nsentinels = """\nh:1"""\nnode.password = "x"\nnode.username = "\\u0000"\n',
    ]


TARGET = Target(check, seeds, examples=1000)

if __name__ == "__main__":
    main(TARGET, "deployment_file")
