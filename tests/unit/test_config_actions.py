"""`[[actions]]`: what is wrong with one is known at the start, and its secrets are shown nowhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from switchmaster import react
from switchmaster.server.settings import action_settings
from switchmaster.server.settings.configuration import problems_of, read_configuration

HEAD = "[deployments.a]\nsentinels = ['h']\n[[actions]]\nname = 'f'\n"
KEY = 'key "switchmaster" { algorithm hmac-sha256; secret "aHVudGVyMmh1bnRlcjI="; };\n'
DNS = "type = 'dns'\nserver = '10.0.0.53'\nzone = 'kv.example'\nrecord = '{master}.kv.example'\n"
ETCD = "type = 'etcd'\nendpoints = 'http://10.0.0.1:2379'\n"


def written(tmp_path: Path, keys: str) -> Path:
    for name, text in (("secret", "hunter2\n"), ("key", KEY), ("no.key", "key x { secret; };\n")):
        (tmp_path / name).write_text(text)
    path = tmp_path / "c.toml"
    path.write_text(HEAD + keys)
    return path


def checked(tmp_path: Path, keys: str, sentence: str, group: str = "point") -> Any:
    """Return the action if nothing is wrong with it, and nothing should be."""
    path = written(tmp_path, keys)
    found = problems_of(path, environ={})
    assert [sentence in one for one in found] == ([True] if sentence else []), found
    assert not any("hunter2" in one for one in found)
    if sentence:
        return None
    [action] = read_configuration(path, environ={}).actions
    assert (action.group, action.every) == (group, group == "notify")
    assert "hunter2" not in repr(action)
    assert "aHVudGVy" not in repr(action)
    return action.action


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("template = 'haproxy'", ""),
        ("template = 'twemproxy'\nports = { m1 = 22121 }", ""),
        ("template = 'twemproxy'", "twemproxy needs a port for each master"),
        ("template = 'haproxy'\nports = { m1 = 0 }", "must be a table of ports"),
        ("template = 'haproxy'\nports = { m1 = 1, m2 = 1 }", "must give each master a port of its own"),
        ("template = 'nginx'", "actions[0].template"),
    ],
)
def test_template_of_a_file_is_checked(tmp_path: Path, keys: str, sentence: str) -> None:
    checked(tmp_path, f"type = 'file'\npath = 'out'\n{keys}", sentence)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (DNS, ""),
        (DNS + "key_file = 'key'\nsrv = '_redis._tcp.{master}.kv.example'\nttl = 0", ""),
        (DNS.replace("{master}", "m1") + "masters = 'm1'", ""),
        (DNS.replace("{master}", "m1"), "its record has no {master}"),
        (DNS.replace("{master}.kv", "{master}.other"), "is not in the zone kv.example"),
        (DNS + "srv = '_redis._tcp.{master}.example'", "is not in the zone kv.example"),
        (DNS.replace("{master}.", "{master}.."), "a name is none of the DNS"),
        (DNS + "key_file = 'none'", "can't read"),
        (DNS + "key_file = 'no.key'", "it holds no key"),
        (DNS + "ttl = -1", "actions[0].ttl"),
        (DNS.replace("10.0.0.53", "h:0"), "the action 'f' can't be used"),
    ],
)
def test_record_of_the_dns_is_checked(tmp_path: Path, keys: str, sentence: str) -> None:
    checked(tmp_path, keys, sentence)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (ETCD + "username = 'u'\npassword_file = 'secret'\nkey = '/x/{master}'", ""),
        (ETCD.replace("'http", "['https://h:1', 'http").replace("2379'", "2379/']"), ""),
        (ETCD + "username = 'u'", "it needs both username and password_file"),
        (ETCD + "username = 'u'\npassword_file = 'none'", "can't read"),
        (ETCD + "key = '/x'", "must be a key with {master} in it"),
        (ETCD + "ca = 'none.pem'", "the action 'f' can't be used"),
        (ETCD + "cert_key = 'secret'", "a TLS key was given without its certificate"),
        (ETCD.replace("http:", "ftp:"), "must be an http:// or https:// URL"),
        (ETCD.replace("2379", "2379/v3"), "must be URLs without a path"),
        (ETCD.replace("10.0.0.1", "u:hunter2@h"), "must hold no user and no password"),
        (ETCD.replace("'http://10.0.0.1:2379'", "[]"), "must be an array of http:// or https:// URLs"),
    ],
)
def test_key_of_etcd_is_checked(tmp_path: Path, keys: str, sentence: str) -> None:
    checked(tmp_path, keys, sentence)


CONSUL = "type = 'consul'\nendpoints = 'http://10.0.0.1:8500'\n"
KUBERNETES = "type = 'kubernetes'\napi = 'https://10.0.0.1:6443'\ntoken_file = 'secret'\nnamespace = 'kv'\n"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (CONSUL + "token_file = 'secret'\nservice = 'redis-{master}'\ntags = 'master'", ""),
        (CONSUL + "token_file = 'none'", "can't read"),
        (CONSUL + "service = 'redis'", "with {master} in it"),
        (CONSUL + "service = 'redis.{master}'", "must be a name of small letters"),
        (KUBERNETES + "service = '{master}'\nport_name = 'redis'", ""),
        (KUBERNETES + "pods = 'app=redis,shard={master}'", ""),
        (KUBERNETES + "pods = 'app=redis'\nmasters = 'm1'", ""),
        (KUBERNETES + "pods = 'app=redis'", "its pods have no {master}"),
        (KUBERNETES, "it needs one of service"),
        (KUBERNETES + "pods = '{master}'\nservice = '{master}'", "it needs one of service"),
        (KUBERNETES.replace("'secret'", "'none'") + "service = '{master}'", "can't read"),
        ("type = 'kubernetes'\nservice = '{master}'", "this is no pod of Kubernetes"),
    ],
)
def test_consul_and_kubernetes_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str, sentence: str
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    checked(tmp_path, keys, sentence)


def test_pod_of_kubernetes_uses_its_own_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name, text in (("token", "hunter2"), ("namespace", "kv\n")):
        (own / name).write_text(text)
    monkeypatch.setattr(action_settings, "POD_CREDENTIALS", own)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    action = checked(tmp_path, "type = 'kubernetes'\nservice = 'redis-{master}'", "")
    assert (action.target.urls, action.namespace, action.token_file) == (
        ("https://[fd00::1]:443",),
        "kv",
        str(own / "token"),
    )


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("socket = 'admin.sock'", ""),
        ("socket = '10.0.0.1:9999'\nbackend = 'kv'\nserver = '{master}'", ""),
        ("socket = 'admin.sock'\nbackend = 'kv'\nmasters = 'm1'", ""),
        ("socket = 'admin.sock'\nbackend = 'kv'", "neither its backend nor its server has {master}"),
        ("socket = 'admin.sock'\nbackend = 'kv; {master}'", "is no name of a HAProxy backend or server"),
    ],
)
def test_server_of_haproxy_is_checked(tmp_path: Path, keys: str, sentence: str) -> None:
    checked(tmp_path, f"type = 'haproxy'\n{keys}", sentence)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("urls_file = 'urls'", ""),
        ("urls_file = 'urls'\ntitle = '{{ switches | length }}'\nbody = '{{ switches[0].new }}'\nfold = 0.5", ""),
        ("urls_file = 'none'", "can't read"),
        ("urls_file = 'secret'", "line 1 is no URL of a service"),
        ("urls_file = 'urls'\nbody = '{{ master }}'", "its template: UndefinedError"),
        ("urls_file = 'urls'\nfold = 60", "its timeout must be longer than fold"),
    ],
)
def test_services_for_people_are_checked(tmp_path: Path, keys: str, sentence: str) -> None:
    (tmp_path / "urls").write_text("json://ann:hunter2@localhost/\n")
    checked(tmp_path, f"type = 'notify'\n{keys}", sentence, "notify")


def test_service_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.delitem(sys.modules, "switchmaster.react.notify_action", raising=False)
    monkeypatch.delattr(react, "notify_action", raising=False)
    sentence = "apprise is not installed; install it with: pip install 'switchmaster[notify]'"
    checked(tmp_path, "type = 'notify'\nurls_file = 'urls'", sentence)
