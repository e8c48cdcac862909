"""A password in a URL or in the environment is in no repr and in no error, however the rest is broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import astuple, replace

from drive import Target, main
from switchmaster.errors import UsageError
from switchmaster.url import ConnectionSettings, parse_url, read_sentinels, settings_from_environment

SECRET = b"zqjwkxvb"
"""Lower case alone, which is the likeliest to pass for a name."""
OPENED = re.compile(rf"(password=|://|:|^)[^{SECRET.decode()}]*{SECRET.decode()}.*@|password=[^:/?#]*{SECRET.decode()}")
"""Places where the text is a password: before an '@', or as the value of a parameter."""


def check(data: bytes) -> None:
    """Take an input in which each NUL stands for the password."""
    text = data.replace(b"\0", SECRET).decode("utf-8", "surrogateescape")
    word = SECRET.decode()
    scheme, is_url, _ = text.partition("://")
    before, _, _ = text.partition("?")[2].partition("password=")
    if not OPENED.search(text) or (is_url and word in scheme) or word in before:
        return  # in a scheme or in a parameter's name it is shown, as what was mistyped
    for name, read in READERS.items():
        if name in WORDS and "://" not in text and "@" not in text:
            continue
        try:
            settings = read(text)
        except UsageError as error:
            assert word not in str(error), f"{name} shows it: {str(error)!r}"
        else:
            # If the mutation made the password a user, a host, a master or a value, it is no longer a secret.
            plain = [replace(access, password=None, key=None) for access in (settings.node, settings.sentinel)]
            if word not in repr([astuple(access) for access in plain] + [settings.sentinels, settings.masters]):
                assert word not in repr(settings), f"{name} shows it: {settings!r}"


WORDS = ("words of a command line", "SENTINELS")
"""Places for addresses too: a wrong address is shown, unless an '@' suggests that it holds a password."""
READERS: dict[str, Callable[[str], ConnectionSettings]] = {
    "a URL": parse_url,
    WORDS[0]: lambda text: read_sentinels(text.split()),
    WORDS[1]: lambda text: settings_from_environment({"SWITCHMASTER_SENTINELS": text}),
    "PASSWORD": lambda text: settings_from_environment(
        {f"SWITCHMASTER_{who}_{what}": text for who in ("SENTINEL", "NODE") for what in ("PASSWORD", "TLS")}
    ),
}


def seeds() -> list[bytes]:
    """Return typical input: a password with the delimiters of a URL, a forgotten scheme or '@'."""
    found = [
        b"redis+sentinel://user:\0@h1:26379,h2/mymaster/0?sentinel_password=\0&timeout=1",
        b"redis+sentinel://:\0@h/m?sentinel_username=u&sentinel_password=\0",
        b"user:\0@h1:26379",
        b":\0@h1",
        b"redis+sentinel://user:\0",
        b"\0",
    ]
    for mark in b"&?#/@:=%,":
        found.append(b"redis+sentinel://u:a%cb\0@h:1/m?sentinel_password=%s" % (mark, b"x"))
        found.append(b"redis+sentinel://u@h:1/m?sentinel_password=a%c\0&timeout=1" % mark)
    return found


TARGET = Target(check, seeds, examples=1000)

if __name__ == "__main__":
    main(TARGET, "secrets")
