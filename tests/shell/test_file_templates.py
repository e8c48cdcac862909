"""The templates that come along: what they render is accepted by the programs that read it, and no name breaks it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.programs import program_or_skip
from rig.reactions import HOSTILE, run, wish
from switchmaster.journal.wishes import Wish
from switchmaster.model import Address
from switchmaster.react import file_action
from switchmaster.react.action_kinds import GiveUp
from switchmaster.react.file_action import BUILT_IN, TEMPLATES, FileAction

V6 = Address("fd00::6", 6380)
ORDINARY = (wish(1), wish(2, "cache.eu-1"), wish(3, "v6", new=V6), wish(4, "a:b"))
TWINS = (wish(1), wish(2, deployment="other"))
HOSTILES = (
    wish(1, HOSTILE),
    wish(1, "x }\nserver { listen 1; }"),
    wish(1, "y", new=Address("6.6.6.6:1 check\nserver evil 6.6.6.6", 1)),
    wish(1, 'z", "evil": "'),
    wish(1, "-- #", new=Address("6.6.6.6;", 1)),
    wish(1, "{{ 7 * 7 }}"),
)
PORTS = {"m1": 22121, "cache.eu-1": 22122, "v6": 22123, "a:b": 22124}


@pytest.fixture(autouse=True)
def _own_locks() -> Iterator[None]:
    # A lock belongs to the loop that it was first waited for in.
    file_action._LOCKS.clear()
    yield
    file_action._LOCKS.clear()


def rendered(folder: Path, template: str, *wishes: Wish, validate: tuple[str, ...] = (), ports: Any = PORTS) -> str:
    """Write a file with the action, and return its text."""
    path = folder / "out"
    action = FileAction(str(path), template, None, validate, (), 0o644, ports)
    asyncio.run(action.test())
    if wishes:
        asyncio.run(action.apply(wishes[0], replace(run(), elsewhere=lambda: list(wishes))))
    return path.read_text()


def test_every_template_has_its_file() -> None:
    assert {one.stem for one in TEMPLATES.glob("*.j2")} == set(BUILT_IN)


@pytest.mark.parametrize("template", BUILT_IN)
def test_hostile_names_and_addresses_change_no_line_of_a_template(tmp_path: Path, template: str) -> None:
    plain = rendered(tmp_path, template, *ORDINARY)
    assert rendered(tmp_path, template, *ORDINARY, *HOSTILES) == plain
    for one in HOSTILES:
        with pytest.raises(GiveUp, match="is left out"):
            rendered(tmp_path, template, one)


def test_masters_of_the_same_name_get_sections_of_their_own(tmp_path: Path) -> None:
    assert rendered(tmp_path, "hosts", *TWINS) == "10.0.1.2 kvdb.m1\n10.0.1.3 other.m1\n"
    assert rendered(tmp_path, "hosts", wish(1, new=Address("node-1.example", 6379))) == ""


@pytest.mark.parametrize("ports", [{}, PORTS], ids=["backends", "listeners"])
def test_haproxy_accepts_its_template(tmp_path: Path, ports: dict[str, int]) -> None:
    base = tmp_path / "base.cfg"
    base.write_text("defaults\n    timeout connect 1s\n    timeout client 1m\n    timeout server 1m\n")
    if not ports:  # it refuses a configuration without any listener
        base.write_text(
            base.read_text() + "frontend one\n    mode tcp\n    bind 127.0.0.1:22121\n    default_backend m1\n"
        )
    validate = (program_or_skip("haproxy"), "-c", "-f", str(base), "-f", "{file}")
    if not ports:
        asyncio.run(_write(tmp_path, validate))
        return
    text = rendered(tmp_path, "haproxy", *ORDINARY, *HOSTILES, validate=validate, ports=ports)
    assert "    server master [fd00::6]:6380\n" in text


async def _write(folder: Path, validate: tuple[str, ...]) -> None:
    action = FileAction(str(folder / "out"), "haproxy", None, validate, (), 0o644)
    await action.apply(ORDINARY[0], replace(run(), elsewhere=lambda: [*ORDINARY, *HOSTILES]))
    assert "backend m1\n" in (folder / "out").read_text()


def test_twemproxy_accepts_its_template(tmp_path: Path) -> None:
    validate = (program_or_skip("nutcracker"), "-t", "-c", "{file}")
    text = rendered(tmp_path, "twemproxy", *ORDINARY, *HOSTILES, wish(5, "unlisted"), validate=validate)
    assert text.count("redis: true") == len(ORDINARY)


def test_nginx_accepts_its_template(tmp_path: Path) -> None:
    nginx = program_or_skip("nginx")
    text = rendered(tmp_path, "nginx-stream", *ORDINARY, *HOSTILES)
    assert "upstream a_b {" in text
    main = tmp_path / "nginx.conf"
    main.write_text(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nstream {{ include {tmp_path}/out; }}\n"
    )
    done = subprocess.run(
        [nginx, "-t", "-c", str(main), "-p", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_envoy_gets_a_discovery_response(tmp_path: Path) -> None:
    named = wish(5, "named", new=Address("node-1.example", 6379))  # EDS takes addresses only
    found = json.loads(rendered(tmp_path, "envoy-eds", named, *ORDINARY))["resources"]
    assert [one["cluster_name"] for one in found] == ["a:b", "cache.eu-1", "m1", "v6"]
    [endpoint] = found[3]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == {"socket_address": {"address": "fd00::6", "port_value": 6380}}
    assert json.loads(rendered(tmp_path, "envoy-eds", named))["resources"] == []
