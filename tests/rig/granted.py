"""
ACL users on a lab that have exactly the rights that `switchmaster doctor --acl` prints, and what servers refused them.

Every server keeps what it refused in its ACL LOG: an empty log shows that no right was lacking, and an entry for a
right that was taken away shows that it is used.
"""

from __future__ import annotations

from typing import Any, Final

from switchmaster.doctor.least_rights import LEAST_RIGHTS, LeastRights
from switchmaster.lab import Lab

__all__ = ["PASSWORD", "USES", "access", "grant", "refused", "rights_of"]

PASSWORD: Final = "secret"
USES: Final[dict[str, LeastRights]] = dict(
    zip(("watching", "doctor", "failover", "guard", "all"), LEAST_RIGHTS, strict=True)
)
"""By a short name."""


def rights_of(rules: str) -> list[str]:
    """Return the commands that an ACL line grants, such as ``sentinel|master``."""
    return [word.removeprefix("+") for word in rules.split() if word.startswith("+")]


def grant(lab: Lab, use: str, user: str = "", without_of_sentinels: str = "", without_of_nodes: str = "") -> None:
    """Make a user on every server; by default of the use's own name, and with all its rights."""
    for servers, rules, lacking in (
        (lab.sentinels, USES[use].sentinels, without_of_sentinels),
        (lab.nodes("mymaster"), USES[use].nodes, without_of_nodes),
    ):
        words = [word for word in rules.split() if word != f"+{lacking}"]
        for server in servers:
            server.call("ACL", "SETUSER", user or use, "reset", "on", f">{PASSWORD}", *words)


def access(user: str) -> dict[str, Any]:
    """Return the arguments of a Watcher or an Inspector that make it this user everywhere."""
    return {"username": user, "password": PASSWORD, "node_username": user, "node_password": PASSWORD}


def refused(lab: Lab, user: str) -> set[str]:
    """Return what any server has refused to a user, as it names it in its ACL LOG."""
    found = set()
    for server in (*lab.sentinels, *(node for node in lab.nodes("mymaster") if node.alive)):
        entries = server.call("ACL", "LOG", 1000)
        assert isinstance(entries, list)
        for each in entries:
            assert isinstance(each, list)
            entry = {str(key): value for key, value in zip(each[::2], each[1::2], strict=True)}
            if entry["username"] == user:
                found.add(f"{entry['object']}".lower())
    return found
