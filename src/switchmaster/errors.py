"""
The exception tree of switchmaster.

::

    SwitchmasterError
    ├── UsageError               an argument, an address, a URL or a file is wrong        (exit code 2)
    ├── NoSentinelReachable      none of the Sentinels answered                           (exit code 3)
    │   └── AccessRefused            they answered and refuse us: password or rights      (exit code 5)
    ├── DaemonUnreachable        no daemon answers at that URL                            (exit code 3)
    ├── DaemonRefused            the daemon answered with an error                        (exit code by status)
    ├── UnknownMaster            the Sentinels answer but monitor no such master          (exit code 4)
    ├── WaitTimeout              something did not happen in time                         (exit code 1)
    │   └── NoMasterElected      a client's command found no master in time               (exit code 1)
    ├── StaleMaster              the node named as master reports another role            (exit code 1)
    ├── TransactionMoved         the master changed during a transaction                  (exit code 1)
    ├── SessionMoved             the master changed while the caller held the connection  (exit code 1)
    ├── WatcherClosed            the Watcher was used before its start or after its end   (exit code 1)
    ├── JournalUnavailable       the journal's database can't be used now                 (exit code 1)
    ├── MissingDependency        an extra is not installed                                (exit code 2)
    └── LabError                 a server of the lab could not be started or steered      (exit code 1)

Every class carries its data as attributes and writes its own sentence in ``__str__``: what was tried, on which server,
for how long, and what to do next. No sentence contains a secret. What a Sentinel or a node sends never raises: it
becomes a fact (`switchmaster.wire.facts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "AccessRefused",
    "DaemonRefused",
    "DaemonUnreachable",
    "JournalUnavailable",
    "LabError",
    "MissingDependency",
    "NoMasterElected",
    "NoSentinelReachable",
    "SessionMoved",
    "StaleMaster",
    "SwitchmasterError",
    "TransactionMoved",
    "UnknownMaster",
    "UsageError",
    "WaitTimeout",
    "WatcherClosed",
]


class SwitchmasterError(Exception):
    """Base of everything that switchmaster raises on purpose."""

    exit_code = 1
    """The exit code of the CLI when this error ends a command."""


class UsageError(SwitchmasterError):
    """
    The caller's input is wrong; nothing was attempted.

    Args:
        sentence: what is wrong with which input, and what it should look like.
    """

    exit_code = 2

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class NoSentinelReachable(SwitchmasterError):
    """
    No Sentinel answered.

    Args:
        reasons: why, for each Sentinel that was tried, by its name (``host:port``).
        waited: seconds spent on it.
    """

    exit_code = 3

    def __init__(self, reasons: Mapping[str, str], waited: float) -> None:
        super().__init__(reasons, waited)
        self.reasons = dict(reasons)
        self.waited = waited

    def __str__(self) -> str:
        tried = "; ".join(f"{name}: {why}" for name, why in self.reasons.items()) or "none was given"
        # If all refuse at once, there was no waiting.
        within = f" within {self.waited:.1f} s" if self.waited >= 0.1 else ""
        return (
            f"no Sentinel could be reached{within} ({tried}); check addresses, port (usually 26379), password and TLS"
        )


class AccessRefused(NoSentinelReachable):
    """
    The Sentinels refuse us: none answered our queries, and at least one said why.

    Args:
        reasons: why, for each Sentinel that was tried, by its name (``host:port``).
        waited: seconds spent on it.
        lacking: those that accept the login but refuse every useful command (NOPERM); the others refuse the login.
    """

    exit_code = 5

    def __init__(self, reasons: Mapping[str, str], waited: float, lacking: Sequence[str] = ()) -> None:
        super().__init__(reasons, waited)
        self.args = (reasons, waited, lacking)
        self.lacking = tuple(lacking)

    def __str__(self) -> str:
        tried = "; ".join(f"{name}: {why}" for name, why in self.reasons.items())
        return f"the Sentinels refuse us ({tried})"


class DaemonUnreachable(SwitchmasterError):
    """
    No daemon answers.

    Args:
        url: where it was looked for.
        reason: why there is no answer.
    """

    exit_code = 3

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"no daemon answers at {self.url} ({self.reason}); is `switchmaster serve` running? Else give --url"


class DaemonRefused(SwitchmasterError):
    """
    A daemon answered with an error.

    Args:
        url: of the daemon.
        status: the HTTP status.
        detail: what is wrong, in the daemon's words.
    """

    def __init__(self, url: str, status: int, detail: str) -> None:
        super().__init__(url, status, detail)
        self.url = url
        self.status = status
        self.detail = detail

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """5 for a missing or wrong token, 4 for an unknown master, else 1."""
        return {401: 5, 403: 5, 404: 4}.get(self.status, 1)

    def __str__(self) -> str:
        advice = "; name its file with --token-file, or set SWITCHMASTER_HTTP_TOKEN" if self.status == 401 else ""
        return f"the daemon at {self.url} answers: {self.detail}{advice}"


class UnknownMaster(SwitchmasterError):
    """
    The Sentinels monitor no master of that name.

    Args:
        name: the requested name.
        known: the names that they do monitor.
        sentinels: the Sentinels that answered.
    """

    exit_code = 4

    def __init__(self, name: str, known: Sequence[str] = (), sentinels: Sequence[str] = ()) -> None:
        super().__init__(name, known, sentinels)
        self.name = name
        self.known = tuple(known)
        self.sentinels = tuple(sentinels)

    def __str__(self) -> str:
        shown = ", ".join(repr(name) for name in self.known[:10]) or "none at all"
        more = f" and {len(self.known) - 10} more" if len(self.known) > 10 else ""
        asked = f" ({', '.join(self.sentinels[:5])})" if self.sentinels else ""
        return f"the Sentinels{asked} monitor no master named {self.name!r}; they monitor {shown}{more}"


class WaitTimeout(SwitchmasterError):
    """
    Something did not happen in time.

    Args:
        what: what was awaited, to complete the sentence "waited for …".
        waited: the seconds that the caller allowed.
        advice: what to do next.
    """

    def __init__(self, what: str, waited: float, advice: str = "") -> None:
        super().__init__(what, waited, advice)
        self.what = what
        self.waited = waited
        self.advice = advice

    def __str__(self) -> str:
        tail = f"; {self.advice}" if self.advice else ""
        return f"waited {self.waited:g} s for {self.what} without success{tail}"


class NoMasterElected(WaitTimeout):
    """
    A client's command waited for a master and found none in time; it was not sent.

    Args:
        master: the master's name.
        waited: seconds.
        reason: the state of the master.
    """

    def __init__(self, master: str, waited: float, reason: str) -> None:
        super().__init__(f"a master of {master!r} that takes commands", round(waited, 3), reason)
        self.args = (master, waited, reason)
        self.master = master
        self.reason = reason


class StaleMaster(SwitchmasterError):
    """
    The node that the Sentinels name as master answers ROLE with another role.

    Args:
        master: the master's name.
        node: the node's address.
        role: the role that it reports.
    """

    def __init__(self, master: str, node: str, role: str) -> None:
        super().__init__(master, node, role)
        self.master = master
        self.node = node
        self.role = role

    def __str__(self) -> str:
        return (
            f"{self.node}, which is named as the master of {self.master!r}, answers ROLE {self.role}: the information "
            "is stale, or a failover is under way; nothing was sent to it"
        )


class TransactionMoved(SwitchmasterError):
    """
    The master changed while a connection watched keys or was inside MULTI: the transaction can't continue.

    Args:
        master: the master's name.
    """

    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.master = master

    def __str__(self) -> str:
        return (
            f"the master of {self.master!r} changed during a transaction; nothing of it was carried out on "
            "the new one: start it again"
        )


class SessionMoved(SwitchmasterError):
    """
    The master changed while the caller held a connection: another connection would not have the same state.

    Args:
        master: the master's name.
    """

    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.master = master

    def __str__(self) -> str:
        return (
            f"the master of {self.master!r} changed, and this connection can't move without notice: its descriptor is "
            "watched, or the old server holds a subscription, MONITOR, SELECT or CLIENT TRACKING for it; nothing was "
            "sent: connect again and restore that state"
        )


class WatcherClosed(SwitchmasterError):
    """
    The Watcher was used before it was started or after it was closed.

    Args:
        sentence: another explanation, if there is one.
    """

    def __init__(self, sentence: str = "") -> None:
        super().__init__(*([sentence] if sentence else ()))
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence or (
            "this Watcher is not running; use it inside its `with` block, or between start() and close()"
        )


class JournalUnavailable(SwitchmasterError):
    """
    The journal's database can't be used now.

    Args:
        where: its URL, without a password.
        reason: what the database or its driver said.
        advice: what to do next.
    """

    def __init__(self, where: str, reason: str, advice: str = "") -> None:
        super().__init__(where, reason, advice)
        self.where = where
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        tail = f"; {self.advice}" if self.advice else ""
        return f"the journal {self.where} can't be used: {self.reason}{tail}"


class MissingDependency(SwitchmasterError):
    """
    A part of switchmaster needs a package that is not installed.

    Args:
        package: the distribution's name.
        extra: the extra of switchmaster that includes it.
    """

    exit_code = 2

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.package} is not installed; install it with: pip install 'switchmaster[{self.extra}]'"


class LabError(SwitchmasterError):
    """
    A server of the lab could not be started or steered.

    Args:
        sentence: what was tried, on which server, how it failed, what to do next.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence
