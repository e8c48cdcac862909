"""
A master's address is a record of a zone, changed by an update (RFC 2136) that TSIG signs (RFC 8945).

Each update demands that the records are still those that were read just before (RFC 2136 section 2.4): of two updates
at the same time one fails and is tried again, and an old one that was held up changes nothing.

A master's name becomes one label, and is refused if it is no label of a host: no name from the network can reach
another record than the template's. An announced address becomes A or AAAA, an announced host name CNAME.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar, Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.update

from ..errors import UsageError
from ..journal.reaction_rows import RunCause
from ..journal.wishes import Wish
from ..model import Address
from .action_kinds import Action, AttemptFailed, GiveUp, Run
from .destinations import resolve

__all__ = ["DnsAction", "DnsKey", "read_key"]

EXAMPLE: Final = "example"
ADDRESS_TYPES: Final = ("A", "AAAA", "CNAME")
KEY_BYTES: Final = 64 * 1024
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_KEY: Final = re.compile(r'\bkey\s+"?([^"\s{]+)"?\s*\{([^}]*)\}')
_ALGORITHM: Final = re.compile(r'\balgorithm\s+"?([A-Za-z0-9.-]+)"?\s*;')
_SECRET: Final = re.compile(r'\bsecret\s+"?([A-Za-z0-9+/=]+)"?\s*;')


@dataclass(frozen=True, slots=True)
class DnsKey:
    """A key of TSIG."""

    name: str
    algorithm: str
    ring: Any = field(repr=False)
    """With the secret."""


@dataclass(frozen=True, slots=True)
class DnsAction(Action):
    """Keeps records of a zone."""

    kind: ClassVar[str] = "dns"
    compares: ClassVar[bool] = True

    server: Address
    """The primary, or what forwards updates to it."""
    zone: str
    name: str
    """A template, with ``{master}``."""
    srv: str | None
    """The same for a SRV record, which has the port; None for none."""
    ttl: int
    key_file: str | None
    """As tsig-keygen writes it; read again with each attempt."""

    @property
    def summary(self) -> str:
        """The record and the server."""
        return f"{self.name} at {self.server}"

    async def apply(self, wish: Wish, run: Run) -> str:
        wanted = self._wanted(wish)
        key = self._key()
        found = {owner: await self._read(owner, kinds, key) for owner, kinds, _ in wanted}
        update = self._update(key)
        right = True
        for owner, kinds, record in wanted:
            for kind in kinds:
                there = found[owner].get(kind)
                if there is None:
                    update.absent(owner, kind)
                else:
                    unchanged = there.copy()
                    unchanged.ttl = 0  # as a prerequisite must have it
                    update.present(owner, unchanged)
                    update.delete(owner, kind)
            update.add(owner, record)
            right = right and found[owner] == {dns.rdatatype.to_text(record.rdtype): record}
        if right and run.cause is not RunCause.RUN:
            return f"{wanted[0][0]} is right already"
        _judge(await self._ask(update))
        return f"{', '.join(f'{owner} {_words(record)}' for owner, _, record in wanted)} written"

    async def compare(self, wish: Wish, run: Run) -> str:
        key = self._key()
        for owner, kinds, record in self._wanted(wish):
            found = await self._read(owner, kinds, key)
            if found != {dns.rdatatype.to_text(record.rdtype): record}:
                there = ", ".join(_words(one) for one in found.values())
                return f"{owner} shows {there or 'nothing'}"
        return ""

    async def test(self) -> str:
        key = self._key()
        owner, kinds, _ = self._wanted_of(EXAMPLE, Address("192.0.2.1", 6379))[0]
        await self._read(owner, kinds, key)
        # Without any change; the server checks the key and, by `allow-update`, the right first (RFC 2136 section 3).
        _judge(await self._ask(self._update(key)))
        return f"{self.server} takes updates of {self.zone}; nothing was changed"

    def plan(self, wish: Wish) -> str:
        return f"would write {', '.join(f'{owner} {_words(record)}' for owner, _, record in self._wanted(wish))}"

    def _wanted(self, wish: Wish) -> list[tuple[Any, tuple[str, ...], Any]]:
        return self._wanted_of(wish.master, wish.new)

    def _wanted_of(self, master: str, place: Address) -> list[tuple[Any, tuple[str, ...], Any]]:
        """Return what is kept of a master: each owner, the types that are ours there, and the only record."""
        if not _LABEL.fullmatch(master):
            raise GiveUp(f"{master!r} is no label of a name in the DNS")
        owner = dns.name.from_text(self.name.replace("{master}", master))
        kind, text = _address_record(place.host)
        found: list[tuple[Any, tuple[str, ...], Any]] = [(owner, ADDRESS_TYPES, self._record(owner, kind, text))]
        if self.srv is not None:
            service = dns.name.from_text(self.srv.replace("{master}", master))
            # Not to an alias (RFC 2782).
            target = owner if kind != "CNAME" else text
            found.append((service, ("SRV",), self._record(service, "SRV", f"0 0 {place.port} {target}")))
        return found

    def _record(self, owner: Any, kind: str, text: str) -> Any:
        return dns.rrset.from_text(owner, self.ttl, dns.rdataclass.IN, kind, text)

    def _key(self) -> DnsKey | None:
        if self.key_file is None:
            return None
        try:
            with Path(self.key_file).open(encoding="ascii") as opened:
                return read_key(opened.read(KEY_BYTES))
        except UnicodeDecodeError:
            raise AttemptFailed(f"{self.key_file} is not ASCII") from None
        except OSError as error:
            raise AttemptFailed(f"can't read {self.key_file}: {error.strerror}") from None
        except UsageError as error:
            raise AttemptFailed(f"{self.key_file}: {error}") from None

    def _update(self, key: DnsKey | None) -> Any:
        update = dns.update.UpdateMessage(self.zone)
        if key is not None:
            update.use_tsig(key.ring)
        return update

    async def _read(self, owner: Any, kinds: tuple[str, ...], key: DnsKey | None) -> dict[str, Any]:
        """Return the records that an owner has, by type."""
        found = {}
        for kind in kinds:
            query = dns.message.make_query(owner, kind)
            query.flags &= ~dns.flags.RD
            if key is not None:
                query.use_tsig(key.ring)
            answer = await self._ask(query)
            if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                raise AttemptFailed(f"{self.server} answers {dns.rcode.to_text(answer.rcode())} for {owner}")
            if not answer.flags & dns.flags.AA:
                raise AttemptFailed(f"{self.server} has no authority for {owner}")
            records = answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, dns.rdatatype.from_text(kind))
            if records is not None:
                found[kind] = records
        return found

    async def _ask(self, message: Any) -> Any:
        host = await resolve(self.server.host, self.server.port, public=False)
        try:
            return await dns.asyncquery.tcp(message, host, port=self.server.port)
        except dns.tsig.PeerError as error:
            raise AttemptFailed(f"{self.server} refuses the key: {type(error).__name__}") from None
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise AttemptFailed(f"{self.server}: {str(error) or type(error).__name__}") from None


def read_key(text: str) -> DnsKey:
    """
    Return the key of a file as tsig-keygen writes it.

    Raises:
        UsageError: there is none; the message does not show it.
    """
    for name, block in _KEY.findall(text):
        algorithm, secret = _ALGORITHM.search(block), _SECRET.search(block)
        if algorithm is None or secret is None:
            break
        try:
            ring = dns.tsigkeyring.from_text({name: (f"{algorithm[1].rstrip('.')}.", secret[1])})
        except (dns.exception.DNSException, ValueError):  # binascii.Error is one
            break
        if next(iter(ring.values())).algorithm not in dns.tsig.mac_sizes:
            raise UsageError(f"{algorithm[1]} is no algorithm of TSIG that is known, such as hmac-sha256")
        return DnsKey(name, algorithm[1], ring)
    raise UsageError('it holds no key { algorithm ...; secret "..."; } as tsig-keygen writes it')


def _address_record(host: str) -> tuple[str, str]:
    try:
        return ("A" if ip_address(host).version == 4 else "AAAA"), host
    except ValueError:
        pass
    if not _HOST.fullmatch(host):
        raise GiveUp(f"{host!r} is neither an address nor the name of a host")
    return "CNAME", f"{host.rstrip('.')}."


def _words(records: Any) -> str:
    return ", ".join(_each(records))


def _each(records: Any) -> Iterator[str]:
    kind = dns.rdatatype.to_text(records.rdtype)
    for one in records:
        yield f"{kind} {one}"


def _judge(answer: Any) -> None:
    code = answer.rcode()
    if code in (dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.YXDOMAIN, dns.rcode.NXDOMAIN):
        raise AttemptFailed("its records were changed meanwhile")
    if code != dns.rcode.NOERROR:
        raise AttemptFailed(f"the update was answered with {dns.rcode.to_text(code)}")
