"""
SENTINEL and what follows it: answers from what clients are told, refusals in a Sentinel's own words.

Each function takes the view of the client that asks, the words after the subcommand and monotonic seconds, and returns
a reply. The relay votes for no leader and changes nothing: what would is refused as for a user without that right.
Source: sentinelCommand() in sentinel.c; wordings of Redis 7.0 and later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from .channel_glob import matches_glob
from .relay_state import ClientView
from .resp_writer import NULL_ARRAY, ErrorReply, ReplyValue, StatusReply
from .sentinel_rows import master_row, quorum_words, replica_row, sentinel_row

__all__ = ["answer_sentinel"]

Subcommand: TypeAlias = Callable[[ClientView, list[str], float], ReplyValue]

_NO_SUCH_MASTER: Final = ErrorReply("ERR No such master with that name")
_NOT_INTEGER: Final = ErrorReply("ERR value is not an integer or out of range")


def answer_sentinel(view: ClientView, words: list[str], now: float) -> ReplyValue:
    """
    Answer SENTINEL.

    Args:
        view: of the client.
        words: the command, from ``SENTINEL`` on.
        now: monotonic seconds.
    """
    name = words[1].lower()
    if name in _REFUSED:
        return ErrorReply(f"NOPERM this user has no permissions to run the 'sentinel|{name}' command")
    found = _SUBCOMMANDS.get(name)
    if found is None:
        return ErrorReply(f"ERR unknown subcommand '{words[1][:128]}'. Try SENTINEL HELP.")
    arity, answer = found
    if len(words) != arity if arity > 0 else len(words) < -arity:
        return ErrorReply(f"ERR wrong number of arguments for 'sentinel|{name}' command")
    return answer(view, words[2:], now)


def _address(view: ClientView, words: list[str], now: float) -> ReplyValue:
    address = view.state.masters.address(words[0])
    if address is None:
        return NULL_ARRAY
    address = view.translate(address)
    return [address.host, str(address.port)]


def _masters(view: ClientView, words: list[str], now: float) -> ReplyValue:
    masters = view.state.masters
    told = (masters.master(name) for name in masters.names())
    return [master_row(master, view, now) for master in told if master is not None]


def _master(view: ClientView, words: list[str], now: float) -> ReplyValue:
    master = view.state.masters.master(words[0])
    return _NO_SUCH_MASTER if master is None else master_row(master, view, now)


def _replicas(view: ClientView, words: list[str], now: float) -> ReplyValue:
    master = view.state.masters.master(words[0])
    if master is None:
        return _NO_SUCH_MASTER
    return [replica_row(replica, master, view, now) for replica in master.replicas]


def _sentinels(view: ClientView, words: list[str], now: float) -> ReplyValue:
    master = view.state.masters.master(words[0])
    if master is None:
        return _NO_SUCH_MASTER
    down_after = master.answer.reply.down_after_ms if master.answer is not None else 30_000
    return [sentinel_row(peer, view, down_after) for peer in view.state.peers]


def _ckquorum(view: ClientView, words: list[str], now: float) -> ReplyValue:
    master = view.state.masters.master(words[0])
    if master is None:
        return _NO_SUCH_MASTER
    possible, sentence = quorum_words(master)
    return StatusReply(f"OK {sentence}") if possible else ErrorReply(f"NOQUORUM {sentence}")


def _myid(view: ClientView, words: list[str], now: float) -> ReplyValue:
    return view.state.identity


def _is_master_down(view: ClientView, words: list[str], now: float) -> ReplyValue:
    """Answer whether a master is down. The relay votes for nobody, whatever run id asks: ``*``, at epoch 0."""
    host, port, epoch, _ = words
    if not all(_is_integer(word) for word in (port, epoch)):
        return _NOT_INTEGER
    masters = view.state.masters
    down = False
    for name in masters.names():
        master = masters.master(name)
        if master is not None and master.address is not None and master.down_since is not None:
            down |= view.translate(master.address) == (host, int(port))
    return [int(down), "*", 0]


def _info_cache(view: ClientView, words: list[str], now: float) -> ReplyValue:
    """Answer INFO-CACHE with the shape of a Sentinel that has not had INFO of any node yet: the relay asks for none."""
    answer: list[ReplyValue] = []
    for name in words:
        master = view.state.masters.master(name)
        if master is not None:
            answer += [name, [[0, None]] * (1 + len(master.replicas))]
    return answer


def _config(view: ClientView, words: list[str], now: float) -> ReplyValue:
    action = words[0].lower()
    if action == "set":
        return ErrorReply("NOPERM this user has no permissions to run the 'sentinel|config|set' command")
    if action != "get":
        return ErrorReply("ERR Only SENTINEL CONFIG GET <param> / SET <param> <value> are supported.")
    patterns = [word.lower().encode("utf-8", "surrogateescape") for word in words[1:]]
    if not patterns:
        return ErrorReply("ERR wrong number of arguments for 'sentinel|config' command")
    return {key: value for key, value in _CONFIG.items() if any(matches_glob(one, key.encode()) for one in patterns)}


def _help(view: ClientView, words: list[str], now: float) -> ReplyValue:
    lines = ["SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for line, text in _HELP:
        lines += [line, f"    {text}"]
    return [StatusReply(line) for line in lines]


def _is_integer(word: str) -> bool:
    digits = word.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


_CONFIG: Final = {
    "resolve-hostnames": "no",
    "announce-hostnames": "no",
    "announce-ip": "",
    "announce-port": "0",
    "sentinel-user": "",
    "sentinel-pass": "",
}

_SUBCOMMANDS: Final[dict[str, tuple[int, Subcommand]]] = {
    "get-master-addr-by-name": (3, _address),
    "get-primary-addr-by-name": (3, _address),
    "masters": (2, _masters),
    "primaries": (2, _masters),
    "master": (3, _master),
    "primary": (3, _master),
    "replicas": (3, _replicas),
    "slaves": (3, _replicas),
    "sentinels": (3, _sentinels),
    "ckquorum": (3, _ckquorum),
    "myid": (2, _myid),
    "is-master-down-by-addr": (6, _is_master_down),
    "is-primary-down-by-addr": (6, _is_master_down),
    "info-cache": (-3, _info_cache),
    "config": (-3, _config),
    "help": (2, _help),
}
"""By name: the number of words from SENTINEL on (negative: at least), and what answers. PRIMARY is Valkey's word."""

_REFUSED: Final = frozenset(
    {"debug", "failover", "flushconfig", "monitor", "pending-scripts", "remove", "reset", "set", "simulate-failure"}
)
"""What changes a Sentinel: refused as for a user who may only read."""

_HELP: Final = (
    ("CKQUORUM <master-name>", "Check if the Sentinels can reach the quorum and the majority for a failover."),
    ("CONFIG GET <param>", "Get global Sentinel configuration parameter."),
    ("GET-MASTER-ADDR-BY-NAME <master-name>", "Return the ip and port number of the master with that name."),
    ("INFO-CACHE <master-name>", "Return the shape of INFO of the master and its replicas; this relay keeps none."),
    ("IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>", "Check if most Sentinels say that it is down."),
    ("MASTER <master-name>", "Show the state and info of the specified master."),
    ("MASTERS", "Show a list of monitored masters and their state."),
    ("MYID", "Return the ID of this relay."),
    ("REPLICAS <master-name>", "Show a list of replicas for this master and their state."),
    ("SENTINELS <master-name>", "Show the other relays."),
    ("HELP", "Print this help."),
)
