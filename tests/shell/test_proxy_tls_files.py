"""The TLS files of the proxy: copied under the name of their content, checked first, and kept when a new one is bad."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from switchmaster.errors import UsageError
from switchmaster.lab.certificates import Certificates, make_certificates
from switchmaster.net.dial import Tls
from switchmaster.proxy import tls_files
from switchmaster.proxy.tls_files import TlsFiles, check_node_tls


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    pytest.importorskip("trustme")
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_certificate_and_key_become_one_file_that_only_we_can_read(tmp_path: Path, certificates: Certificates) -> None:
    tls = Tls(certificates.ca, certificates.client, certificates.client_key, "redis.example")
    found = TlsFiles(tmp_path).for_nodes(tls)
    assert found is not None
    assert found.server_name == "redis.example"
    assert found.ca is not None
    assert found.cert is not None
    assert found.ca.parent == found.cert.parent == tmp_path
    assert found.cert.stat().st_mode & 0o777 == 0o600
    assert b"CERTIFICATE" in found.cert.read_bytes()
    assert b"PRIVATE KEY" in found.cert.read_bytes()
    assert TlsFiles(tmp_path).for_nodes(None) is None
    trusting = TlsFiles(tmp_path).for_nodes(Tls(verify=False))
    assert trusting is not None
    assert trusting.server_name is None


def test_renewed_file_has_another_name_and_a_bad_one_changes_nothing(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tls_files, "KEPT_SECONDS", 0.0)
    cert, key, files = tmp_path / "cert.pem", tmp_path / "key.pem", TlsFiles(tmp_path)
    cert.write_bytes(certificates.server.read_bytes())
    key.write_bytes(certificates.server_key.read_bytes())
    first = files.for_clients(str(cert), str(key), str(certificates.ca))
    assert first is not None
    cert.write_bytes(certificates.client.read_bytes())  # its key comes a moment later
    assert files.for_clients(str(cert), str(key), str(certificates.ca)) == first
    assert "keeps its copy" in caplog.text
    key.write_bytes(certificates.client_key.read_bytes())
    renewed = files.for_clients(str(cert), str(key), str(certificates.ca))
    assert renewed is not None
    assert (renewed.cert != first.cert, renewed.client_ca) == (True, first.client_ca)
    files.forget_others()
    assert set(tmp_path.glob("tls-*")) == {renewed.cert, renewed.client_ca}


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_file_that_is_none_is_refused_in_a_sentence(
    tmp_path: Path, certificates: Certificates, text: str | None
) -> None:
    file = tmp_path / "file.pem"
    if text is not None:
        file.write_text(text)
    for tls in (Tls(file, server_name="x.y"), Tls(certificates.ca, file, certificates.client_key, "x.y")):
        with pytest.raises(UsageError, match=r"file\.pem"):
            TlsFiles(tmp_path).for_nodes(tls)
    assert not list(tmp_path.glob("tls-next"))


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls(), "a DNS name that the certificates of all nodes have"),
        (Tls(server_name="10.0.0.1"), "is no DNS name"),
        (Tls(server_name="::1"), "is no DNS name"),
        (Tls(server_name="a b"), "is no DNS name"),
        (Tls(server_name="a) verify none #"), "is no DNS name"),
        (Tls(server_name="a\nserver x"), "is no DNS name"),
        (Tls(server_name="a" * 254), "is no DNS name"),
        (ssl.create_default_context(), "as files"),
    ],
)
def test_what_haproxy_can_not_check_is_refused(tls: Tls | ssl.SSLContext, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_node_tls(tls)
    check_node_tls(None)
    check_node_tls(Tls(verify=False))
    check_node_tls(Tls(server_name="nodes.redis_1.example"))
