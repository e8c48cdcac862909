"""The daemon as a service: notifications to systemd, signals, reloads that keep unchanged deployments, logs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import find_or_skip
from switchmaster.journal import FailoverFilter, open_reader
from switchmaster.lab import Lab
from switchmaster.lab.ports import free_ports

pytestmark = pytest.mark.live

LIMIT = 60.0
FILE = """
[deployments.{first}]
sentinels = ["{one}"]
discover = false
[deployments.second]
sentinels = ["{two}"]
discover = false
timeout = {timeout}
[journal]
url = "sqlite:///{folder}/journal.db"
keep_events = "{keep}"
{more}
"""


class Service:
    """A daemon over one lab by a file with two deployments, each with one Sentinel of its own."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.file = folder / "switchmaster.toml"
        self.configure()
        self.daemon = Daemon(folder / "d", "--config", str(self.file), WATCHDOG_USEC="600000")

    def configure(self, timeout: float = 1.0, keep: str = "30d", first: str = "first", more: str = "") -> None:
        one, two = (f"{host}:{port}" for host, port in self.lab.sentinel_addresses[:2])
        self.file.write_text(
            FILE.format(one=one, two=two, folder=self.folder, timeout=timeout, keep=keep, first=first, more=more),
            "utf-8",
        )

    def reload(self, count: int) -> None:
        self.daemon.signal(signal.SIGHUP)
        eventually(lambda: len(self.daemon.lines(logger="switchmaster.watch")) >= count, LIMIT)

    def clients(self, sentinel: int) -> set[str]:
        """Return the ids of our connections at a Sentinel."""
        rows = self.lab.sentinel_command(sentinel, "CLIENT", "LIST").splitlines()
        ours = [row for row in rows if "name=switchmaster" in row]
        return {row.split()[0] for row in ours}

    def beliefs(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.daemon.out.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    find_or_skip(None)
    with Lab(down_after_ms=500) as lab:
        yield lab


@pytest.fixture
def service(lab: Lab, tmp_path: Path) -> Iterator[Service]:
    service = Service(lab, tmp_path)
    with service.daemon:
        yield service


def test_service_is_ready_alive_reloaded_and_stopped_as_systemd_wants(service: Service) -> None:
    daemon = service.daemon
    eventually(lambda: daemon.told("STATUS=hearing 2 of 2 deployments, 2 masters"), LIMIT)
    eventually(lambda: daemon.told("WATCHDOG=1"), LIMIT)
    assert not daemon.told("RELOADING=1")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("reloaded; new connections for: no deployment")
    assert daemon.told("RELOADING=1")
    assert daemon.stop() == -signal.SIGTERM
    assert daemon.told("STOPPING=1")
    reader = open_reader(f"sqlite:///{service.folder}/journal.db")
    texts = [line["text"] for _, line in reader.entries(types=("daemon",))]
    assert texts == ["started, watching first, second", "reloaded; new connections for: no deployment", "stopped"]
    assert reader.observers()[0]["ended"] is not None
    reader.close()


def test_reload_keeps_the_connections_of_unchanged_deployments(service: Service) -> None:
    first, second = (eventually(lambda n=n: service.clients(n), LIMIT) for n in (0, 1))
    service.configure(timeout=0.5)
    service.daemon.signal(signal.SIGHUP)
    service.daemon.wait_for("reloaded; new connections for: second")
    eventually(lambda: service.clients(1) and not service.clients(1) & second, LIMIT)
    assert service.clients(0) == first
    service.configure(timeout=0.5, first="renamed")
    service.daemon.signal(signal.SIGHUP)
    service.daemon.wait_for("reloaded; new connections for: renamed")
    eventually(lambda: service.clients(0) and not service.clients(0) & first, LIMIT)


def test_reload_moves_the_relay_and_keeps_the_connections_to_sentinels(service: Service) -> None:
    ports = free_ports(2)
    before = eventually(lambda: service.clients(1), LIMIT)
    master = service.lab.master()

    def ask(port: int) -> list[str]:
        with redis.Redis("127.0.0.1", port, decode_responses=True, socket_timeout=LIMIT) as client:
            return client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")  # type: ignore[no-any-return]

    for port in ports:
        service.configure(more=f'[deployments.second.relay]\nlisten = "127.0.0.1:{port}"')
        service.daemon.signal(signal.SIGHUP)
        eventually(lambda port=port: ask(port) == [master.host, str(master.port)], LIMIT)
    with pytest.raises(redis.ConnectionError):
        ask(ports[0])
    assert service.clients(1) == before
    service.configure(more='[deployments.second.relay]\nlisten = "0.0.0.0:1"')
    service.daemon.signal(signal.SIGHUP)
    service.daemon.wait_for("without a password")
    assert ask(ports[1])


def test_failovers_before_and_after_a_reload_are_two(service: Service) -> None:
    reader = open_reader(f"sqlite:///{service.folder}/journal.db")

    def told(count: int) -> bool:
        return len(reader.failovers(FailoverFilter(deployment="second", outcome="completed")).items) == count

    def epochs() -> list[int]:
        return [line["epoch"] for line in reader.switches(deployment="second").items]

    eventually(lambda: len(reader.masters()) == 2, LIMIT)
    old = service.lab.master("mymaster")
    service.lab.failover("mymaster")
    eventually(lambda: told(1), LIMIT)
    make_ready(service.lab, old)
    service.configure(timeout=0.7)
    service.daemon.signal(signal.SIGHUP)
    service.daemon.wait_for("reloaded; new connections for: second")
    eventually(lambda: service.clients(1), LIMIT)
    service.lab.failover("mymaster")
    eventually(lambda: told(2), LIMIT)
    # A Sentinel may report the promotion before the node does: then the record is completed before the switch.
    eventually(lambda: len(epochs()) == 2, LIMIT, what="two switches")
    assert epochs() == sorted(set(epochs()), reverse=True)
    reader.close()


def test_reload_of_an_invalid_file_is_reported_and_changes_nothing(service: Service) -> None:
    before = eventually(lambda: service.clients(0), LIMIT)
    service.configure(timeout=-1)
    service.daemon.signal(signal.SIGHUP)
    said = service.daemon.wait_for("the configuration was not reloaded")
    assert "line 8: deployments.second.timeout must be a number of seconds" in said["message"]
    assert said["level"] == "error"
    assert service.clients(0) == before


def test_belief_is_printed_at_sigusr1(service: Service) -> None:
    eventually(lambda: service.daemon.told("STATUS=hearing 2 of 2 deployments, 2 masters"), LIMIT)
    service.daemon.signal(signal.SIGUSR1)
    found = eventually(lambda: len(service.beliefs()) == 2 and service.beliefs(), LIMIT)
    assert [one["deployment"] for one in found] == ["first", "second"]
    master = service.lab.master("mymaster")
    for one in found:
        [state] = one["masters"]
        assert state["address"] == {"host": master.host, "port": master.port}


def test_every_line_about_a_failover_has_its_id(service: Service) -> None:
    eventually(lambda: service.daemon.told("STATUS=hearing 2 of 2 deployments, 2 masters"), LIMIT)
    service.lab.failover("mymaster")
    service.daemon.wait_for("failover completed", deployment="first")
    # It does not hear the leader, so it does not hear the end of the failover.
    service.daemon.wait_for("mymaster: switched", deployment="second")
    reader = open_reader(f"sqlite:///{service.folder}/journal.db")
    for name in ("first", "second"):
        lines = service.daemon.lines(deployment=name)
        [id] = {line["failover"] for line in lines if "says that it is a master too" not in line["message"]}
        found = reader.failover(id)
        assert found is not None
        assert found["deployment"] == name
    reader.close()


def test_service_ends_by_the_signal_that_it_got(service: Service) -> None:
    service.daemon.signal(signal.SIGINT)
    assert service.daemon.process is not None
    assert service.daemon.process.wait(LIMIT) == -signal.SIGINT
    assert "Traceback" not in service.daemon.log.read_text("utf-8")
