"""Any URL is read, or refused in one sentence; settings that are written as a URL again read the same."""

from __future__ import annotations

from urllib.parse import quote

from drive import Target, main
from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.url import ConnectionSettings, parse_url, read_sentinels

MORE = ("role", "socket_timeout", "max_connections")


def check(data: bytes) -> None:
    """Take a URL, or addresses."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        settings = parse_url(text, MORE) if "://" in text else read_sentinels([text])
    except UsageError as error:
        assert "\n" not in str(error)
        assert "\r" not in str(error)
        return
    assert settings.sentinels is None or settings.sentinels
    for address in settings.sentinels or ():
        assert 0 < address.port <= 65535
        assert Address.parse(str(address)) == address, f"{address!r} is written as {address}"
    assert settings.sentinels is None or len(set(settings.sentinels)) == len(settings.sentinels)
    if "://" in text:
        again = parse_url(written(settings), MORE)
        assert written(again) == written(settings)
        # A raw byte and an escaped one may together be a character, once both are escaped.
        assert again == settings or not text.isascii(), written(settings)


def written(settings: ConnectionSettings) -> str:
    """Write settings as the URL that says the same."""
    node, sentinel = settings.node, settings.sentinel
    userinfo = quoted(node.username or "") + ("" if node.password is None else ":" + quoted(node.password))
    hosts = ",".join(
        f"[{quoted(host, ':')}]:{port}" if ":" in host else f"{quoted(host)}:{port}"
        for host, port in settings.sentinels or ()
    )
    path = "/" + quoted((settings.masters or ("",))[0]) + ("" if settings.db is None else f"/{settings.db}")
    said = {
        "sentinel_tls": None if sentinel.tls is None else str(int(sentinel.tls)),
        "node_tls": None if node.tls is None else str(int(node.tls)),
        "timeout": None if settings.timeout is None else repr(settings.timeout),
    }
    said |= {f"sentinel_{name}": getattr(sentinel, name) for name in ("username", "password")}
    for name in ("ca", "cert", "key", "server_name"):
        of_node, of_sentinel = getattr(node, name), getattr(sentinel, name)
        said[name] = of_node
        said[f"sentinel_{name}"] = None if of_sentinel == of_node else of_sentinel
    said |= settings.parameters or {}
    query = "&".join(f"{name}={quoted(value)}" for name, value in said.items() if value is not None)
    return f"redis+sentinel://{userinfo}{'@' if userinfo else ''}{hosts}{path}?{query}"


def quoted(text: str, safe: str = "") -> str:
    """Return a text as a part of a URL."""
    return quote(text, safe=safe, errors="surrogateescape")


def seeds() -> list[bytes]:
    """Return URLs in all forms that `parse_url` documents."""
    return [
        b"redis+sentinel://user:pass@h1:26379,h2:26379/mymaster/0?sentinel_password=secret",
        b"rediss+sentinel://:p%40ss@10.0.0.1,[::1]:26380/my%20master?ca=ca.pem&sentinel_ca=s.pem&timeout=0.5",
        b"valkey+sentinel://h?sentinel_tls=1&node_tls=0&sentinel_cert=c.pem&sentinel_key=k.pem&sentinel_server_name=kv",
        b"valkeys+sentinel://u@h:1/m/15?role=replica&socket_timeout=1&max_connections=5&sentinel_username=w",
        b"redis+sentinel://[fe80::1%25eth0]:26379,%C3%A9:1//?",
        b"10.209.10.30:46390, 10.209.10.31:46390,host,[::1]",
        "redis+sentinel://émile:né@h/%ff%fe".encode(),
    ]


TARGET = Target(check, seeds, examples=3000)

if __name__ == "__main__":
    main(TARGET, "url")
