"""Why a node of TLS left is said also where it left before anything could be written."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from switchmaster.client.sockets import noticing

LIMIT = 10.0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def left(authority: trustme.CA) -> Iterator[ssl.SSLSocket]:
    """Yield a client's socket whose handshake has ended, and whose peer has left because it wants a certificate."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(theirs)
    ours = ssl.create_default_context()
    ours.minimum_version = ssl.TLSVersion.TLSv1_3
    authority.configure_trust(ours)
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        opened, _ = listener.accept()
        with opened, pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            theirs.wrap_socket(opened, server_side=True)

    peer = threading.Thread(target=refuse)
    peer.start()
    plain = socket.create_connection(listener.getsockname(), timeout=LIMIT)
    try:
        with ours.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
            peer.join(LIMIT)
            assert select.select([opened], [], [], LIMIT)[0]
            yield opened
    finally:
        listener.close()
        peer.join(LIMIT)


def write(opened: ssl.SSLSocket) -> None:
    """Write until it fails: the first bytes after a peer has left may still be taken."""
    for _ in range(1000):
        opened.sendall(b"PING\r\n")


def test_failed_write_says_what_the_peer_said_when_it_left(left: ssl.SSLSocket) -> None:
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        write(noticing(left))


def test_failed_write_alone_does_not_say_it(left: ssl.SSLSocket) -> None:
    with pytest.raises(OSError) as failure:  # noqa: PT011  # what it says is what is looked at
        write(left)
    assert "CERTIFICATE_REQUIRED" not in str(failure.value)


def test_peer_that_leaves_without_a_word_is_no_alert(authority: trustme.CA) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def leave() -> None:
            opened, _ = listener.accept()
            theirs.wrap_socket(opened, server_side=True).close()

        peer = threading.Thread(target=leave)
        peer.start()
        plain = socket.create_connection(listener.getsockname(), timeout=LIMIT)
        with ours.wrap_socket(plain, server_hostname="127.0.0.1") as opened:
            peer.join(LIMIT)
            with pytest.raises(OSError) as failure:  # noqa: PT011
                write(noticing(opened))
        assert isinstance(failure.value, ssl.SSLEOFError) or not isinstance(failure.value, ssl.SSLError)
