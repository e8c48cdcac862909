"""
The dashboard's files: read once, kept in memory, served with the content type of their suffix.

The ETag is made from the content: a browser asks again at each visit and gets 304 until the daemon's version changes.
Content types are fixed here, because a browser may refuse what a machine's own table says of ``.js``.
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
"""The folder of the files."""

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Served suffixes; other files are not served."""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    type: str
    etag: str


class Dashboard:
    """
    An ASGI application of files.

    Args:
        folder: the folder of the files; a page is also served without its ``.html``, and ``index.html`` at ``/``.
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
        """Answer with a file; raise 404 or 405 for the application to answer."""
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
