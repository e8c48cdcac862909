"""URLs and the environment become settings; no sentence of an error shows what could be a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.url import (
    ConnectionSettings,
    ServerAccess,
    parse_address_map,
    parse_url,
    read_sentinels,
    settings_from_environment,
)

SECRET = "s3cretW0rd"


def test_url_gives_sentinels_master_and_database() -> None:
    settings = parse_url("redis+sentinel://h1:26380,h2,[::1]:5,[fe80::2]/my%2Fmaster/3")
    assert settings.sentinels == (
        Address("h1", 26380),
        Address("h2", 26379),
        Address("::1", 5),
        Address("fe80::2", 26379),
    )
    assert (settings.masters, settings.db) == (("my/master",), 3)


def test_url_without_path_means_all_masters() -> None:
    assert parse_url("valkey+sentinel://h1").masters is None
    assert parse_url("valkey+sentinel://h1/").masters is None


def test_userinfo_is_the_nodes_and_never_the_sentinels() -> None:
    settings = parse_url("redis+sentinel://us%40er:p%3Aa%2Fss@h1/mymaster")
    assert settings.node == ServerAccess(username="us@er", password="p:a/ss", tls=False)
    assert settings.sentinel == ServerAccess(tls=False)


def test_password_without_a_user_is_the_default_users() -> None:
    node = parse_url(f"redis+sentinel://:{SECRET}@h1").node
    assert (node.username, node.password) == (None, SECRET)


def test_sentinel_credentials_come_from_parameters() -> None:
    settings = parse_url(f"redis+sentinel://h1?sentinel_username=w&sentinel_password={SECRET}%26")
    assert settings.sentinel == ServerAccess(username="w", password=f"{SECRET}&", tls=False)
    assert settings.node == ServerAccess(tls=False)


@pytest.mark.parametrize(
    ("url", "sentinel", "node"),
    [
        ("rediss+sentinel://h1", True, True),
        ("valkeys+sentinel://h1", True, True),
        ("VALKEYS+SENTINEL://h1", True, True),
        ("redis+sentinel://h1", False, False),
        ("rediss+sentinel://h1?sentinel_tls=0", False, True),
        ("redis+sentinel://h1?sentinel_tls=1", True, False),
        ("redis+sentinel://h1?node_tls=yes", False, True),
    ],
)
def test_scheme_and_parameters_choose_tls(url: str, sentinel: bool, node: bool) -> None:
    settings = parse_url(url)
    assert (settings.sentinel.uses_tls, settings.node.uses_tls) == (sentinel, node)


def test_tls_files_apply_to_both_unless_the_sentinels_have_their_own() -> None:
    settings = parse_url("rediss+sentinel://h1?ca=a&cert=c&key=k&sentinel_ca=b&server_name=n")
    assert settings.node == ServerAccess(tls=True, ca="a", cert="c", key="k", server_name="n")
    assert settings.sentinel == ServerAccess(tls=True, ca="b", cert="c", key="k", server_name="n")


def test_tls_files_without_tls_are_refused() -> None:
    with pytest.raises(UsageError, match="does not use TLS"):
        parse_url("redis+sentinel://h1?ca=ca.pem")
    with pytest.raises(UsageError, match="does not use TLS"):
        parse_url("rediss+sentinel://h1?sentinel_tls=0&sentinel_ca=ca.pem")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://h1", "begins with"),
        ("http+sentinel://h1", "begins with"),
        ("redis+sentinel://", "names no Sentinel"),
        (f"redis+sentinel://user:{SECRET}@", "names no Sentinel"),
        (f"redis+sentinel://user:{SECRET}@h1:99999", "host number 1"),
        (f"redis+sentinel://user:{SECRET}", "host number 1"),
        (f"redis+sentinel://user:{SECRET}/x@h1:1", "after '/' or"),
        (f"redis+sentinel://user:{SECRET}?x@h1:1", "after '/' or"),
        (f"redis+sentinel://user:a@{SECRET}/x@h1:1", "after '/' or"),
        (f"redis+sentinel://user:{SECRET}#x@h1:1", "after '#'"),
        (f"redis+sentinel://user:a@h1?{SECRET}=1", "no parameter one of that name"),
        (f"redis+sentinel://user:{SECRET}@h1?sentinal_password=x", "'sentinel_password'"),
        (f"redis+sentinel://u:{SECRET}@h1?timeout=1&timeout=2", "twice"),
        (f"redis+sentinel://u:{SECRET}@h1?timeout=soon", "seconds"),
        (f"redis+sentinel://u:{SECRET}@h1?timeout=nan", "seconds"),
        (f"redis+sentinel://u:{SECRET}@h1?sentinel_tls={SECRET}", "1 or 0"),
        (f"redis+sentinel://u:{SECRET}@h1/m/zero", "with DB a number"),
        (f"redis+sentinel://u:{SECRET}@::1:26379", "host number 1"),
    ],
)
def test_wrong_url_is_a_sentence_without_the_password(url: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        parse_url(url)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_settings_or_a_usage_error(text: str) -> None:
    try:
        settings = parse_url("redis+sentinel://" + text)
    except UsageError:
        return
    assert settings.sentinels


def test_repr_shows_no_secret() -> None:
    settings = parse_url(f"redis+sentinel://u:{SECRET}@h1?sentinel_password={SECRET}")
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "words",
    [
        ["user:letmein@h1:26379"],
        ["letmein@h1"],
        ["user:letmein,x@h1"],
        ["user:letmein", "x@h1"],
        ["redis+sentinel://h1/m?sentinel_password=a&letmein"],
        ["redis+sentinel://h1/m?sentinel_password=a&letmein=b"],
        ["redis+sentinel://h1/m?ca=?sentinel_password=a&letmein"],
    ],
)
def test_password_that_looks_like_a_word_is_shown_by_no_error(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        read_sentinels(words)
    assert "letmein" not in str(caught.value)


def test_bytes_that_are_not_utf8_are_kept_everywhere() -> None:
    settings = parse_url("redis+sentinel://%ff:%fe@h1/%fd?sentinel_password=%fc")
    assert (settings.node.username, settings.node.password) == ("\udcff", "\udcfe")
    assert (settings.masters, settings.sentinel.password) == (("\udcfd",), "\udcfc")


@pytest.mark.parametrize("text", ["[[a]]:1", "[::1:2", "a]:1", "[a:1", "a[b]:1"])
def test_brackets_that_are_no_pair_around_a_host_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Address.parse(text)


def test_sentinels_are_addresses_separated_by_commas_or_a_url() -> None:
    expected = (Address("a", 1), Address("b", 26379))
    assert read_sentinels(["a:1,b", "a:1"]).sentinels == expected
    assert read_sentinels(["redis+sentinel://a:1,b"]).sentinels == expected
    assert read_sentinels([]) == ConnectionSettings()


def test_url_together_with_addresses_is_refused() -> None:
    with pytest.raises(UsageError, match="not both"):
        read_sentinels(["redis+sentinel://a:1", "b:2"])


def test_environment_gives_everything_but_empty_variables() -> None:
    settings = settings_from_environment(
        {
            "SWITCHMASTER_SENTINELS": "h1:1 h2:2,h3",
            "SWITCHMASTER_SENTINEL_USERNAME": "watch",
            "SWITCHMASTER_SENTINEL_PASSWORD": SECRET,
            "SWITCHMASTER_SENTINEL_TLS": "1",
            "SWITCHMASTER_NODE_PASSWORD_FILE": "/run/node",
            "SWITCHMASTER_NODE_USERNAME": "",
            "SWITCHMASTER_NODE_TLS_CA": "ca.pem",
            "SWITCHMASTER_TIMEOUT": "0.5",
            "SWITCHMASTER_ADDRESS_MAP": "10.0.0.1:1=127.0.0.1:2",
            "PATH": "/bin",
        }
    )
    assert settings == ConnectionSettings(
        sentinels=(Address("h1", 1), Address("h2", 2), Address("h3", 26379)),
        sentinel=ServerAccess(username="watch", password=SECRET, tls=True),
        node=ServerAccess(password_file="/run/node", ca="ca.pem"),
        address_map={Address("10.0.0.1", 1): Address("127.0.0.1", 2)},
        timeout=0.5,
    )
    assert settings.node.uses_tls


def test_wrong_variable_is_named_and_not_shown() -> None:
    with pytest.raises(UsageError, match="SWITCHMASTER_SENTINELS") as caught:
        settings_from_environment({"SWITCHMASTER_SENTINELS": f"redis://u:{SECRET}@h1"})
    assert SECRET not in str(caught.value)
    with pytest.raises(UsageError, match="not both"):
        settings_from_environment({"SWITCHMASTER_NODE_PASSWORD": SECRET, "SWITCHMASTER_NODE_PASSWORD_FILE": "f"})


def test_higher_precedence_wins_field_by_field() -> None:
    upper = ConnectionSettings(sentinels=(Address("a", 1),), sentinel=ServerAccess(username="u"))
    lower = ConnectionSettings(
        sentinels=(Address("b", 2),), timeout=2.0, sentinel=ServerAccess(username="l", password="p")
    )
    merged = upper.over(lower)
    assert merged.sentinels == (Address("a", 1),)
    assert merged.timeout == 2.0
    assert merged.sentinel == ServerAccess(username="u", password="p")


def test_password_file_replaces_a_password_of_lower_precedence() -> None:
    assert ServerAccess(password_file="f").over(ServerAccess(password="p")) == ServerAccess(password_file="f")
    assert ServerAccess(password="p").over(ServerAccess(password_file="f")) == ServerAccess(password="p")


def test_no_tls_drops_the_files_of_lower_precedence() -> None:
    assert not ServerAccess(tls=False).over(ServerAccess(tls=True, ca="ca.pem")).uses_tls


def test_address_map_is_pairs() -> None:
    assert parse_address_map([]) is None
    assert parse_address_map(["a:1=[::1]:2"]) == {Address("a", 1): Address("::1", 2)}
    with pytest.raises(UsageError, match="FROM=TO"):
        parse_address_map(["a:1"])
