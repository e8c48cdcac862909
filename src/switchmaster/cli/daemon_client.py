"""
Requests of the command line to a running daemon, over its HTTP API.

It goes straight to the daemon: proxies of the environment are not used, and no redirect is followed, because each
would see the token. For HTTPS the system's authorities are trusted, or those that ``SSL_CERT_FILE`` names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import click

from ..errors import DaemonRefused, DaemonUnreachable, UsageError
from ..render import Line
from ..server.watcher_arguments import read_secret

__all__ = ["DaemonClient", "daemon_options", "path_of"]

LOCAL_URL: Final = "http://127.0.0.1:8370"
"""The default of ``http.listen``."""
TIMEOUT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 256 * 2**20
"""Most bytes of an answer: 10,000 masters are a tenth of it."""


def daemon_options(function: Any) -> Any:
    """Add the options that select a daemon and its token."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option(
            "--url",
            metavar="URL",
            envvar="SWITCHMASTER_URL",
            default=LOCAL_URL,
            show_default=True,
            help="Where the daemon serves HTTP.",
        ),
        click.option(
            "--token-file",
            metavar="FILE",
            help="File with the daemon's token. [default: SWITCHMASTER_HTTP_TOKEN itself, if it is set]",
        ),
        click.option("--deployment", metavar="NAME", help="The deployment, if several have a master of that name."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def path_of(master: str) -> str:
    """Return the API's path of a master's guard."""
    return f"/api/v1/masters/{quote(master, safe='', errors='surrogateescape')}/guard"


class DaemonClient:
    """
    Asks one daemon.

    Args:
        url: where it serves, such as ``http://127.0.0.1:8370``.
        token_file: the file with its token; None for ``SWITCHMASTER_HTTP_TOKEN``, if it is set.

    Raises:
        UsageError: the URL is none, or the file can't be read.
    """

    def __init__(self, url: str, token_file: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or parts.username is not None or parts.query or parts.fragment:
            raise UsageError(f"{url!r} is not the URL of a daemon: expected such as {LOCAL_URL}")
        self.url = url.rstrip("/")
        environment = os.environ.get("SWITCHMASTER_HTTP_TOKEN") or os.environ.get("SWITCHMASTER_HTTP_READ_TOKEN")
        self._token = environment if token_file is None else read_secret(Path(token_file), "HTTP token")
        self._opener = build_opener(ProxyHandler({}), _NoRedirect())

    def get(self, path: str, **query: str | None) -> Line:
        """
        Return what a route answers.

        Args:
            path: of the route, percent-encoded.
            query: its parameters; None leaves one out.

        Raises:
            DaemonUnreachable: no daemon answers there.
            DaemonRefused: it answered with an error.
        """
        return self._ask(path, query, None)

    def post(self, path: str, body: Mapping[str, Any], **query: str | None) -> Line:
        """Send a body to a route, and return what it answers; arguments and errors as of `get`."""
        return self._ask(path, query, json.dumps(body).encode("ascii"))

    def _ask(self, path: str, query: Mapping[str, str | None], body: bytes | None) -> Line:
        given = {name: value for name, value in query.items() if value is not None}
        encoded = f"?{urlencode(given, errors='surrogateescape')}" if given else ""
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            request = Request(f"{self.url}{path}{encoded}", body, headers)
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                found = json.loads(answer.read(ANSWER_BYTES))
        except HTTPError as error:
            with error:
                raise DaemonRefused(self.url, error.code, _detail(error.read(ANSWER_BYTES))) from None
        except (URLError, OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise DaemonUnreachable(self.url, words) from None
        except ValueError:
            raise DaemonUnreachable(self.url, "what answers there is not switchmaster") from None
        if not isinstance(found, dict):
            raise DaemonUnreachable(self.url, "what answers there is not switchmaster")
        return found


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "what answers there is not switchmaster"
