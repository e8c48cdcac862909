"""
`agreed_address`, and the verb that asks by it, beside scripted Sentinels on loopback: it gives an address only where
most agree and none says anything else.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import hiredis
import pytest
from click.testing import CliRunner

from switchmaster.cli.group import cli
from switchmaster.cli.verbs import master as verbs_master
from switchmaster.link.greeting import Credentials
from switchmaster.model import Address
from switchmaster.net.agreed_address import agreed_address

HERE, THERE = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
LIMIT = 30.0
NOBODY = Credentials()
Answers = Callable[[list[bytes]], bytes]


def bulk(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


def naming(host: str, port: int, password: str = "") -> Answers:
    """Return what a Sentinel answers that gives this address, to those who know its password if it has one."""
    known = not password

    def answer(words: list[bytes]) -> bytes:
        nonlocal known
        if words[0] == b"AUTH":
            known = words[-1].decode() == password
            return b"+OK\r\n" if known else b"-WRONGPASS invalid username-password pair\r\n"
        if not known:
            return b"-NOAUTH Authentication required.\r\n"
        if words[1] == b"GET-MASTER-ADDR-BY-NAME":
            return bulk(host, str(port)) if words[2] == b"mymaster" else b"*-1\r\n"
        if words[1] == b"REPLICAS":
            return b"*0\r\n"
        return b"-NOPERM this user has no permissions to run the 'sentinel|master' command\r\n"

    return answer


def refusing(words: list[bytes]) -> bytes:
    return b"-NOPERM no\r\n"


def mute(words: list[bytes]) -> bytes:
    return b""


def ending(words: list[bytes]) -> bytes:
    raise ConnectionError


def serve(opened: socket.socket, answers: Answers) -> None:
    reader = hiredis.Reader()
    with opened:
        try:
            while data := opened.recv(65_536):
                reader.feed(data)
                while (words := reader.gets()) is not False:
                    for byte in answers(words):
                        opened.sendall(bytes([byte]))  # however it is cut
        except OSError:
            return


@contextmanager
def sentinel(answers: Answers) -> Iterator[Address]:
    """Run one until the block ends; its connections end with their peers."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                opened, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(opened, answers)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield Address(*listener.getsockname())
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(LIMIT)
        for thread in threads:
            thread.join(LIMIT)


@contextmanager
def sentinels(*answers: Answers) -> Iterator[list[Address]]:
    with ExitStack() as stack:
        yield [stack.enter_context(sentinel(each)) for each in answers]


def away() -> Address:
    """Return an address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Address(*listener.getsockname())


def test_all_agree() -> None:
    with sentinels(naming(*HERE), naming(*HERE), naming(*HERE)) as places:
        assert agreed_address("mymaster", places, NOBODY, LIMIT, LIMIT) == HERE


@pytest.mark.parametrize("other", [mute, ending], ids=["mute", "ending"])
def test_one_that_says_nothing_leaves_a_majority(other: Answers) -> None:
    with sentinels(other, naming(*HERE), naming(*HERE)) as places:
        assert agreed_address("mymaster", places, NOBODY, LIMIT, 0.2) == HERE


def test_one_that_is_away_leaves_a_majority() -> None:
    with sentinels(naming(*HERE), naming(*HERE)) as places:
        assert agreed_address("mymaster", [away(), *places], NOBODY, LIMIT, LIMIT) == HERE


@pytest.mark.parametrize("other", [naming(*THERE), refusing, naming(*HERE, "pass")], ids=["other", "NOPERM", "NOAUTH"])
def test_any_other_word_is_no_agreement(other: Answers) -> None:
    with sentinels(naming(*HERE), naming(*HERE), other) as places:
        assert agreed_address("mymaster", places, NOBODY, LIMIT, LIMIT) is None


def test_half_is_no_majority() -> None:
    with sentinels(naming(*HERE)) as places:
        assert agreed_address("mymaster", [*places, away()], NOBODY, LIMIT, LIMIT) is None
        # Named twice it is still one.
        assert agreed_address("mymaster", [*places, *places, away()], NOBODY, LIMIT, LIMIT) is None


def test_master_that_they_do_not_monitor_is_no_agreement() -> None:
    with sentinels(naming(*HERE), naming(*HERE)) as places:
        assert agreed_address("none", places, NOBODY, LIMIT, LIMIT) is None


def test_silence_ends_with_the_time_that_is_given() -> None:
    with sentinels(mute, mute) as places:
        assert agreed_address("mymaster", places, NOBODY, 0.1, LIMIT) is None


def test_names_are_left_to_who_can_resolve_them_meanwhile() -> None:
    with sentinels(naming(*HERE)) as [place]:
        assert agreed_address("mymaster", [Address("localhost", place.port)], NOBODY, LIMIT, LIMIT) is None


def test_password_is_sent_to_all() -> None:
    with sentinels(naming(*HERE, "s3cret"), naming(*HERE, "s3cret")) as places:
        assert agreed_address("mymaster", places, Credentials("ann", "s3cret"), LIMIT, LIMIT) == HERE
        assert agreed_address("mymaster", places, Credentials("ann", "wrong"), LIMIT, LIMIT) is None


def test_verb_prints_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs_master, "QUICK_SECONDS", LIMIT)
    with sentinels(naming(*HERE), naming(*HERE)) as places:
        words = ["master", "mymaster", *map(str, places), "--timeout", "30"]
        done = CliRunner().invoke(cli, words, env={"SWITCHMASTER_CONFIG": None})
    assert (done.exit_code, done.stdout, done.stderr) == (0, "10.0.0.1:6379\n", "")
