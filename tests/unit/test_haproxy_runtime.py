"""HAProxy's runtime API: hostile words reach no command, and its answers are read as what they are."""

from __future__ import annotations

import pytest

from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.net.haproxy_runtime import (
    HaproxyProcess,
    ServerMode,
    ServerRow,
    _lines,
    read_processes,
    read_servers,
    read_sessions,
    read_sessions_on,
    set_address,
    set_health_up,
    set_mode,
    shut_session,
    shut_sessions,
)

STATES = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
bk_f_forced_id srv_f_forced_id \
srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
4 b-m 1 slot 127.0.0.1 2 0 1 1 8 15 3 5 6 0 0 0 - 17002 - 0 0 - - 0
4 b-m 2 wall - 2 0 1 1 34 1 0 2 0 0 0 0 - 0 - 0 0 - - 0
4 c-m 1 c1 2001:db8::1 0 1 1 1 0 15 3 0 14 0 0 0 - 6379 - 0 0 - - 0
4 c-m 2 c2 10.0.0.2 2 8 1 1 0 15 3 0 14 0 0 0 - 6379 - 0 0 - - 0

"""
"""HAProxy 2.6.12 (Debian)."""
STAT = """# pxname,svname,qcur,qmax,scur,smax,
b-m,slot,0,0,3,4,
b-m,BACKEND,0,0,,4,

"""
SESSIONS = """0x561d834ffec0: proto=unix_stream src=unix:1 fe=o-m be=b-m srv=wall ts=00 epoch=0 age=2s calls=1
0x561d836152d0: proto=tcpv4 src=127.0.0.1:57524 fe=w-m be=b-m srv=slot ts=00 epoch=0 age=1s calls=4
0x7f03c8043910: proto=sockpair src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0 age=0s calls=1
0x7f03c803a6d0: proto=tcpv4 src=127.0.0.1:57566 fe=w-m be=b-m srv=slot ts=00 epoch=0 age=0s calls=2

"""
PROCESSES = """#<PID>          <type>          <reloads>       <uptime>        <version>
7455            master          1 [failed: 0]   0d00h00m13s     2.6.12-1+deb12u4
# workers
7999            worker          0               0d00h00m03s     2.6.12-1+deb12u4
# old workers
7462            worker          1               0d00h00m13s     2.6.12-1+deb12u4
# programs

"""


def test_commands_are_those_of_the_management_guide() -> None:
    assert set_address("be", "s1", Address("10.0.0.1", 6379)) == "set server be/s1 addr 10.0.0.1 port 6379"
    assert set_address("be", "s1", Address("2001:DB8::1", 1)) == "set server be/s1 addr 2001:db8::1 port 1"
    assert set_mode("be", "s1", ServerMode.MAINT) == "set server be/s1 state maint"
    assert set_health_up("be", "s1") == "set server be/s1 health up"
    assert shut_sessions("be", "s1") == "shutdown sessions server be/s1"


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a\nb", "a/b", "ä", "a" * 256, "a\\", "a\x00", "<<"])
def test_no_name_ends_a_command_or_begins_another(name: str) -> None:
    for make in (set_health_up, shut_sessions):
        with pytest.raises(UsageError):
            make(name, "s1")
        with pytest.raises(UsageError):
            make("be", name)


@pytest.mark.parametrize(
    "address",
    [
        Address("db1", 6379),
        Address("10.0.0.1;shutdown", 6379),
        Address("10.0.0.1 port 1", 1),
        Address("fe80::1%x;y", 1),
        Address("10.0.0.1", 0),
        Address("10.0.0.1", 65536),
    ],
)
def test_only_ip_addresses_become_words_of_a_command(address: Address) -> None:
    with pytest.raises(UsageError):
        set_address("be", "s1", address)


@pytest.mark.parametrize("command", ["show info;quit", "show\ninfo", "show <<", "show \\ info", "schön"])
def test_what_is_not_one_command_is_refused(command: str) -> None:
    with pytest.raises(UsageError):
        _lines("", (command,))


def test_each_command_to_a_master_names_its_worker_and_lines_fit_the_buffer() -> None:
    assert _lines("@1 ", ("a", "b")) == ["@1 a;@1 b"]
    many = _lines("@1 ", ("x" * 1000,) * 50)
    assert max(map(len, many)) < 16 * 1024
    assert sum(line.count("@1 ") for line in many) == 50


def test_servers_are_read_with_address_health_and_mode() -> None:
    assert read_servers(STATES) == (
        ServerRow("b-m", "slot", Address("127.0.0.1", 17002), True, ServerMode.READY),
        ServerRow("b-m", "wall", None, True, ServerMode.READY),
        ServerRow("c-m", "c1", Address("2001:db8::1", 6379), False, ServerMode.MAINT),
        ServerRow("c-m", "c2", Address("10.0.0.2", 6379), True, ServerMode.DRAIN),
    )


@pytest.mark.parametrize(
    "answer", ["", "Can't find backend.\n", "1\n", "1\n# be_name\nx\n", STATES.replace("17002", "x")]
)
def test_an_answer_that_is_no_state_is_an_error_and_not_an_empty_state(answer: str) -> None:
    with pytest.raises(UsageError):
        read_servers(answer)


VERSION = "2.6.12-1+deb12u4"


def test_sessions_and_processes_are_read() -> None:
    assert read_sessions(STAT) == {("b-m", "slot"): 3, ("b-m", "BACKEND"): 0}
    with pytest.raises(UsageError):
        read_sessions("Unknown command\n")
    assert read_processes(PROCESSES) == (
        HaproxyProcess(7455, "master", 1, VERSION),
        HaproxyProcess(7999, "worker", 0, VERSION),
        HaproxyProcess(7462, "worker", 1, VERSION),
    )
    assert read_processes("") == ()


def test_the_sessions_of_a_server_are_found_and_ended_one_by_one() -> None:
    found = read_sessions_on(SESSIONS, "b-m", "slot")
    assert found == ("0x561d836152d0", "0x7f03c803a6d0")
    assert shut_session(found[0]) == "shutdown session 0x561d836152d0"
    assert read_sessions_on("Unknown command\n", "b-m", "slot") == ()
    for wrong in ("", "0x", "0xAB", "0x1;quit", "all"):
        with pytest.raises(UsageError):
            shut_session(wrong)
