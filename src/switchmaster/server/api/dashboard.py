"""
The dashboard's files: read once, kept in memory, served with the type that their name says.

An ETag is of the content, so that a browser asks again at each visit and gets 304 until the daemon is another version.
Types are ours: what the machine's own table says of ``.js`` a browser may refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .answers import etag_of

__all__ = ["WEB", "Dashboard"]

WEB: Final = Path(__file__).parent.parent / "web"
"""Where the files are."""

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served; files of other kinds are not."""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    type: str
    etag: str


class Dashboard:
    """
    An ASGI application of files.

    Args:
        folder: where they are; a page is served without its ``.html`` too, and ``index.html`` at ``/``.
    """

    def __init__(self, folder: Path = WEB) -> None:
        self._files: dict[str, _File] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in TYPES:
                body = path.read_bytes()
                file = _File(body, TYPES[path.suffix], etag_of(body))
                name = f"/{path.relative_to(folder).as_posix()}"
                self._files[name] = file
                if path.suffix == ".html":
                    self._files[name.removesuffix(".html").removesuffix("index")] = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file; 404 and 405 are raised, for the application to word."""
        file = self._files.get(scope["path"])
        if file is None:
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        request = Request(scope)
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
        if file.etag in known:
            response = Response(status_code=304, headers=headers)
        else:
            response = Response(file.body, headers={**headers, "Content-Type": file.type})
        await response(scope, receive, send)
