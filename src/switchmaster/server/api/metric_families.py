"""
What is measured: one table, from which the exposition and the reference page are made.

Base units are seconds and bytes. Addresses stand in ``_info`` alone: a label that changes with every failover would
make a new series each time.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["FAMILIES", "METRIC_PREFIX", "Family"]

METRIC_PREFIX: Final = "switchmaster_"

_MASTER: Final = ("deployment", "master_name")
_SENTINEL: Final = ("deployment", "sentinel")


class Family(NamedTuple):
    """One metric."""

    name: str
    """Without `METRIC_PREFIX`; a counter's without ``_total``."""
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    text: str


FAMILIES: Final = {
    family.name: family
    for family in (
        Family("build_info", "gauge", ("version",), "1; the version is the label."),
        # The belief.
        Family("deployment_hearing", "gauge", ("deployment",), "Whether a Sentinel is heard now."),
        Family(
            "deployment_established",
            "gauge",
            ("deployment",),
            "Whether enough Sentinels have answered since the start to believe them.",
        ),
        Family("master_info", "gauge", (*_MASTER, "address"), "1; the address that is believed is the label."),
        Family("master_health", "gauge", (*_MASTER, "health"), "1; how the master stands is the label."),
        Family("master_config_epoch", "gauge", _MASTER, "The config epoch that is believed."),
        Family(
            "master_grade",
            "gauge",
            _MASTER,
            "What stands behind the belief: 1 announced, 2 promoted, 3 agreed by a majority.",
        ),
        Family("master_replicas", "gauge", _MASTER, "Replicas that the Sentinels know."),
        Family("master_replicas_down", "gauge", _MASTER, "Replicas that some Sentinel says are down."),
        Family("master_disagreeing_sentinels", "gauge", _MASTER, "Sentinels that are heard and give another address."),
        Family(
            "master_failover_in_progress",
            "gauge",
            _MASTER,
            "Whether a failover is under way: from the first Sentinel that tries one; a suspicion is none.",
        ),
        Family(
            "master_failover_possible",
            "gauge",
            _MASTER,
            "Whether enough Sentinels answer each other to agree on a failover and to elect its leader; no series "
            "where none can tell.",
        ),
        Family("master_sentinels", "gauge", _MASTER, "Sentinels that are known to count for this master."),
        Family("master_unaware_sentinels", "gauge", _MASTER, "Sentinels that are heard and do not monitor it."),
        Family(
            "master_last_switch_timestamp_seconds",
            "gauge",
            _MASTER,
            "When the address changed last; no series before this daemon has seen that.",
        ),
        # Links to Sentinels.
        Family("sentinel_connected", "gauge", _SENTINEL, "Whether this Sentinel is heard."),
        Family("sentinel_tilt", "gauge", _SENTINEL, "Whether it is in TILT, and starts no failover."),
        Family(
            "sentinel_shares_id", "gauge", _SENTINEL, "Whether another Sentinel has its id: a copied configuration."
        ),
        Family(
            "sentinel_scripts_waiting",
            "gauge",
            _SENTINEL,
            "Its notification scripts that wait to be run (of 256 at most).",
        ),
        Family(
            "sentinel_last_message_timestamp_seconds",
            "gauge",
            _SENTINEL,
            "When its last byte came; it is pinged each second.",
        ),
        Family("sentinel_messages", "counter", _SENTINEL, "Events that it has published to us, on its present link."),
        Family(
            "sentinel_disagreeing_masters",
            "gauge",
            _SENTINEL,
            "Masters of which it gives another address than is believed.",
        ),
        # What happened.
        Family(
            "switches",
            "counter",
            (*_MASTER, "grade", "cause"),
            "Changes of a master's address, by what stood behind them.",
        ),
        Family(
            "failovers",
            "counter",
            (*_MASTER, "outcome", "kind"),
            "Failovers that have ended; `kind` is `unknown` where nothing told.",
        ),
        Family(
            "failover_phase_seconds",
            "histogram",
            ("deployment", "phase"),
            "How long the phases of failovers took: `detection` (suspected to agreed down), `election`, `promotion` "
            "(selected to promoted), `announcement` (promoted to the first +switch-master), `outage` (how long "
            "there was no master: down-after-milliseconds, and suspected to promoted), `total`.",
        ),
        Family("suspicions", "counter", _MASTER, "Suspicions (SDOWN) that were taken back without a failover."),
        Family(
            "missed",
            "counter",
            ("deployment", "what"),
            "What no message told. A reconcile found a `switch`, or an `epoch` that rose (a failover and its way "
            "back); the journal found a failover from when this daemon was `away`.",
        ),
        Family("notices", "counter", ("deployment", "kind"), "What is worth knowing though nobody follows it."),
        Family(
            "watcher",
            "counter",
            ("deployment", "what"),
            "What the watcher has counted since its start, limits that were hit included.",
        ),
        # The journal.
        Family("journal_available", "gauge", (), "Whether the last commit succeeded."),
        Family("journal_waiting", "gauge", (), "Entries that are not written yet."),
        Family("journal_written", "counter", (), "Entries that were committed."),
        Family("journal_dropped", "counter", (), "Entries that found the queue full."),
        Family("journal_refused", "counter", (), "Entries that the database would not take."),
        Family("journal_failures", "counter", (), "Transactions that failed."),
        Family("journal_removed", "counter", (), "Rows that retention has removed."),
        Family("journal_size_bytes", "gauge", (), "What the journal takes; no series before the first look."),
        Family("history_failed", "counter", (), "Questions to the journal that got no answer."),
        Family("history_refused", "counter", (), "Questions to the journal that were one too many."),
        # The API.
        Family("stream_clients", "gauge", (), "Clients of the stream."),
        Family("stream_refused", "counter", (), "Clients of the stream that were one too many."),
        Family("stream_sent", "counter", (), "Lines that were sent, to all clients together."),
        Family("http_responses", "counter", ("status",), "Answers, by status."),
        Family(
            "http_refused",
            "counter",
            ("reason",),
            "Refused: header, host, origin, token, body; or one too many of all (busy), of one peer, of health; or no "
            "descriptor was left to accept.",
        ),
        Family(
            "http_cut",
            "counter",
            ("reason",),
            "Connections that were ended: the header came too slowly, the answer was not taken (stalled), too many "
            "were idle, or too many of one peer were.",
        ),
        Family(
            "http_connections",
            "gauge",
            ("phase",),
            "Connections that are idle (trusted: their last request had a token), ask, or ask for health.",
        ),
        Family(
            "listening_late_seconds",
            "gauge",
            (),
            "How late the loop that listens to Sentinels was, when it was looked at last; every second.",
        ),
        # This module's own limit.
        Family("metrics_masters_beyond", "counter", (), "Counted under `(others)`: too many names of masters."),
    )
}
