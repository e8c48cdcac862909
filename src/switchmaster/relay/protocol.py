"""
One client's conversation with the relay: its bytes in, the relay's bytes out.

The answers are a Sentinel's, for the commands that clients use and in its words for all others; source: the recorded
replies (tests/recorded/replies) and docs/topics/protocol.md, 3. QUIT, RESET and TIME, which only some Sentinels know,
are answered too.

`Conversation` has no socket and no clock. How the bytes are cut makes no difference. Nothing that a client sends
raises: a stream that can't be read is answered with a server's error and ends (`Conversation.ended`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..model import Moment
from ..wire.events import EVENTS
from .accounts import DEFAULT_USER
from .channel_glob import matches_glob
from .relay_state import ClientView
from .request_reader import RequestReader
from .resp_writer import OK, ErrorReply, ReplyValue, StatusReply, push_frame, write_reply
from .sentinel_commands import answer_sentinel
from .sentinel_rows import info_sections

__all__ = ["Conversation"]

SUBSCRIPTIONS_MAX: Final = 2048
"""Channels and patterns of one client: far more than there are channels."""
NAME_BYTES_MAX: Final = 1024
"""Bytes of a channel or a pattern."""
ANSWERS_BYTES: Final = 256 * 1024
"""Bytes of answers after which the next command waits: 64 kB of requests could ask for gigabytes."""
REMEMBERED_BYTES_MAX: Final = 2048
"""Bytes of requests for addresses whose answers are remembered, as they came together."""

_CHANNELS: Final = tuple(spec.channel.encode() for spec in EVENTS)
_WRONG_PASSWORD: Final = ErrorReply("WRONGPASS invalid username-password pair or user is disabled.")
_NO_AUTH: Final = ErrorReply("NOAUTH Authentication required.")
_HELLO_NO_AUTH: Final = ErrorReply(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time"
)
_NO_PASSWORD: Final = ErrorReply(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration "
    "is correct?"
)
_BAD_NAME: Final = ErrorReply("ERR Client names cannot contain spaces, newlines or special characters.")
_ADDRESS_QUESTIONS: Final = ("get-master-addr-by-name", "get-primary-addr-by-name")
_CONTAINERS: Final = ("acl", "client", "command", "sentinel")
_WHILE_SUBSCRIBED: Final = frozenset(
    {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ping", "quit", "reset"}
)
_FOR_STRANGERS: Final = frozenset({"auth", "hello", "quit", "reset"})


class _Nothing:
    """The reply has been written already."""


_NOTHING: Final = _Nothing()
_Command: TypeAlias = "Callable[[Conversation, list[str], Moment], ReplyValue]"


class Conversation:
    """
    The conversation with one client.

    Args:
        view: the relay as this client sees it.
        number: the client's number, for CLIENT ID.
        peer: where the client is, for CLIENT INFO.
        process_id: of the relay, for INFO.
    """

    __slots__ = (
        "_asked_for_address",
        "_channels",
        "_full",
        "_library",
        "_out",
        "_patterns",
        "_process_id",
        "_reader",
        "_size",
        "ended",
        "name",
        "number",
        "peer",
        "protocol",
        "user",
        "view",
    )

    def __init__(self, view: ClientView, number: int, peer: str = "", process_id: int = 0) -> None:
        self.view, self.number, self.peer = view, number, peer
        self._process_id = process_id
        self._reader = RequestReader()
        self._out: list[bytes] = []
        self._size = 0
        """The bytes of `_out`."""
        self._full = False
        self._asked_for_address = False
        """Whether the last command asked for a master's address, and was answered."""
        self._channels: dict[bytes, None] = {}
        self._patterns: dict[bytes, frozenset[bytes]] = {}
        """The channels that each pattern matches: all that are ever published are known."""
        self._library: dict[str, str] = {}
        self.protocol = 2
        self.name = ""
        self.user: str | None = None
        """The user; None until the client has authenticated."""
        self.ended = False
        """Whether the connection is to be closed once everything is written."""
        self._enter(DEFAULT_USER if view.state.accounts.open else None)

    @property
    def subscriptions(self) -> int:
        """How many channels and patterns it is subscribed to."""
        return len(self._channels) + len(self._patterns)

    @property
    def stranger(self) -> bool:
        """Whether it has yet to authenticate."""
        return self.user is None

    # -- bytes --------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, moment: Moment) -> bytes:
        """
        Read bytes from the client.

        Args:
            data: any part of the stream.
            moment: when they came.

        Returns:
            What to write, the messages of `deliver` not included. If `waiting` is true afterwards, call it again with
            no bytes once that is written: a client that asks for much must read it first.
        """
        counters = self.view.state.counters
        reader = self._reader
        whole = not reader.partial and len(data) <= REMEMBERED_BYTES_MAX
        if whole:
            # What clients ask for all the time: one look-up by the bytes of the requests.
            found = self.view.remembered(self.protocol).get(data)
            if found is not None and self.user is not None and (self.protocol == 3 or not self.subscriptions):
                counters.commands += found[1]
                return found[0]
        if self.ended:
            return b""
        reader.feed(data)
        commands = 0
        while self._room() and (command := reader.next_command()) is not None:
            if command:
                commands += 1
                counters.commands += 1
                self._asked_for_address = False
                self._answer(command, moment)
                whole &= self._asked_for_address
        if reader.broken and not self.ended:
            self._write(ErrorReply(reader.broken))
            counters.broken += 1
            self.ended = True
        out, self._out, self._size = b"".join(self._out), [], 0
        if whole and commands and not reader.partial and not self.ended:
            self.view.remember(self.protocol, data, (out, commands))
        return out

    @property
    def waiting(self) -> bool:
        """Whether commands were read and not answered, because the answers before them are long."""
        return self._full and not self.ended

    def deliver(self, channel: bytes, payload: bytes, frames: dict[tuple[int, bytes], bytes]) -> bytes:
        """
        Return what a published message means for this client; empty if it is not subscribed to it.

        Args:
            channel: the channel.
            payload: the message.
            frames: the frames made so far for this message and this view, which clients share.
        """
        out = b""
        if channel in self._channels:
            out = self._frame(b"", [b"message", channel, payload], frames)
        for pattern, channels in self._patterns.items():
            if channel in channels:
                out += self._frame(b"p" + pattern, [b"pmessage", pattern, channel, payload], frames)
        return out

    def _frame(self, key: bytes, values: list[ReplyValue], frames: dict[tuple[int, bytes], bytes]) -> bytes:
        found = frames.get((self.protocol, key))
        if found is None:
            found = frames[self.protocol, key] = push_frame(values, self.protocol)
        return found

    def _write(self, value: ReplyValue) -> None:
        if isinstance(value, ErrorReply):
            self.view.state.counters.errors += 1
        self._send(write_reply(value, self.protocol))

    def _send(self, data: bytes) -> None:
        self._out.append(data)
        self._size += len(data)

    def _room(self) -> bool:
        """Whether another command may be answered now; the rest of the bytes wait in the reader."""
        self._full = self._size >= ANSWERS_BYTES
        return not self.ended and not self._full

    # -- commands -----------------------------------------------------------------------------------

    def _answer(self, command: tuple[bytes, ...], moment: Moment) -> None:
        words = [word.decode("utf-8", "surrogateescape") for word in command]
        name = words[0].lower()
        found = _COMMANDS.get(name)
        if found is None:
            return self._write(_unknown_command(words))
        arity, answer = found
        if len(words) != arity if arity > 0 else len(words) < -arity:
            return self._write(ErrorReply(f"ERR wrong number of arguments for '{name}' command"))
        if self.user is None and name not in _FOR_STRANGERS:
            return self._write(_NO_AUTH)
        if self.protocol == 2 and self.subscriptions and name not in _WHILE_SUBSCRIBED:
            full = f"{name}|{words[1].lower()}" if name in _CONTAINERS and words[1:] else name
            return self._write(
                ErrorReply(
                    f"ERR Can't execute '{full[:128]}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                    "are allowed in this context"
                )
            )
        reply = answer(self, words, moment)
        if reply is not _NOTHING:
            self._write(reply)

    def _enter(self, user: str | None) -> None:
        self.user = user
        self._reader.trusted = user is not None

    def _ping(self, words: list[str], moment: Moment) -> ReplyValue:
        if len(words) > 2:
            return ErrorReply("ERR wrong number of arguments for 'ping' command")
        if self.protocol == 2 and self.subscriptions:
            return ["pong", words[1] if words[1:] else ""]
        return words[1] if words[1:] else StatusReply("PONG")

    def _quit(self, words: list[str], moment: Moment) -> ReplyValue:
        self.ended = True
        return OK

    def _reset(self, words: list[str], moment: Moment) -> ReplyValue:
        self._channels.clear()
        self._patterns.clear()
        self.protocol, self.name = 2, ""
        self._enter(DEFAULT_USER if self.view.state.accounts.open else None)
        return StatusReply("RESET")

    def _time(self, words: list[str], moment: Moment) -> ReplyValue:
        wall = moment.wall or 0.0
        return [str(int(wall)), str(int(wall * 1_000_000) % 1_000_000)]

    def _auth(self, words: list[str], moment: Moment) -> ReplyValue:
        if len(words) > 3:
            return ErrorReply("ERR syntax error")
        if len(words) == 2 and self.view.state.accounts.open:
            return _NO_PASSWORD
        return self._log_in(words[1] if words[2:] else DEFAULT_USER, words[-1]) or OK

    def _log_in(self, user: str, password: str) -> ErrorReply | None:
        if not self.view.state.accounts.accepts(user, password.encode("utf-8", "surrogateescape")):
            self.view.state.counters.auth_failures += 1
            return _WRONG_PASSWORD
        self._enter(user)
        return None

    def _hello(self, words: list[str], moment: Moment) -> ReplyValue:
        protocol = self.protocol
        if words[1:]:
            if not words[1].isascii() or not words[1].isdigit():
                return ErrorReply("ERR Protocol version is not an integer or out of range")
            if words[1] not in ("2", "3"):
                return ErrorReply("NOPROTO unsupported protocol version")
            protocol = int(words[1])
        at, name = 2, None
        while at < len(words):
            option, left = words[at].lower(), len(words) - at - 1
            if option == "auth" and left >= 2:
                if (refused := self._log_in(words[at + 1], words[at + 2])) is not None:
                    return refused
                at += 3
            elif option == "setname" and left >= 1:
                name = words[at + 1]
                if not _is_name(name):
                    return _BAD_NAME
                at += 2
            else:
                return ErrorReply(f"ERR Syntax error in HELLO option '{words[at][:128]}'")
        if self.user is None:
            return _HELLO_NO_AUTH
        self.protocol, self.name = protocol, self.name if name is None else name
        state = self.view.state
        return {
            "server": state.server,
            "version": state.version,
            "proto": protocol,
            "id": self.number,
            "mode": "sentinel",
            "modules": [],
        }

    def _sentinel(self, words: list[str], moment: Moment) -> ReplyValue:
        self._asked_for_address = words[1].lower() in _ADDRESS_QUESTIONS
        return answer_sentinel(self.view, words, moment.now)

    def _role(self, words: list[str], moment: Moment) -> ReplyValue:
        return ["sentinel", self.view.state.masters.names()]

    def _info(self, words: list[str], moment: Moment) -> ReplyValue:
        sections = info_sections(self.view, self._process_id, moment.now)
        wanted = [word.lower() for word in words[1:]]
        if not wanted or {"all", "everything", "default"} & set(wanted):
            wanted = list(sections)
        return "\r\n".join(text for name, text in sections.items() if name in wanted)

    def _publish(self, words: list[str], moment: Moment) -> ReplyValue:
        return ErrorReply("ERR Only HELLO messages are accepted by Sentinel instances.")

    def _refuse(self, words: list[str], moment: Moment) -> ReplyValue:
        return ErrorReply(f"NOPERM this user has no permissions to run the '{words[0].lower()}' command")

    def _acl(self, words: list[str], moment: Moment) -> ReplyValue:
        if words[1].lower() == "whoami" and len(words) == 2:
            return self.user
        return ErrorReply(f"NOPERM this user has no permissions to run the 'acl|{words[1].lower()[:128]}' command")

    def _command(self, words: list[str], moment: Moment) -> ReplyValue:
        what = words[1].lower() if words[1:] else ""
        if what == "count":
            return len(_COMMANDS)
        if what == "list":
            return sorted(_COMMANDS)
        if what == "docs":
            return {}
        if what not in ("", "info"):
            return ErrorReply(f"ERR unknown subcommand '{words[1][:128]}'. Try COMMAND HELP.")
        names = [word.lower() for word in words[2:]] or sorted(_COMMANDS)
        return [
            [name, _COMMANDS[name][0], [StatusReply("readonly")], 0, 0, 0, [], [], [], []]
            if name in _COMMANDS
            else None
            for name in names
        ]

    # -- CLIENT -------------------------------------------------------------------------------------

    def _client(self, words: list[str], moment: Moment) -> ReplyValue:
        name = words[1].lower()
        found = _CLIENT.get(name)
        if found is None:
            return ErrorReply(f"ERR unknown subcommand '{words[1][:128]}'. Try CLIENT HELP.")
        arity, answer = found
        if len(words) != arity if arity > 0 else len(words) < -arity:
            return ErrorReply(f"ERR wrong number of arguments for 'client|{name}' command")
        return answer(self, words, moment)

    def _set_name(self, words: list[str], moment: Moment) -> ReplyValue:
        if not _is_name(words[2]):
            return _BAD_NAME
        self.name = words[2]
        return OK

    def _set_info(self, words: list[str], moment: Moment) -> ReplyValue:
        option = words[2].lower()
        if option not in ("lib-name", "lib-ver"):
            return ErrorReply(f"ERR Unrecognized option '{words[2][:128]}'")
        if not _is_name(words[3]):
            return ErrorReply(f"ERR {option} cannot contain spaces, newlines or special characters.")
        self._library[option] = words[3][:NAME_BYTES_MAX]
        return OK

    def _get_name(self, words: list[str], moment: Moment) -> ReplyValue:
        return self.name or None

    def _get_id(self, words: list[str], moment: Moment) -> ReplyValue:
        return self.number

    def _set_switch(self, words: list[str], moment: Moment) -> ReplyValue:
        return OK if words[2].lower() in ("on", "off") else ErrorReply("ERR syntax error")

    def _set_reply(self, words: list[str], moment: Moment) -> ReplyValue:
        return OK if words[2].lower() == "on" else ErrorReply("ERR syntax error")

    def _describe(self, words: list[str], moment: Moment) -> ReplyValue:
        library = " ".join(f"{key}={self._library.get(key, '')}" for key in ("lib-name", "lib-ver"))
        return (
            f"id={self.number} addr={self.peer} name={self.name} flags={'P' if self.subscriptions else 'N'} db=0 "
            f"sub={len(self._channels)} psub={len(self._patterns)} user={self.user} resp={self.protocol} {library}\n"
        )

    # -- subscriptions ------------------------------------------------------------------------------

    def _subscribe(self, words: list[str], moment: Moment) -> ReplyValue:
        patterns = words[0].lower() == "psubscribe"
        for word in words[1:]:
            text = word.encode("utf-8", "surrogateescape")
            if self.subscriptions >= SUBSCRIPTIONS_MAX or len(text) > NAME_BYTES_MAX:
                self._write(ErrorReply("ERR too many subscriptions, or a name that is too long"))
            else:
                if patterns:
                    self._patterns[text] = frozenset(one for one in _CHANNELS if matches_glob(text, one))
                else:
                    self._channels[text] = None
                self._confirm(words[0].lower(), text)
        return _NOTHING

    def _unsubscribe(self, words: list[str], moment: Moment) -> ReplyValue:
        kind = words[0].lower()
        mine: dict[bytes, Any] = self._patterns if kind == "punsubscribe" else self._channels
        given: list[bytes | None] = [word.encode("utf-8", "surrogateescape") for word in words[1:]]
        for text in given or list(mine) or [None]:
            if text is not None:
                mine.pop(text, None)
            self._confirm(kind, text)
        return _NOTHING

    def _confirm(self, kind: str, text: bytes | None) -> None:
        self._send(push_frame([kind, text, self.subscriptions], self.protocol))


def _unknown_command(words: list[str]) -> ErrorReply:
    shown = ""
    for word in words[1:]:
        if len(shown) >= 128:
            break
        shown += f"'{word[: 128 - len(shown)]}' "
    return ErrorReply(f"ERR unknown command '{words[0][:128]}', with args beginning with: {shown}")


def _is_name(text: str) -> bool:
    return len(text) <= NAME_BYTES_MAX and all("!" <= char <= "~" for char in text)


_CLIENT: Final[dict[str, tuple[int, _Command]]] = {
    "setname": (3, Conversation._set_name),
    "getname": (2, Conversation._get_name),
    "setinfo": (4, Conversation._set_info),
    "id": (2, Conversation._get_id),
    "info": (2, Conversation._describe),
    "list": (-2, Conversation._describe),
    "no-evict": (3, Conversation._set_switch),
    "no-touch": (3, Conversation._set_switch),
    "reply": (3, Conversation._set_reply),
}

_COMMANDS: Final[dict[str, tuple[int, _Command]]] = {
    "acl": (-2, Conversation._acl),
    "auth": (-2, Conversation._auth),
    "client": (-2, Conversation._client),
    "command": (-1, Conversation._command),
    "hello": (-1, Conversation._hello),
    "info": (-1, Conversation._info),
    "ping": (-1, Conversation._ping),
    "psubscribe": (-2, Conversation._subscribe),
    "publish": (3, Conversation._publish),
    "punsubscribe": (-1, Conversation._unsubscribe),
    "quit": (-1, Conversation._quit),
    "reset": (1, Conversation._reset),
    "role": (1, Conversation._role),
    "sentinel": (-2, Conversation._sentinel),
    "shutdown": (-1, Conversation._refuse),
    "subscribe": (-2, Conversation._subscribe),
    "time": (1, Conversation._time),
    "unsubscribe": (-1, Conversation._unsubscribe),
}
"""By name: the number of words (negative: at least), and what answers."""
