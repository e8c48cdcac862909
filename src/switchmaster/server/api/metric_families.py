"""
The metrics: one table, from which the exposition and the reference page are made.

Base units are seconds and bytes. Addresses are labels of ``_info`` only: a label that changes with every failover would
make a new series each time.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["FAMILIES", "METRIC_PREFIX", "Family"]

METRIC_PREFIX: Final = "switchmaster_"

_MASTER: Final = ("deployment", "master_name")
_SENTINEL: Final = ("deployment", "sentinel")
_ACTION: Final = ("action", "deployment", "master_name")


class Family(NamedTuple):
    """One metric."""

    name: str
    """Without `METRIC_PREFIX`, and without ``_total`` for a counter."""
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    text: str


FAMILIES: Final = {
    family.name: family
    for family in (
        Family("build_info", "gauge", ("version",), "1; the version is the label."),
        # The belief.
        Family("deployment_hearing", "gauge", ("deployment",), "Whether any Sentinel is connected now."),
        Family(
            "deployment_established",
            "gauge",
            ("deployment",),
            "Whether enough Sentinels have answered since the start to be believed.",
        ),
        Family("master_info", "gauge", (*_MASTER, "address"), "1; the believed address is the label."),
        Family("master_health", "gauge", (*_MASTER, "health"), "1; the master's health is the label."),
        Family("master_config_epoch", "gauge", _MASTER, "The believed config epoch."),
        Family(
            "master_grade",
            "gauge",
            _MASTER,
            "How well the belief is confirmed: 1 announced, 2 promoted, 3 agreed by a majority.",
        ),
        Family("master_replicas", "gauge", _MASTER, "Replicas known to the Sentinels."),
        Family("master_replicas_down", "gauge", _MASTER, "Replicas that at least one Sentinel reports down."),
        Family("master_disagreeing_sentinels", "gauge", _MASTER, "Connected Sentinels that give another address."),
        Family(
            "master_failover_in_progress",
            "gauge",
            _MASTER,
            "Whether a failover is under way: from the first attempt of a Sentinel on; a suspicion does not count.",
        ),
        Family(
            "master_failover_possible",
            "gauge",
            _MASTER,
            "Whether enough Sentinels reach each other to agree on a failover and to elect its leader; no series "
            "if no Sentinel can tell.",
        ),
        Family("master_sentinels", "gauge", _MASTER, "Known Sentinels of this master, whether they answer or not."),
        Family("master_unaware_sentinels", "gauge", _MASTER, "Connected Sentinels that do not monitor this master."),
        Family(
            "master_last_switch_timestamp_seconds",
            "gauge",
            _MASTER,
            "When the address last changed; no series before this daemon has seen a change.",
        ),
        Family(
            "master_last_planned_switch_timestamp_seconds",
            "gauge",
            _MASTER,
            "The same for changes that somebody has asked for (SENTINEL FAILOVER), so that alerts can leave them out.",
        ),
        # Guards.
        Family(
            "guard_armed",
            "gauge",
            (*_MASTER, "arming"),
            "1; whether the master's guard is armed, dry-run or disarmed is the label. No series where no master of "
            "the deployment is guarded.",
        ),
        Family(
            "guard_would_act",
            "gauge",
            _MASTER,
            "Whether the guard would order a failover if the master died now; /api/v1/guard says why not.",
        ),
        Family(
            "guard_may_order",
            "gauge",
            _MASTER,
            "Whether the Sentinels' ACL allows SENTINEL FAILOVER; no series if that is not known yet.",
        ),
        Family(
            "guard_leased",
            "gauge",
            ("deployment",),
            "Whether this daemon holds the guards' lease; no series if no lease is shared.",
        ),
        Family("guard_walks", "counter", _MASTER, "Lost connections to the master that the guard has looked into."),
        Family("guard_samples", "counter", _MASTER, "Samples of evidence that it has collected."),
        Family("guard_orders", "counter", _MASTER, "Failovers that it has ordered."),
        Family("guard_verified", "counter", _MASTER, "Ordered failovers that came."),
        Family("guard_in_vain", "counter", _MASTER, "Orders that were refused or that nothing came of."),
        Family(
            "guard_objections",
            "counter",
            (*_MASTER, "objection"),
            "How often each objection kept it from an order; `evidence` if the death was not proved.",
        ),
        Family(
            "master_restarts",
            "counter",
            _MASTER,
            "Restarts of a guarded master that Sentinel did not take for a failure (+reboot).",
        ),
        Family(
            "master_came_back_empty",
            "counter",
            _MASTER,
            "Those after which it had no data, while replicas still had some.",
        ),
        # Doctors.
        Family(
            "doctor_findings",
            "gauge",
            ("deployment", "rule", "severity"),
            "Masters (or the deployment itself) of which a rule of the doctor fires, suppressed findings left out; no "
            "series of a rule that is silent.",
        ),
        Family(
            "doctor_last_inspection_timestamp_seconds",
            "gauge",
            ("deployment",),
            "When the last inspection began; no series without `[doctor] every`.",
        ),
        Family("doctor_inspection_seconds", "gauge", ("deployment",), "How long it took."),
        # Relays.
        Family("relay_clients", "gauge", ("deployment",), "Clients of the relay; no series without a relay."),
        Family("relay_subscribers", "gauge", ("deployment",), "Those that are subscribed."),
        Family(
            "relay_stale",
            "gauge",
            ("deployment",),
            "Whether the relay tells clients of no master, because no Sentinel was connected for `stale_for`.",
        ),
        Family("relay_connections", "counter", ("deployment",), "Clients that the relay has accepted."),
        Family("relay_rejected", "counter", ("deployment",), "Clients that it has turned away: over `maxclients`."),
        Family(
            "relay_cut",
            "counter",
            ("deployment", "reason"),
            "Clients that it has cut: they did not read (slow), did not authenticate in time (stranger), or did not "
            "speak the protocol.",
        ),
        Family("relay_commands", "counter", ("deployment",), "Commands that it has answered."),
        Family("relay_errors", "counter", ("deployment",), "Those answered with an error."),
        Family("relay_auth_failures", "counter", ("deployment",), "Wrong passwords of its clients."),
        Family("relay_messages", "counter", ("deployment",), "Messages sent to its subscribers."),
        Family("relay_switches", "counter", ("deployment",), "Switches that its clients were told of."),
        Family(
            "relay_events",
            "counter",
            ("deployment", "what"),
            "Events of the Sentinel that it passes on: passed, or withheld because they are about Sentinels, can't be "
            "read, or name an address that is not believed.",
        ),
        Family("relay_handovers", "counter", ("deployment",), "How often another Sentinel took a lost one's place."),
        # Proxies.
        Family("proxy_up", "gauge", ("deployment",), "Whether the proxy's HAProxy runs; no series without a proxy."),
        Family(
            "proxy_in_sync",
            "gauge",
            ("deployment", "master"),
            "Whether HAProxy had what is believed of this master when it was last asked.",
        ),
        Family("proxy_moves", "counter", ("deployment", "master"), "How often HAProxy was led to another master."),
        Family("proxy_holds", "counter", ("deployment", "master"), "How often new connections began to wait."),
        Family(
            "proxy_last_move_seconds",
            "gauge",
            ("deployment", "master"),
            "How long HAProxy took to follow the belief in the last move.",
        ),
        Family("proxy_drifts", "counter", ("deployment",), "How often HAProxy was found with something else."),
        Family("proxy_starts", "counter", ("deployment",), "How often HAProxy was started; more than 1: it ended."),
        Family("proxy_reloads", "counter", ("deployment",), "How often HAProxy was reloaded."),
        # Links to Sentinels.
        Family("sentinel_connected", "gauge", _SENTINEL, "Whether this Sentinel is connected."),
        Family("sentinel_tilt", "gauge", _SENTINEL, "Whether it is in TILT and starts no failover."),
        Family(
            "sentinel_shares_id", "gauge", _SENTINEL, "Whether another Sentinel has its id: a copied configuration."
        ),
        Family(
            "sentinel_scripts_waiting",
            "gauge",
            _SENTINEL,
            "Its notification scripts that wait to be run (at most 256).",
        ),
        Family(
            "sentinel_last_message_timestamp_seconds",
            "gauge",
            _SENTINEL,
            "When its last byte arrived; it is pinged every second.",
        ),
        Family("sentinel_messages", "counter", _SENTINEL, "Events received from it on the current link."),
        Family(
            "sentinel_disagreeing_masters",
            "gauge",
            _SENTINEL,
            "Masters for which it gives another address than the believed one.",
        ),
        # What happened.
        Family(
            "switches",
            "counter",
            (*_MASTER, "grade", "cause"),
            "Changes of a master's address, by grade and cause.",
        ),
        Family(
            "failovers",
            "counter",
            (*_MASTER, "outcome", "kind"),
            "Failovers that have ended; `kind` is `unknown` if nothing told it.",
        ),
        Family(
            "failover_phase_seconds",
            "histogram",
            ("deployment", "phase"),
            "How long the phases of failovers took: `detection` (suspected to agreed down), `election`, `promotion` "
            "(selected to promoted), `announcement` (promoted to the first +switch-master), `outage` (how long "
            "there was no master: down-after-milliseconds, and suspected to promoted), `total`.",
        ),
        Family(
            "node_ping_seconds",
            "histogram",
            _MASTER,
            "How long the nodes of a master took to answer PING, where `measure_pauses` is on; a pause counts once it "
            "has ended.",
        ),
        Family("suspicions", "counter", _MASTER, "Suspicions (SDOWN) that ended without a failover."),
        Family(
            "missed",
            "counter",
            ("deployment", "what"),
            "Changes that no event announced: a reconcile found a `switch`, or an `epoch` that rose (a "
            "failover and its "
            "way back); the journal found a failover from the time when no daemon was listening (`away`).",
        ),
        Family("notices", "counter", ("deployment", "kind"), "Notices, by kind."),
        Family(
            "watcher",
            "counter",
            ("deployment", "what"),
            "The Watcher's own counters since its start, limits that were hit included.",
        ),
        # What follows a switch.
        Family("action_attempts", "counter", _ACTION, "Attempts of actions, those without success included."),
        Family(
            "action_runs",
            "counter",
            (*_ACTION, "outcome"),
            "Runs of actions that ended here: done, gave-up, interrupted (a newer switch came, or the run goes on "
            "elsewhere), expired, dry-run.",
        ),
        Family("action_drifts", "counter", _ACTION, "How often a target was found to show something else."),
        Family(
            "action_wish_age_seconds",
            "gauge",
            _ACTION,
            "How long ago the switch that waits to be carried out came; no series where nothing waits. A pause counts.",
        ),
        # The journal.
        Family("journal_available", "gauge", (), "Whether the last commit succeeded."),
        Family("journal_waiting", "gauge", (), "Entries waiting to be written."),
        Family("journal_written", "counter", (), "Entries committed."),
        Family("journal_dropped", "counter", (), "Entries dropped because the queue was full."),
        Family("journal_refused", "counter", (), "Entries refused by the database."),
        Family("journal_failures", "counter", (), "Transactions that failed."),
        Family("journal_removed", "counter", (), "Rows removed by retention."),
        Family(
            "journal_forced_turns",
            "counter",
            ("deployment", "limit"),
            "Turns whose entries could not wait until everything that Sentinels said was read: too much work waited "
            "(`full`: 200,000 pieces), or it waited for too long (`late`: 1 s).",
        ),
        Family("journal_size_bytes", "gauge", (), "Size of the journal; no series before it was first measured."),
        Family("history_failed", "counter", (), "Queries of the journal that got no answer."),
        Family("history_refused", "counter", (), "Queries of the journal refused because too many were waiting."),
        # Shared deployments.
        Family(
            "share_available",
            "gauge",
            (),
            "Whether the last look at the claims succeeded; no series of any of these where no deployment is shared.",
        ),
        Family("share_daemons", "gauge", (), "Living daemons that share deployments, this one included."),
        Family("share_deployments", "gauge", ("state",), "Deployments that this daemon watches, by how it hears them."),
        Family(
            "share_short",
            "gauge",
            (),
            "Deployments of all of these daemons whose masters fewer of them know than are wanted.",
        ),
        Family("share_moves", "counter", ("move",), "Deployments that this daemon claimed or released."),
        # The API.
        Family("stream_clients", "gauge", (), "Open streams."),
        Family("stream_refused", "counter", (), "Streams refused because too many were open."),
        Family("stream_sent", "counter", (), "Lines sent, to all clients together."),
        Family("http_responses", "counter", ("status",), "Answers, by status."),
        Family(
            "http_refused",
            "counter",
            ("reason",),
            "Refused requests: header, host, origin, token, body; or too many in all (busy), of one peer, of "
            "health; or "
            "no descriptor was left to accept.",
        ),
        Family(
            "http_cut",
            "counter",
            ("reason",),
            "Closed connections: the header came too slowly, the answer was not read (stalled), too many were idle, or "
            "too many of one peer.",
        ),
        Family(
            "http_connections",
            "gauge",
            ("phase",),
            "Connections: idle (trusted: their last request had a token), asking, or asking for health.",
        ),
        Family(
            "listening_late_seconds",
            "gauge",
            (),
            "How late the loop that listens to Sentinels was at its last check, once a second.",
        ),
        # This module's own limit.
        Family(
            "metrics_masters_beyond",
            "counter",
            (),
            "Counted under `(others)` because there were too many names of masters.",
        ),
    )
}
