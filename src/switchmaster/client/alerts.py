"""
Why a peer of TLS left, where a failed write does not say it.

With TLS 1.3 a server judges our certificate only after the handshake has ended for us. If it has left before our first
command is written, the write fails as if the server were gone, which may pass; its alert, which says what is wrong with
the configuration, waits to be read.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

__all__ = ["hearing_alerts", "telling_alerts"]

_READ: Final = 65_536
"""Bytes that one read returns at most."""
_READS: Final = 64
"""Reads in which an alert is looked for: a peer that goes on sending has not left with one."""


def telling_alerts(plain: Any) -> dict[str, Any]:
    """
    Return methods for a class of sockets, by which a failed write raises the peer's alert.

    Args:
        plain: the class that they are mixed into.

    Returns:
        The methods by name; none unless it is Python's class of TLS, or one that is made from it.
    """
    if not issubclass(plain, ssl.SSLSocket):
        return {}
    send = plain.sendall  # that of greenlets, where the class is theirs

    def sendall(self: Any, data: Any, flags: int = 0) -> None:
        """Send all of it, or raise what the peer said when it left."""
        try:
            send(self, data, flags)
        except TimeoutError:
            raise
        except OSError as failure:
            alert = _alert(self)
            if alert is None:
                raise
            raise alert from failure

    return {"sendall": sendall}


def _alert(opened: Any) -> ssl.SSLError | None:
    """Return the alert that the peer has sent; None if there is none. Nothing can be written any more."""
    try:
        opened.settimeout(0.0)
        for _ in range(_READS):
            if not opened.recv(_READ):  # otherwise answers that nothing waits for: the connection is lost
                break
    except (ssl.SSLWantReadError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
        return None
    except ssl.SSLError as alert:
        return alert
    except OSError:
        return None
    return None


@asynccontextmanager
async def hearing_alerts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """
    Have an error of a greeting be caused by the peer's alert, if there was one.

    Args:
        reader: of the connection that is greeted.
        writer: likewise.
    """
    tls = writer.get_extra_info("ssl_object") is not None
    if tls:  # the loop looks at all sockets between these two, and so reads an alert before anything is written
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    try:
        yield
    except Exception as error:
        alert = reader.exception() if tls else None
        if not isinstance(alert, ssl.SSLError):
            raise
        raise error from alert
