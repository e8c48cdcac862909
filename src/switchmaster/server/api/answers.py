"""
Answers: JSON that can hold any text from the network, with an ETag; errors as one sentence.

JSON is ASCII only: names may hold bytes that were not UTF-8, which no other encoding could carry. No header contains
text from the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, Field

from ...journal import Page
from ...journal.fast_json import fast_json

__all__ = ["Problem", "ProblemError", "answer", "answer_page", "etag_of", "page", "problem", "rendered"]


class Problem(BaseModel):
    """An error."""

    status: int = Field(description="The HTTP status.")
    title: str = Field(description="The status in words.")
    detail: str = Field(description="What is wrong, in a sentence.")


class ProblemError(Exception):
    """
    Ends a request with an error answer.

    Args:
        status: the HTTP status.
        detail: what is wrong, in a sentence.
        retry: seconds after which the client may retry; None sends no ``Retry-After``.
    """

    def __init__(self, status: int, detail: str, retry: int | None = None) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.retry = retry


def rendered(value: Any) -> bytes:
    """Return a value as JSON."""
    return fast_json(value).encode("ascii")


def etag_of(body: bytes) -> str:
    """Return the ETag of a body: equal for equal bytes, whichever daemon made them."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def problem(status: int, detail: str, retry: int | None = None) -> Response:
    """Return an error's answer; arguments as of `ProblemError`."""
    body = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}
    headers = {} if retry is None else {"Retry-After": str(retry)}
    return Response(rendered(body), status, headers, media_type="application/json")


def page(items: list[Any], next: str | None = None) -> Mapping[str, Any]:
    """Return a list's body."""
    return {"items": items, "next": next}


def answer(
    request: Request,
    body: bytes | Mapping[str, Any],
    etag: str | None = None,
    type: str = "application/json",
    name: str | None = None,
) -> Response:
    """
    Return 200 with a body, or 304 if the client has it.

    Args:
        request: the request.
        body: the JSON value, or its bytes.
        etag: the ETag; None computes it.
        type: the content type.
        name: the file name under which a browser saves it, printable ASCII without quotes; None shows it.
    """
    if not isinstance(body, bytes):
        body = rendered(body)
    etag = etag or etag_of(body)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    known = request.headers.get("if-none-match", "") if request.method == "GET" else ""
    if known.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=type)


def answer_page(request: Request, found: Page) -> Response:
    """Return 200 with a page of the journal."""
    return answer(request, page(found.items, found.next))
