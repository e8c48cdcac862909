"""
Faults in the rules of the guard, for `mutants`: each rule of evidence, each objection, and the walk.

The tests of the guard's rules (tests/unit/test_guard_*.py) must catch each.
"""

from __future__ import annotations

__all__ = ["GUARD_FAULTS"]

GUARD_FAULTS: list[tuple[str, str, str, str]] = [
    # Evidence.
    (
        "act on a silent master",
        "evidence.py",
        "if sample.dialled is not Dialled.REFUSED:",
        "if sample.dialled not in (Dialled.REFUSED, Dialled.SILENT):",
    ),
    ("need no refused connect", "evidence.py", "if sample.dialled is not Dialled.REFUSED:", "if False:"),
    ("need no Sentinel", "evidence.py", "if 2 * sample.cut_off() <= sentinels:", "if False:"),
    (
        "count the Sentinels that answered alone",
        "evidence.py",
        "if 2 * sample.cut_off() <= sentinels:",
        "if 2 * sample.cut_off() <= len(sample.sentinels):",
    ),
    (
        "let half of the Sentinels suffice",
        "evidence.py",
        "if 2 * sample.cut_off() <= sentinels:",
        "if 2 * sample.cut_off() < sentinels:",
    ),
    ("need no replica", "evidence.py", "if 2 * orphaned <= len(replicas):", "if False:"),
    (
        "count the replicas that answered alone",
        "evidence.py",
        "if 2 * orphaned <= len(replicas):",
        "if 2 * orphaned <= len(sample.replicas):",
    ),
    (
        "let half of the replicas suffice",
        "evidence.py",
        "if 2 * orphaned <= len(replicas):",
        "if 2 * orphaned < len(replicas):",
    ),
    (
        "hear Sentinels that speak of another master",
        "evidence.py",
        "for each in self.sentinels if each.master.address == self.master)",
        "for each in self.sentinels)",
    ),
    ("count replicas of another master", "evidence.py", " and each.following == self.master]", "]"),
    ("count strangers as replicas", "evidence.py", "if each.node in among and each.", "if each."),
    (
        "count a link of which nothing is known",
        "evidence.py",
        "if each.link_up is False})",
        "if not each.link_up})",
    ),
    (
        "count a Sentinel as often as it speaks",
        "evidence.py",
        "len({each.sentinel for each in self.words_of() if each.disconnected})",
        "len([each.sentinel for each in self.words_of() if each.disconnected])",
    ),
    ("do not look at the process", "evidence.py", "if sample.process is ProcessState.RUNNING:", "if False:"),
    # Objections.
    (
        "act during maintenance",
        "objections.py",
        '"an operator has suspended the guard" if case.own.maintenance else ""',
        '""',
    ),
    ("act without the lease", "objections.py", "if case.own.leased else", "if True else"),
    (
        "act beside another guard",
        "objections.py",
        'with this one: {names}" if names else',
        'with this one: {names}" if False else',
    ),
    ("act though late", "objections.py", "if case.own.late > LATE else", "if False else"),
    ("act though deaf", "objections.py", "if live < needed else", "if False else"),
    ("act in TILT", "objections.py", "if tilted else", "if False else"),
    ("act on any belief", "objections.py", '"" if case.state.grade is Grade.AGREED else', '"" if True else'),
    (
        "act beside a failover that a Sentinel leads",
        "objections.py",
        "if case.state.failing_over or leading else",
        "if case.state.failing_over else",
    ),
    (
        "act beside a failover that is believed",
        "objections.py",
        "if case.state.failing_over or leading else",
        "if leading else",
    ),
    ("know no cool-down", "objections.py", "if case.failed_over_at is None or", "if True or"),
    ("act after an announced shutdown", "objections.py", "report is None or not report.stopping:", "True:"),
    ("act though too few answer", "objections.py", "or len(case.words) >= needed:", "or True:"),
    (
        "act though nothing is left to save",
        "objections.py",
        "if held is not None and held <= left else",
        "if False else",
    ),
    ("act whatever the lag", "objections.py", "if lag > case.policy.max_lag else", "if False else"),
    (
        "act though the lag is not known",
        "objections.py",
        "    if lag is None:\n",
        '    if lag is None:\n        return ""\n',
    ),
    (
        "act though Sentinel does so soon",
        "objections.py",
        "left[(len(left) - 1) // 2] >= SOON_MS:",
        "True:",
    ),
    (
        "let one of two Sentinels hide that the others act soon",
        "objections.py",
        "left[(len(left) - 1) // 2] >= SOON_MS:",
        "left[len(left) // 2] >= SOON_MS:",
    ),
    # The case.
    (
        "let one Sentinel overstate the majority",
        "case.py",
        "return self.state.electorate.known\n",
        "return max(self.state.electorate.known, self.state.electorate.counted or 0)\n",
    ),
    ("count replicas that no majority lists", "case.py", " if each.address in self.state.listed)", ")"),
    (
        "ask a Sentinel out of step",
        "case.py",
        "if word.master.config_epoch == case.state.epoch\n        and not",
        "if not",
    ),
    ("ask a Sentinel in TILT", "case.py", "case.sentinels[word.sentinel].tilt)", "False)"),
    ("ask a Sentinel with replicas of its own", "case.py", "in known\n    ]", "is not None\n    ]"),
    ("ask the Sentinel on the dead host", "case.py", "return word.host == host, ", "return False, "),
    (
        "ask a Sentinel that would promote another",
        "case.py",
        "-choices[chosen(word.master, word.replicas)], -seen",
        "0, -seen",
    ),
    ("think that every master keeps its data", "case.py", "report.comes_back_empty is True", "False"),
    # The walk.
    (
        "act on one sample",
        "master_guard.py",
        "if self.policy.grace > 0 and not comes_back_empty(case):",
        "if False:",
    ),
    (
        "wait though a restart wipes",
        "master_guard.py",
        "if self.policy.grace > 0 and not comes_back_empty(case):",
        "if self.policy.grace > 0:",
    ),
    (
        "be certain of any death that was proved",
        "master_guard.py",
        "walk.certain = sample.process is ProcessState.GONE",
        "walk.certain = True",
    ),
    (
        "be certain though the master has answered since",
        "master_guard.py",
        "if walk.certain and walk.proved_at is not None and",
        "if walk.certain and",
    ),
    (
        "be certain though another process listens",
        "master_guard.py",
        "walk.proved_at is not None and sample.dialled is Dialled.REFUSED:",
        "walk.proved_at is not None:",
    ),
    (
        "take a process that is gone for a proof alone",
        "master_guard.py",
        "if walk.certain and walk.proved_at is not None and sample",
        "if sample.process is ProcessState.GONE and sample",
    ),
    (
        "end a sample before a majority of the Sentinels has spoken",
        "master_guard.py",
        "return len(case.words) >= case.majority and (",
        "return (",
    ),
    (
        "end a sample before it proves anything",
        "master_guard.py",
        "(walk.empty or not _against(walk, case, sample))",
        "True",
    ),
    (
        "keep a proof that the next sample contradicts",
        "master_guard.py",
        "            walk.proved_at = None\n            self._wait",
        "            self._wait",
    ),
    (
        "keep a proof though the master has answered",
        "master_guard.py",
        "            self._walk.proved_at = None  # it answered since\n",
        "            pass\n",
    ),
    (
        "judge a sample of an earlier walk",
        "master_guard.py",
        "if sample.master != walk.node or sample.at < walk.begun:",
        "if False:",
    ),
    ("walk on after a switch", "master_guard.py", "if case.master != walk.node or self.policy", "if self.policy"),
    (
        "act though disarmed in a walk",
        "master_guard.py",
        "or self.policy.arming is Arming.DISARMED:\n            return self._end()",
        "or False:\n            return self._end()",
    ),
    ("wait for ever for a sample", "master_guard.py", "elif self.phase is GuardPhase.SAMPLING:", "elif False:"),
    (
        "order again after an order in vain",
        "master_guard.py",
        "        self.failed_over_at = moment.now  # one order for each death\n",
        "",
    ),
    (
        "begin no cool-down after the failover of others",
        "master_guard.py",
        "walk, self.failed_over_at = self._walk, moment.now\n",
        "walk = self._walk\n",
    ),
    (
        "act in a dry run",
        "master_guard.py",
        "if self.policy.arming is not Arming.ARMED:",
        "if self.policy.arming is Arming.DISARMED:",
    ),
    (
        "tell a refusal again and again",
        "master_guard.py",
        "if walk is not None and not names <= self._told:",
        "if walk is not None:",
    ),
    ("judge a master that loads", "master_guard.py", "if report.loading and restarted:", "if False:"),
    (
        "take a master for empty whose replicas are empty",
        "master_guard.py",
        "return any((each.keys or 0) > report.keys for node, each in known.items() if node != report.node)",
        "return True",
    ),
    (
        "take an old process for a new one",
        "master_guard.py",
        'and report.run_id not in ("", before.run_id)',
        'and report.run_id != ""',
    ),
    (
        "weigh the death of a master that lives and is empty",
        "master_guard.py",
        "case = replace(case, empty=walk.empty)",
        "case = replace(case, empty=False)",
    ),
    (
        "order again for an empty master while an order is out",
        "master_guard.py",
        "if self.policy.arming is Arming.DISARMED or self.phase is GuardPhase.ORDERED:",
        "if self.policy.arming is Arming.DISARMED:",
    ),
    (
        "keep reports without a bound",
        "master_guard.py",
        "if before is None and len(self.reports) > LIMITS.replicas:",
        "if False:",
    ),
    # Which replica Sentinel would promote.
    ("promote a replica that is down", "promotable.py", "not replica.flags & _DOWN", "True"),
    ("promote a replica that is disconnected", "promotable.py", '"disconnected" not in replica.flags', "True"),
    ("promote a replica of priority 0", "promotable.py", "replica.priority > 0", "True"),
    ("promote a replica that lost its master long ago", "promotable.py", "link_down <= link_limit", "True"),
    ("promote a replica that is silent", "promotable.py", "replica.last_ok_ping_ms <= PING_LIMIT_MS", "True"),
    ("promote a replica of which INFO is old", "promotable.py", "replica.info_age_ms <= info_limit", "True"),
    (
        "promote whatever the priority",
        "promotable.py",
        "return replica.priority, -replica.offset",
        "return 0, -replica.offset",
    ),
    ("promote whatever the offset", "promotable.py", "replica.priority, -replica.offset", "replica.priority, 0"),
    # What nodes say.
    ("miss a SHUTDOWN", "node_info.py", '"shutdown_in_milliseconds" in server', "False"),
    (
        "think that unknown settings keep nothing",
        "node_info.py",
        "self.appends is False and self.snapshots is False",
        "True",
    ),
]
"""What each does, the file in guard/, the source, and the source with the fault."""
