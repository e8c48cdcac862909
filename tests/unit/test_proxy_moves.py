"""What HAProxy is told, from what it has and what it should have; a small HAProxy carries the commands out."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from switchmaster.model import Address
from switchmaster.net.haproxy_runtime import ServerMode, ServerRow
from switchmaster.proxy.haproxy_config import names_of
from switchmaster.proxy.moves import Rows, Wanted, commands_between, fits

NAMES = names_of("mymaster")
A, B, C = (Address(f"10.0.0.{number}", 6379) for number in (1, 2, 3))
NOWHERE = Address("192.0.2.1", 1)


def rows(at: Address = A, mode: ServerMode = ServerMode.READY) -> dict[tuple[str, str], ServerRow]:
    found = [
        ServerRow(NAMES.believed, "slot", at, True, mode),
        ServerRow(NAMES.believed, "wall", None, True, ServerMode.READY),
    ]
    for backend, prefix, nodes in ((NAMES.classic, "c", (A, B, C)), (NAMES.reads, "s", (B, C))):
        for number in range(1, 6):
            place = nodes[number - 1] if number <= len(nodes) else NOWHERE
            state = ServerMode.READY if number <= len(nodes) else ServerMode.MAINT
            found.append(ServerRow(backend, f"{prefix}{number}", place, True, state))
    return {(row.backend, row.server): row for row in found}


def carried_out(have: Rows, commands: tuple[str, ...]) -> dict[tuple[str, str], ServerRow]:
    after = dict(have)
    for command in commands:
        words = command.split()
        if words[0] == "shutdown":
            continue
        backend, _, server = words[2].partition("/")
        row = after[backend, server]
        if words[3] == "addr":
            # A server that takes connections never moves under them.
            assert row.mode is ServerMode.MAINT
            row = replace(row, address=Address(words[4], int(words[6])))
        elif words[3] == "state":
            row = replace(row, mode=ServerMode(words[4]))
        after[backend, server] = row
    return after


EVERYTHING = Wanted(A, False, (A, B, C), (B, C))


def test_what_fits_needs_no_command() -> None:
    assert commands_between(rows(), EVERYTHING, NAMES) == ()
    assert fits(rows(), EVERYTHING, NAMES)


def test_a_move_ends_old_sessions_before_the_address_changes_and_then_opens() -> None:
    wanted = Wanted(B, False, (A, B, C), (C,))
    assert commands_between(rows(), wanted, NAMES)[:5] == (
        "set server b-n-mymaster/slot state maint",
        "shutdown sessions server b-n-mymaster/slot",
        "set server b-n-mymaster/slot addr 10.0.0.2 port 6379",
        "set server b-n-mymaster/slot state ready",
        "set server b-n-mymaster/slot health up",
    )


def test_a_move_ends_the_sessions_that_haproxy_opened_itself_on_other_nodes() -> None:
    commands = commands_between(rows(), Wanted(B, False, (A, B, C), (C,)), NAMES)
    assert "shutdown sessions server c-n-mymaster/c1" in commands
    assert "shutdown sessions server c-n-mymaster/c3" in commands
    assert "shutdown sessions server c-n-mymaster/c2" not in commands


def test_the_promoted_replica_is_no_longer_read_from_as_a_replica() -> None:
    commands = commands_between(rows(), Wanted(B, False, (A, B, C), (C,)), NAMES)
    assert "set server s-n-mymaster/s1 state maint" in commands
    assert "shutdown sessions server s-n-mymaster/s1" in commands


def test_a_hold_ends_sessions_and_lets_new_ones_wait() -> None:
    commands = commands_between(rows(), replace(EVERYTHING, held=True), NAMES)
    assert commands[:2] == (
        "set server b-n-mymaster/slot state maint",
        "shutdown sessions server b-n-mymaster/slot",
    )
    assert not [command for command in commands if "wall" in command]
    assert not [command for command in commands if "state ready" in command]


def test_where_nothing_is_believed_nothing_waits_and_nothing_is_served() -> None:
    after = carried_out(rows(), commands_between(rows(), Wanted(), NAMES))
    assert after[NAMES.believed, "slot"].mode is ServerMode.MAINT
    assert after[NAMES.believed, "wall"].mode is ServerMode.MAINT


def test_more_nodes_than_servers_leave_the_rest_out() -> None:
    many = tuple(Address("10.0.1.1", port) for port in range(1, 20))
    after = carried_out(rows(), commands_between(rows(), Wanted(many[0], False, many, many[1:]), NAMES))
    assert sum(row.address in many for row in after.values()) == 1 + 5 + 5


@pytest.mark.parametrize("at", [None, A, B, C])
@pytest.mark.parametrize("held", [True, False])
def test_the_commands_bring_it_from_anywhere_to_what_is_wanted_at_once(at: Address | None, held: bool) -> None:
    nodes = ((), (A, B, C), (C, B), (Address("10.0.0.9", 6379), A))
    for had, mode, of_all, of_reads in product((A, C, NOWHERE), ServerMode, nodes, nodes):
        wanted = Wanted(at, held, of_all, of_reads)
        have = rows(had, mode)
        after = carried_out(have, commands_between(have, wanted, NAMES))
        assert fits(after, wanted, NAMES), (have, wanted)
        assert (after[NAMES.believed, "slot"].mode is ServerMode.READY) == wanted.served
        if at is not None:
            assert after[NAMES.believed, "slot"].address == at
        for backend, expected in ((NAMES.classic, of_all), (NAMES.reads, of_reads)):
            ready = [row for row in after.values() if row.backend == backend and row.mode is ServerMode.READY]
            assert {row.address for row in ready} == set(expected)
