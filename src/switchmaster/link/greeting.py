"""
How a link greets: it logs in, and learns what the peer is and which protocol it speaks.

``HELLO 3`` carries the password and the client's name in one command. If HELLO is unknown or refused, the same
connection continues in RESP2 and asks by ROLE, INFO and SENTINEL MYID for what HELLO would have said. A data node is
told from a Sentinel before the link subscribes to anything: the pub/sub traffic of a data node is its users'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from ..model import RunId
from ..wire.nouns import Kind, Unrecognised
from ..wire.refusal import Refusal, classify, explain
from ..wire.replies import parse_hello, parse_info, parse_myid, parse_role
from ..wire.resp import Reply, plain
from .request_stream import OnReply

__all__ = ["NOBODY", "WITHHELD", "Credentials", "Greeting", "Login", "OnFailure", "SendRequest", "data_node_reason"]

SendRequest: TypeAlias = Callable[[tuple[str, ...], OnReply], None]
"""Writes a command and passes its reply to a callback."""

_PROCESS_SHOWN: Final = 40
"""Characters of a process's id that are kept: it has 40 hexadecimal digits."""

_VERSION_SHOWN: Final = 60
"""Characters of a server's name and version that are kept."""


class OnFailure(Protocol):
    """Ends the conversation."""

    def __call__(self, reason: str, now: float, refused: bool = False) -> None:
        """Take the reason, the time, and whether the password is refused: a retry soon would hammer the server."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The login of one connection; its repr shows no password."""

    username: str | None = None
    """The ACL user; None for ``default``."""
    password: str | None = field(default=None, repr=False)
    """None sends no login at all."""
    withheld: bool = False
    """A login exists, but no majority of the Sentinels vouches for this peer yet."""


NOBODY: Final = Credentials()
"""The credentials of a connection that does not log in."""

WITHHELD: Final = Credentials(withheld=True)
"""The credentials for a peer that no majority of the Sentinels names: it is asked without a login."""


class Login:
    """
    The identity that one connection shows to a server: name, user, password. Its repr shows no secret.

    Args:
        client_name: what CLIENT LIST shows; without spaces.
        credentials: user and password.
    """

    __slots__ = ("_client_name", "_password", "_username", "_withheld")

    def __init__(self, client_name: str, credentials: Credentials) -> None:
        self._client_name = client_name
        self._username = credentials.username
        self._password = credentials.password
        self._withheld = credentials.withheld

    def __repr__(self) -> str:
        return f"<Login {self._client_name} as {self._username or 'default'}>"

    @property
    def has_password(self) -> bool:
        """Whether there is a password to log in with."""
        return self._password is not None

    def explain(self, reply: Reply) -> str:
        """Write a refusal as the end of a sentence; see `switchmaster.wire.refusal.explain`."""
        if self._withheld and classify(reply) is Refusal.PASSWORD:
            return "it requires a password, and none is sent before a majority of the Sentinels lists it"
        return explain(reply)

    def hello(self, with_password: bool) -> tuple[str, ...]:
        """Return the HELLO that sets protocol, login and name in one command."""
        auth: tuple[str, ...] = ()
        if with_password and self._password is not None:
            auth = ("AUTH", self._username or "default", self._password)
        return ("HELLO", "3", *auth, "SETNAME", self._client_name)

    def authenticate(self, ask: SendRequest, on_failure: OnFailure) -> None:
        """Send AUTH if there is a password; servers before ACLs know it without a user."""

        def take_auth(reply: Reply, now: float) -> None:
            refusal = classify(reply)
            # A needless password is no reason to stay away: HELLO takes it silently.
            if refusal not in (None, Refusal.NEEDLESS_PASSWORD):
                on_failure(explain(reply), now, refused=refusal is Refusal.PASSWORD)

        if self._password is not None:
            user = () if self._username is None else (self._username,)
            ask(("AUTH", *user, self._password), take_auth)

    def send(self, ask: SendRequest, on_failure: OnFailure) -> None:
        """Send what HELLO does in RESP3: AUTH and CLIENT SETNAME."""
        self.authenticate(ask, on_failure)
        ask(("CLIENT", "SETNAME", self._client_name), _ignore)

    def without_password(self) -> Login:
        """Return the same without its secret, for use after the login."""
        return Login(self._client_name, Credentials(self._username, withheld=self._withheld))


class Greeting:
    """
    The first commands on one connection.

    Args:
        ask: writes a command on it.
        login: name, user and password.
        on_welcome: is called once, when the peer is known to be a Sentinel: in RESP3 right after the questions for its
            ids, or with their answers; in RESP2 with the last answer.
        on_failure: ends the conversation.
        waits_for_ids: whether the welcome waits for the ids in RESP3 too, for a link that sends nothing after which the
            ids are sure to be known.
    """

    __slots__ = (
        "_ask",
        "_login",
        "_on_failure",
        "_on_welcome",
        "_waits_for_ids",
        "_with_password",
        "process",
        "resp2",
        "run_id",
        "version",
    )

    def __init__(
        self,
        ask: SendRequest,
        login: Login,
        on_welcome: Callable[[float], None],
        on_failure: OnFailure,
        waits_for_ids: bool = False,
    ) -> None:
        self._ask = ask
        self._login = login
        self._on_welcome = on_welcome
        self._on_failure = on_failure
        self._waits_for_ids = waits_for_ids
        self._with_password = login.has_password
        self.resp2 = False
        self.run_id: RunId | None = None
        self.version = ""
        self.process = ""
        """The id of the Sentinel's process; empty if INFO is refused."""

    def begin(self) -> None:
        """Send HELLO."""
        self._ask(self._login.hello(self._with_password), self._take_hello)

    def _take_hello(self, reply: Reply, now: float) -> None:
        refusal = classify(reply)
        if refusal is None:
            self._take_welcome(reply, now)
        elif refusal is Refusal.PERMISSION and self._with_password:
            # Redis 6.2 checks the default user's rights even if HELLO names another user.
            self._with_password = False
            self._login.send(self._ask, self._on_failure)
            self.begin()
        elif refusal.unavailable:
            self._fall_back()
        else:
            self._on_failure(self._login.explain(reply), now, refused=refusal is Refusal.PASSWORD)

    def _take_welcome(self, reply: Reply, now: float) -> None:
        hello = parse_hello(reply)
        if isinstance(hello, Unrecognised):
            self._on_failure(f"it does not answer HELLO as a Sentinel does: {plain(hello.reason)}", now)
        elif hello.mode not in ("", "sentinel"):
            self._on_failure(data_node_reason(f"mode {plain(hello.mode, 20)}"), now)
        else:
            self.version = plain(f"{hello.server} {hello.version}", _VERSION_SHOWN)
            self._login = self._login.without_password()
            self._ask(("SENTINEL", "MYID"), self._take_myid)
            self._ask(("INFO", "server"), self._take_last_id if self._waits_for_ids else self._take_info)
            if not self._waits_for_ids:
                self._on_welcome(now)

    def _fall_back(self) -> None:
        self.resp2 = True
        self._login.send(self._ask, self._on_failure)
        self._login = self._login.without_password()
        self._ask(("ROLE",), self._take_role)
        self._ask(("INFO", "server"), self._take_info)
        self._ask(("SENTINEL", "MYID"), self._take_myid)

    def _take_role(self, reply: Reply, now: float) -> None:
        if classify(reply) is Refusal.PASSWORD:
            self._on_failure(self._login.explain(reply), now, refused=True)
            return
        role = parse_role(reply)
        if not isinstance(role, Unrecognised) and role.role is not Kind.SENTINEL:
            self._on_failure(data_node_reason(f"role {role.role}"), now)

    def _take_info(self, reply: Reply, now: float) -> None:
        info = parse_info(reply)
        if isinstance(info, Unrecognised):
            return
        self.process = plain(info.run_id or "", _PROCESS_SHOWN)
        if info.version:
            self.version = plain(f"{info.server or 'redis'} {info.version}", _VERSION_SHOWN)

    def _take_last_id(self, reply: Reply, now: float) -> None:
        self._take_info(reply, now)
        self._on_welcome(now)

    def _take_myid(self, reply: Reply, now: float) -> None:
        refusal = classify(reply)
        if refusal is Refusal.PASSWORD:
            self._on_failure(self._login.explain(reply), now, refused=True)
            return
        if refusal is Refusal.UNKNOWN_COMMAND:
            # A Sentinel without MYID lacks the subcommand alone.
            self._on_failure(data_node_reason("without the command SENTINEL"), now)
            return
        run_id = parse_myid(reply)
        self.run_id = None if isinstance(run_id, Unrecognised) else run_id
        if self.resp2:
            self._on_welcome(now)


def data_node_reason(how: str) -> str:
    """Return the reason for leaving a data node, with how it was recognised, as the end of a sentence."""
    return f"it is a Redis data node ({how}), not a Sentinel; a Sentinel's port is usually 26379"


def _ignore(reply: Reply, now: float) -> None:
    """Ignore a reply: the request was made for its effect."""
