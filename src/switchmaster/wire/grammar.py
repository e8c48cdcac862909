"""
From one published message to one typed `Event`.

A channel and a payload come in as they came from the wire; an event of `events` goes out, or `Unrecognised`. It never
raises, whatever the peer sends, and it keeps no password: the text after ``auth-pass`` in ``+set`` is masked in every
field and is not cached.

Payloads have no escaping, and names and hosts may hold spaces. So everything is read from the right, and single spaces
separate (an empty ip is two spaces in a row). Source: sentinelEvent() in sentinel.c, Redis 6.2 to 8.2, Valkey 7.2 to
9.1. `_instance`, `_switch` and `_set` say what is ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias

from ..model import EPOCH_MAX, LIMITS, Address, RunId
from .events import (
    EVENTS,
    AddressSwitched,
    AddressUpdated,
    Configured,
    Event,
    Form,
    Instance,
    InstanceEvent,
    Kind,
    Monitored,
    NewEpoch,
    ObjectivelyDown,
    RoleChanged,
    ScriptEnded,
    SwitchedMaster,
    Tilt,
    Unrecognised,
    Voted,
)
from .resp import read_message

__all__ = ["CUT_AT", "MASK", "SET_OPTIONS", "forget_events", "parse_event", "parse_message"]

CUT_AT: Final = 1023
"""Bytes at which sentinelEvent() silently cuts a payload (LOG_MAX_LEN less the final NUL)."""

MASK: Final = "******"
"""The text in place of a password; Redis from 6.2.8 on publishes the same."""

SET_OPTIONS: Final = frozenset(
    {
        "auth-pass",
        "auth-user",
        "client-reconfig-script",
        "down-after-milliseconds",
        "failover-timeout",
        "master-reboot-down-after-period",
        "notification-script",
        "parallel-syncs",
        "primary-reboot-down-after-period",
        "quorum",
        "rename-command",
    }
)
"""The options of SENTINEL SET in lower case; the event shows them as they were typed. Source: sentinelSetCommand()."""

_Reading: TypeAlias = Callable[[str, str], Event | None]
"""Reads (channel, payload) of one form; returns None if the payload has another form."""

_KINDS: Final = {"master": Kind.MASTER, "slave": Kind.REPLICA, "sentinel": Kind.SENTINEL}
# As globals: reading a member from its class calls a function in Python 3.11.
_MASTER: Final = Kind.MASTER
_SET_FORM: Final = Form.SET


def parse_event(channel: object, payload: object) -> Event:
    """
    Read one published message.

    Args:
        channel: the channel, such as ``+sdown``: text, or bytes, which are decoded as UTF-8 with surrogateescape. A
            peer may send anything else in their place, which is no event.
        payload: the message, likewise.

    Returns:
        The typed event, or `Unrecognised` if the channel is unknown, the payload has another form than the channel's,
        or it may have been cut at 1023 bytes, so that its last token cannot be trusted. A longer payload, which no
        Sentinel sends, is cut to 1023 characters first.
    """
    name = channel if isinstance(channel, str) else _decoded(channel)
    text = payload if isinstance(payload, str) else _decoded(payload)
    if len(text) < CUT_AT and name in _CACHEABLE:
        return _parse_text_cached(name, text)
    # No Sentinel sends more; the bound keeps every reading below cheap, whatever a hostile peer sends.
    return _parse(name, text[:CUT_AT])


def parse_message(rest: bytes) -> Event | None:
    """
    Read one message as it stands on the wire; what another Sentinel has published before takes one look-up.

    Args:
        rest: the bytes of its frame after `resp.MESSAGE`, without the last line's end.

    Returns:
        What `parse_event` returns. None for what is not common: anything but one whole frame, a channel without a row
        in `EVENTS`, ``+set``, another form than the channel's. That is to be read by `resp.FrameReader`.
    """
    event = _KNOWN.get(rest)
    if event is not None:
        return event
    words = read_message(rest)
    channel = _CHANNELS.get(words[0]) if words is not None else None
    if words is None or channel is None:
        return None
    event = _parse(channel, words[1].decode("utf-8", "surrogateescape"))
    if type(event) is Unrecognised:
        return None
    if len(_KNOWN) >= _KNOWN_MOST:
        _KNOWN.clear()  # to find the oldest would cost more than reading again what is still published
    _KNOWN[rest] = event
    return event


def _decoded(value: object) -> str:
    # Anything else in a push frame is not the text of an event, and need not be printable.
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return f"({type(value).__name__})"


def _parse(channel: str, payload: str) -> Event:
    found = _READINGS.get(channel)
    if found is None:
        return _unrecognised(channel, payload, "no event of this name is known")
    form, reading = found
    if form is _SET_FORM:
        payload = _masked_option(payload)
    # In +set a cut can only touch free text; everywhere else it would change a port, a number or an id.
    elif _may_be_cut(payload):
        return _unrecognised(channel, payload, f"cut at {CUT_AT} bytes")
    event = reading(channel, payload)
    if event is not None:
        return event
    cut = form is _SET_FORM and _may_be_cut(payload)
    return _unrecognised(channel, payload, f"cut at {CUT_AT} bytes" if cut else f"expected: {form.value}")


_parse_text_cached = lru_cache(4096)(_parse)
# For files, which are read as text, and for RESP2.


def forget_events() -> None:
    """Forget what was read before, so that memory can be measured."""
    _KNOWN.clear()
    _parse_text_cached.cache_clear()


def _unrecognised(channel: str, payload: str, reason: str) -> Unrecognised:
    # A known event other than +set holds no option, so a name such as "bypass 1" stays readable.
    shown = payload if channel in _CACHEABLE else _masked_loosely(payload)
    return Unrecognised(channel[: LIMITS.payload_shown], shown[: LIMITS.payload_shown], reason)


# Tokens -------------------------------------------------------------------------------------------


def _may_be_cut(text: str) -> bool:
    # 255 characters are at most 1020 bytes. "replace" counts one byte for each escaped byte, and cannot raise.
    return len(text) > 255 and len(text.encode("utf-8", "replace")) >= CUT_AT


def _number(token: str, most: int = EPOCH_MAX) -> int | None:
    # isdigit() alone accepts other scripts' digits; the length keeps int() cheap.
    if token.isascii() and token.isdigit() and len(token) <= 19:
        number = int(token)
        if number <= most:
            return number
    return None


@lru_cache(1024)
def _short_port(token: str) -> int | None:
    return _number(token, 65535)  # a deployment has few ports


def _port(token: str) -> int | None:
    return _short_port(token) if len(token) <= 5 else None


@lru_cache(32_768)
def _short_address(host: str, port_token: str) -> Address | None:
    # A fleet's events name the same nodes again and again. At most 10 MB, and one value for each node.
    port = _number(port_token, 65535)
    return None if port is None else Address(host, port)


def _address(host: str, port_token: str) -> Address | None:
    if len(port_token) > 5:
        return None
    if len(host) <= 64:
        return _short_address(host, port_token)
    port = _short_port(port_token)
    return None if port is None else Address(host, port)


# Passwords ----------------------------------------------------------------------------------------

_PASS_OPTION: Final = re.compile(r"( [0-9]+ [^ ]*pass[^ ]* ).*", re.IGNORECASE | re.DOTALL)
_PASS_ANYWHERE: Final = re.compile(r"(pass\w*\W).*", re.IGNORECASE | re.DOTALL)


def _masked_option(payload: str) -> str:
    # Before any reading: a password that looks like "x 1.2.3.4 5 quorum 2" must not steer it. An option follows the
    # port, so a master named "pass through" keeps its name.
    if "pass" not in payload.lower():
        return payload
    return _PASS_OPTION.sub(rf"\g<1>{MASK}", payload, count=1)


def _masked_loosely(payload: str) -> str:
    # The form of this text is unknown: hiding too much is better than showing a password.
    return _PASS_ANYWHERE.sub(rf"\g<1>{MASK}", payload, count=1)


# Instances ----------------------------------------------------------------------------------------


def _instance(text: str) -> Instance | None:
    """
    Read the ``%@``.

    Ambiguous: whether a space before a master's ip belongs to its name or to its host (a master ``m`` on ``my host``
    reads as master ``m my`` on ``host``). The host is taken as one token, since names with spaces are more likely. A
    replica's host with spaces is not ambiguous, since it is written twice.
    """
    tokens = text.split(" ")
    kind = _KINDS.get(tokens[0])
    if kind is None:
        return None
    if kind is _MASTER:
        return _master_instance(tokens)
    if len(tokens) == 8 and tokens[4] == "@":
        address = _address(tokens[2], tokens[3])
        master_address = _address(tokens[6], tokens[7])
        if address is None or master_address is None:
            return None
        return Instance(kind, tokens[1], address, tokens[5], master_address)
    return _spaced_instance(kind, text[len(tokens[0]) + 1 :])


def _master_instance(tokens: list[str]) -> Instance | None:
    if len(tokens) < 4:
        return None
    address = _address(tokens[-2], tokens[-1])
    if address is None:
        return None
    name = " ".join(tokens[1:-2])
    return Instance(_MASTER, name, address, name, address)


def _spaced_instance(kind: Kind, text: str) -> Instance | None:
    # The separator itself may be part of a name. A replica whose name repeats its address settles which one it is;
    # otherwise the first one counts, since " @ " is more likely in a master's name than in a host.
    first: Instance | None = None
    for own, master, master_address in _sides(text):
        if kind is Kind.SENTINEL:
            read = _sentinel_own(own)
        else:
            read = _replica_own(own)
            if read is not None:
                return Instance(kind, *read, master, master_address)
            read = _plain_own(own)
        if read is not None and first is None:
            first = Instance(kind, *read, master, master_address)
    return first


def _sides(text: str) -> Iterator[tuple[str, str, Address]]:
    at = text.find(" @ ")
    while at >= 0:
        right = text[at + 3 :].rsplit(" ", 2)
        address = _address(right[1], right[2]) if len(right) == 3 else None
        if address is not None:
            yield text[:at], right[0], address
        at = text.find(" @ ", at + 1)


def _replica_own(text: str) -> tuple[str, Address] | None:
    # `ip:port ip port` or `[ip]:port ip port`: the port's length gives the ip's length, and the text checks itself.
    port_token = text.rpartition(" ")[2]
    port = _port(port_token)
    if port is None:
        return None
    for left, right in (("", ""), ("[", "]")):
        length = (len(text) - len(left) - len(right) - 2 * len(port_token) - 3) // 2
        if length < 0:
            continue
        host = text[len(left) : len(left) + length]
        name = f"{left}{host}{right}:{port_token}"
        if text == f"{name} {host} {port_token}":
            return name, Address(host, port)
    return None


def _sentinel_own(text: str) -> tuple[str, Address] | None:
    # A run id has no spaces, so everything between it and the port is the host.
    run_id, _, rest = text.partition(" ")
    host, space, port_token = rest.rpartition(" ")
    address = _address(host, port_token) if space else None
    return None if address is None else (run_id, address)


def _plain_own(text: str) -> tuple[str, Address] | None:
    # A replica with an older name: announce-hostnames was changed, or its host resolves to another address now.
    parts = text.rsplit(" ", 2)
    address = _address(parts[1], parts[2]) if len(parts) == 3 else None
    return None if address is None else (parts[0], address)


# One function for each form -----------------------------------------------------------------------


def _only_instance(channel: str, payload: str) -> Event | None:
    instance = _instance(payload)
    return None if instance is None else InstanceEvent(channel, payload, instance)


def _quorum(channel: str, payload: str) -> Event | None:
    left, mark, right = payload.rpartition(" #quorum ")
    counts = right.split("/")
    instance = _instance(left)
    if not mark or instance is None or len(counts) != 2:
        return None
    agreeing, quorum = _number(counts[0]), _number(counts[1])
    if agreeing is None or quorum is None:
        return None
    return ObjectivelyDown(channel, payload, instance, agreeing, quorum)


def _monitor(channel: str, payload: str) -> Event | None:
    left, mark, right = payload.rpartition(" quorum ")
    instance, quorum = _instance(left), _number(right)
    if not mark or instance is None or quorum is None:
        return None
    return Monitored(channel, payload, instance, quorum)


def _set(channel: str, payload: str) -> Event | None:
    """
    Read ``%@ option value…``; passwords are masked already.

    The first ``<port> <option>`` counts. Ambiguous: a master whose name holds just that.
    """
    tokens = payload.split(" ")
    for i in range(4, len(tokens) - 1):
        option = tokens[i].lower()
        if option in SET_OPTIONS and tokens[0] == "master":
            instance = _master_instance(tokens[:i])
            if instance is not None:
                return Configured(channel, payload, instance, option, " ".join(tokens[i + 1 :]))
    return None


def _role(channel: str, payload: str) -> Event | None:
    left, mark, word = payload.rpartition(" new reported role is ")
    instance, role = _instance(left), _KINDS.get(word)
    if not mark or instance is None or role is None or role is Kind.SENTINEL:
        return None
    return RoleChanged(channel, payload, instance, role)


def _address_switch(channel: str, payload: str) -> Event | None:
    rest, for_mark, run_id = payload.rpartition(" for ")
    rest, port_mark, port_token = rest.rpartition(" port ")
    left, ip_mark, host = rest.rpartition(" ip ")
    instance, address = _instance(left), _address(host, port_token)
    if not (for_mark and port_mark and ip_mark and run_id) or instance is None or address is None:
        return None
    return AddressSwitched(channel, payload, instance, address, RunId(run_id))


def _address_update(channel: str, payload: str) -> Event | None:
    suffix = " additional matching instances"
    left, space, count_token = payload.removesuffix(suffix).rpartition(" ")
    instance, count = _instance(left), _number(count_token)
    if not payload.endswith(suffix) or not space or instance is None or count is None:
        return None
    return AddressUpdated(channel, payload, instance, count)


def _switch(channel: str, payload: str) -> Event | None:
    """
    Read ``name oldip oldport newip newport``.

    The new host is the text between the new port and the nearest number on its left, which is the old port; the old
    host is one token, the name is the rest. Ambiguous: a space in the old host (its first words go to the name), and a
    new host with spaces and a number among its words except the last.
    """
    tokens = payload.split(" ")
    if len(tokens) == 5:  # no name and no host holds a space
        old, new = _address(tokens[1], tokens[2]), _address(tokens[3], tokens[4])
        return None if old is None or new is None else SwitchedMaster(channel, payload, tokens[0], old, new)
    if len(tokens) < 5:
        return None
    new_port = _port(tokens[-1])
    # The last word of the new host may be a number itself, so the search starts left of it.
    at = len(tokens) - 3
    while at >= 2 and (old_port := _port(tokens[at])) is None:
        at -= 1
    if new_port is None or at < 2 or old_port is None:
        return None
    old, new = Address(tokens[at - 1], old_port), Address(" ".join(tokens[at + 1 : -1]), new_port)
    return SwitchedMaster(channel, payload, " ".join(tokens[: at - 1]), old, new)


def _epoch(channel: str, payload: str) -> Event | None:
    epoch = _number(payload)
    return None if epoch is None else NewEpoch(channel, payload, epoch)


def _vote(channel: str, payload: str) -> Event | None:
    run_id, _, token = payload.rpartition(" ")
    epoch = _number(token)
    return None if epoch is None or not run_id else Voted(channel, payload, RunId(run_id), epoch)


def _tilt(channel: str, payload: str) -> Event | None:
    expected = "#tilt mode entered" if channel == "+tilt" else "#tilt mode exited"
    return Tilt(channel, payload) if payload == expected else None


def _script_error(channel: str, payload: str) -> Event | None:
    return _script(channel, payload, 2)


def _script_timeout(channel: str, payload: str) -> Event | None:
    return _script(channel, payload, 1)


def _script(channel: str, payload: str, count: int) -> Event | None:
    path, *tokens = payload.rsplit(" ", count)
    numbers = tuple(number for token in tokens if (number := _number(token)) is not None)
    return ScriptEnded(channel, payload, path, numbers) if len(numbers) == count and path else None


_BY_FORM: Final[dict[Form, _Reading]] = {
    Form.INSTANCE: _only_instance,
    Form.QUORUM: _quorum,
    Form.MONITOR: _monitor,
    Form.SET: _set,
    Form.ROLE: _role,
    Form.ADDRESS_SWITCH: _address_switch,
    Form.ADDRESS_UPDATE: _address_update,
    Form.SWITCH: _switch,
    Form.EPOCH: _epoch,
    Form.VOTE: _vote,
    Form.TILT: _tilt,
    Form.SCRIPT_ERROR: _script_error,
    Form.SCRIPT_TIMEOUT: _script_timeout,
}

_READINGS: Final = {spec.channel: (spec.form, _BY_FORM[spec.form]) for spec in EVENTS}
_CACHEABLE: Final = frozenset(spec.channel for spec in EVENTS if spec.form is not Form.SET)
"""All but ``+set``, whose payload may hold a password: it must not be kept, not even as a cache's key."""
_CHANNELS: Final = {channel.encode(): channel for channel in _CACHEABLE}
_KNOWN: Final[dict[bytes, Event]] = {}
"""Events by their messages' bytes: all Sentinels publish nearly the same."""
_KNOWN_MOST: Final = 8_192
"""Some 6 MB of what Sentinels send; 20 MB at most."""
