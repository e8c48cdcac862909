"""How to reach an address: the user's input is checked where it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.net.address_map import map_address
from switchmaster.net.dial import Tls


def test_tls_names_the_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"CA file .*absent\.pem cannot be read \(No such file"):
        Tls(ca_file=tmp_path / "absent.pem").context()


def test_tls_names_the_file_that_is_no_certificate(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    with pytest.raises(UsageError, match=r"rubbish\.pem holds no certificate"):
        Tls(ca_file=rubbish).context()
    with pytest.raises(UsageError, match=r"rubbish\.pem .* do not load"):
        Tls(cert_file=rubbish).context()


def test_tls_refuses_a_key_that_belongs_to_another_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    one, other = authority.issue_cert("one.test"), authority.issue_cert("other.test")
    one.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    other.private_key_pem.write_to_path(tmp_path / "key.pem")
    with pytest.raises(UsageError, match="belong together"):
        Tls(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem").context()


def test_tls_refuses_a_key_without_its_certificate(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give both"):
        Tls(key_file=tmp_path / "key.pem").context()


def test_address_map_that_gives_no_address_is_the_callers_error() -> None:
    with pytest.raises(UsageError, match="address_map must give"):
        map_address(lambda address: "10.0.0.1", Address("10.0.0.2", 1))  # type: ignore[arg-type,return-value]


def test_address_map_that_raises_is_the_callers_error() -> None:
    def broken(address: Address) -> Address:
        raise KeyError(address)

    with pytest.raises(UsageError, match=r"address_map failed for 10\.0\.0\.2:1"):
        map_address(broken, Address("10.0.0.2", 1))


def test_address_map_may_be_a_table_or_a_function() -> None:
    announced, dialled = Address("10.0.0.1", 1), Address("127.0.0.1", 2)
    assert map_address({("10.0.0.1", 1): ("127.0.0.1", 2)}, announced) == dialled
    assert map_address(lambda address: dialled, announced) == dialled
    assert map_address({}, announced) == announced
    assert map_address(None, announced) == announced
