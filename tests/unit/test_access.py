"""The access to the nodes of each master: the deployment's own, or the master's as a whole."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from switchmaster import NodeAccess, Tls, Watcher
from switchmaster.errors import UsageError
from switchmaster.link.greeting import Credentials
from switchmaster.model import Address
from switchmaster.net.dial import DialTarget
from switchmaster.net.diallers import Dialler, NodeDiallers
from switchmaster.sync import Watcher as SyncWatcher

NODE = Address("10.0.0.1", 6379)


def diallers(own: NodeAccess | None = None, **by_master: NodeAccess) -> NodeDiallers:
    return NodeDiallers(own or NodeAccess("common", "s3cret"), by_master, None)


def test_access_of_a_master_takes_nothing_from_the_deployments() -> None:
    trusted = ssl.create_default_context()
    found = diallers(NodeAccess("common", "s3cret", trusted), m1=NodeAccess(username="one"), m2=NodeAccess())
    assert [(d.credentials.username, d.credentials.password, d.context) for d in map(found.of, ("m1", "m2"))] == [
        ("one", None, None),
        (None, None, None),
    ]
    assert found.of("m3") is found.of(None)
    assert found.of("m3").credentials == Credentials("common", "s3cret")
    assert found.of("m3").target(NODE) == DialTarget(NODE, trusted, None, Credentials("common", "s3cret"))


def test_nodes_are_dialled_with_the_tls_and_the_map_of_their_master(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = Tls(ca_file=tmp_path / "ca.pem", server_name="kv.test")
    dialled = Address("127.0.0.1", 7001)
    found = NodeDiallers(NodeAccess(), {"m1": NodeAccess(tls=tls)}, {NODE: dialled})
    target = found.of("m1").target(NODE)
    assert (target.address, target.server_name) == (dialled, "kv.test")
    assert target.context is not None
    assert len(target.context.get_ca_certs()) == 1  # not the system's
    assert found.of("m2").target(NODE) == DialTarget(dialled)


def test_equal_accesses_are_one_and_equal_tls_is_read_once(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")

    def access(password: str) -> NodeAccess:
        return NodeAccess("app", password, Tls(ca_file=tmp_path / "ca.pem"))

    found = diallers(access("one"), m1=access("one"), m2=access("two"))
    assert found.of("m1") is found.of(None) is not found.of("m2")
    assert found.of("m1").context is found.of("m2").context is not None


def test_no_repr_shows_a_password() -> None:
    access = NodeAccess("user", "s3cret")
    watcher = Watcher(["127.0.0.1:1"], node_access={"m1": access})
    for shown in (access, Dialler.opened_by(access, None, "the nodes"), {"m1": access}, watcher):
        assert "s3cret" not in repr(shown)
    assert NodeAccess("user", "other") != access


def test_invalid_access_is_refused_and_not_shown() -> None:
    for kind in (Watcher, SyncWatcher):
        with pytest.raises(UsageError, match=r"node_access of 'm1' must be a NodeAccess, not a tuple") as caught:
            kind(["127.0.0.1:1"], node_access={"m1": ("user", "s3cret")})
        assert "s3cret" not in str(caught.value)


def test_certificate_of_a_master_that_is_missing_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"CA file .*absent\.pem cannot be read"):
        diallers(m1=NodeAccess(tls=Tls(ca_file=tmp_path / "absent.pem")))
