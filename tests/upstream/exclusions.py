"""
Which of redis-py's tests must fail through a Sentinel, or may, and why.

Each is run and expected to fail, so that a test that passes does not stay here; except for `NOT_RUN`. Tests that fail
through redis-py's own Sentinel too are in `ANY`; only through redis-py's, in `THEIRS`; only through ours, in `OURS`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["exclusions_for"]

_COMMANDS = "tests/test_commands.py::TestRedisCommands::"
_ASYNC_COMMANDS = "tests/test_asyncio/test_commands.py::TestRedisCommands::"
_SENTINEL, _ASYNC_SENTINEL = "tests/test_sentinel.py::", "tests/test_asyncio/test_sentinel.py::"

_CATEGORIES = "server 7.0 leaves out of ACL GETUSER a rule that changes nothing (-@geo after -@all)"
_NO_MODULES = "server 7.0 refuses MODULE, unless its configuration allows it"
_TIMED = "it fails where ten waits of 50 ms take more than 125 ms together, as on a busy machine"
_AT_ONCE = (
    "tests/test_asyncio/test_connection_pool.py::TestConnectionPool::test_concurrent_connection_acquisition_performance"
)
_READ_ONLY = "a Sentinel's connection turns READONLY into a ConnectionError: its master is no longer one"

ANY: Final = {
    f"{_COMMANDS}test_acl_getuser_setuser": _CATEGORIES,
    f"{_ASYNC_COMMANDS}test_acl_getuser_setuser": _CATEGORIES,
    f"{_COMMANDS}test_xgroup_create_entriesread": "server 7.0 answers with a lag of -6",
    f"{_COMMANDS}test_module": _NO_MODULES,
    f"{_COMMANDS}test_module_loadex": _NO_MODULES,
    _AT_ONCE: _TIMED,
    "tests/test_connection_pool.py::TestConnection::test_read_only_error": _READ_ONLY,
    "tests/test_asyncio/test_connection_pool.py::TestConnection::test_read_only_error": _READ_ONLY,
}

_TWO_DENIALS = "server 7.0 has no CLIENT SETINFO, the third command that the test sees denied (with ours it is ROLE)"

THEIRS: Final = {
    f"{_COMMANDS}test_acl_log": _TWO_DENIALS,
    f"{_ASYNC_COMMANDS}test_acl_log": _TWO_DENIALS,
    f"{_COMMANDS}test_interrupted_command": "redis-py's managed connection stays open with the answer unread",
}

_STUB = "it stubs SENTINEL MASTERS, which ours does not ask"
_ASKS_A_STUB = (
    *("test_discover_master", "test_discover_master_sentinel_down", "test_discover_master_sentinel_timeout"),
    *("test_master_min_other_sentinels", "test_discover_slaves", "test_discover_replicas", "test_master_for"),
    *("test_slave_for", "test_replica_for", "test_slave_round_robin", "test_replica_round_robin"),
)
_POOL_STUB = "it stubs the connection's pool, of which ours takes more than get_master_address()"
_READ_STUB = "it replaces the base class's read_response(); of ours the first base is our own"
_READS = (
    "tests/test_sentinel_managed_connection.py::TestSentinelManagedConnectionReadResponseTimeout::test_read_response"
)

OURS: Final = {
    **{f"{_SENTINEL}{test}": _STUB for test in (*_ASKS_A_STUB, "test_dead_pool")},
    **{
        f"{_ASYNC_SENTINEL}{test}": _STUB
        for test in (*_ASKS_A_STUB, "test_repr_correctly_represents_connection_object")
    },
    f"{_SENTINEL}test_master_failover_reclaims_discarded_connection_slot": (
        "it stubs the Sentinel and sets the master's address in the pool, which ours derives"
    ),
    "tests/test_sentinel_managed_connection.py::test_connect_retry_on_timeout_error": _POOL_STUB,
    "tests/test_asyncio/test_sentinel_managed_connection.py::test_connect_retry_on_timeout_error": _POOL_STUB,
    **{
        f"{_READS}_{test}": _READ_STUB
        for test in (
            *("accepts_timeout_parameter", "timeout_default_is_sentinel", "timeout_none_passed_through"),
            "timeout_zero_passed_through",
        )
    },
}

_COMES_BACK = "a listener comes back by itself and raises nothing meanwhile, unless failover_wait is 0"

WAITING: Final = {
    f"tests/{folder}test_pubsub.py::{test}": _COMES_BACK
    for folder in ("", "test_asyncio/")
    for test in (
        "TestPubSubConnectionKilled::test_connection_error_raised_when_connection_dies",
        "TestPubSubAutoReconnect::test_reconnect_socket_error",
    )
}
"""Only through ours, and only if `failover_wait` is above 0."""

NOT_RUN: Final = {
    _AT_ONCE,
    *(
        f"tests/{folder}test_pubsub.py::TestPubSubAutoReconnect::test_reconnect_socket_error"
        for folder in ("", "test_asyncio/")
    ),
}
"""A timed one, and two that wait for the error until the timeout; the one with threads until pytest-timeout ends the
process."""


def exclusions_for(ours: bool, waits: bool) -> dict[str, tuple[str, bool]]:
    """
    Return by test id: why it must fail, and whether it can be run.

    Args:
        ours: through our Sentinel; else through redis-py's.
        waits: `failover_wait` is above 0.
    """
    chosen = ANY | (OURS if ours else THEIRS) | (WAITING if ours and waits else {})
    return {test: (reason, test not in NOT_RUN) for test, reason in chosen.items()}
