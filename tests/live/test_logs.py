"""
Real servers' own log files show the failovers that their subscribers saw, in every format that they write.
"""

from __future__ import annotations

import pytest

from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from rig.watcher_log import WatcherLog, watcher_log
from switchmaster.account.logs import LogFile, LogReader, Logs, RemarkKind, merge_logs
from switchmaster.account.replay import replay
from switchmaster.account.transcript import Said
from switchmaster.belief.failover import Failover, Stage
from switchmaster.lab import Lab
from switchmaster.net.heard import Heard

pytestmark = pytest.mark.live

FORMATS = [(form, stamp) for form in ("legacy", "logfmt") for stamp in ("legacy", "iso8601", "milliseconds")]
FAR_FUTURE = 4e9


def heard_by(told: WatcherLog) -> list[Said]:
    return [
        Said(one.sentinel, one.time, one.event.channel, one.event.payload, 0)
        for one in list(told.log)
        if isinstance(one, Heard)
    ]


def read_logs(lab: Lab) -> Logs:
    files = []
    for server in [*lab.sentinels, *lab.nodes()]:
        reader = LogReader(str(server.log))
        reader.feed(server.log.read_bytes())
        files.append(LogFile(reader.name, reader.entries))
    return merge_logs(files, latest=FAR_FUTURE)


def stories(said: list[Said] | tuple[Said, ...]) -> list[tuple[object, ...]]:
    found = []
    for record in replay(said):
        if isinstance(record, Failover):
            stages = {entry.stage for entry in record.stages} - {Stage.RECONFIGURING}
            found.append((record.kind, record.outcome, record.old, record.new, record.epoch, record.leader, stages))
    return found


def synchronised(lab: Lab, port: int) -> bool:
    done = (RemarkKind.FULL_SYNC, RemarkKind.PARTIAL_SYNC)
    noted = [one for one in read_logs(lab).noted if one.origin == f"127.0.0.1:{port}"]
    began = max((one.time for one in noted if one.remark.kind is RemarkKind.STARTED), default=0.0)
    return any(one.remark.kind in done and one.time > began for one in noted)


def check_same(logs: Logs, told: WatcherLog) -> None:
    began = min(said.time or 0.0 for said in heard_by(told))
    since = [said for said in logs.said if (said.time or 0.0) >= began - 1.0]
    assert stories(since) == stories(heard_by(told))
    assert logs.unreadable == ()
    assert all(offset.seconds == 0.0 for offset in logs.offsets.values())


def test_logs_and_subscribers_agree_on_a_crash_and_a_return(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, down_after_ms=3000 if find_or_skip(server).kind == "valkey" else 1000)
    old = lab.master()
    with watcher_log(lab) as told:
        lab.crash(old)
        told.wait_for("+failover-end")
        told.wait_until_settled()
        lab.restart(old)
        told.wait_for("+convert-to-slave")
        eventually(lambda: synchronised(lab, old.port), what="the old master's own log to say that it synchronised")
        logs = read_logs(lab)
        check_same(logs, told)
    promoted = [noted for noted in logs.noted if noted.remark.kind is RemarkKind.PROMOTED]
    new = lab.master()
    assert f"127.0.0.1:{new.port}" in {noted.origin for noted in promoted}
    assert {f"127.0.0.1:{node.port}" for node in lab.nodes()} == set(logs.nodes)


@pytest.mark.parametrize(("form", "stamp"), FORMATS)
def test_every_format_of_valkey_is_read_live(lab_factory: LabFactory, form: str, stamp: str) -> None:
    lines = (f"log-format {form}", f"log-timestamp-format {stamp}")
    lab = lab_factory(binary=str(find_or_skip("valkey-9.1").path), sentinel_lines=lines, node_lines=lines)
    with watcher_log(lab) as told:
        lab.failover()
        told.wait_for("+failover-end")
        told.wait_until_settled()
        logs = read_logs(lab)
        check_same(logs, told)
    assert logs.zoned is (stamp != "legacy")
    assert [noted.remark.master for noted in logs.noted if noted.remark.kind is RemarkKind.REQUESTED] == ["mymaster"]
