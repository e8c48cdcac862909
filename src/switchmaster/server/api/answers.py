"""
Answers: JSON that any text from the network fits into, with an ETag; errors as one sentence.

JSON is ASCII only (`lines.to_json`): names may hold bytes that were not UTF-8, which no other encoding would take.
Nothing from the network stands in a header.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, Field

__all__ = ["Problem", "ProblemError", "answer", "etag_of", "page", "problem", "rendered"]


class Problem(BaseModel):
    """What went wrong."""

    status: int = Field(description="The HTTP status.")
    title: str = Field(description="The status in words.")
    detail: str = Field(description="What is wrong, in a sentence.")


class ProblemError(Exception):
    """
    Ends a request with an error.

    Args:
        status: the HTTP status.
        detail: what is wrong, in a sentence.
        retry: seconds after which it may be worth another try; None says nothing of it.
    """

    def __init__(self, status: int, detail: str, retry: int | None = None) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.retry = retry


def rendered(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def etag_of(body: bytes) -> str:
    """Return the ETag of a body: it says the same of the same bytes, whoever made them."""
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
    Return 200 with a body, or 304 where the client has it.

    Args:
        request: what was asked.
        body: the answer, or its JSON.
        etag: the body's; None makes it.
        type: the body's.
        name: of the file that a browser saves it in; None shows it. Printable ASCII, without quotes.
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
