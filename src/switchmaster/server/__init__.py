"""
The daemon: it watches deployments, keeps the journal, and serves both over HTTP.

What comes in: a configuration (`settings`), what Sentinels and data nodes say (through `switchmaster.net`), requests
over HTTP, and signals. What goes out: rows in the journal, lines in the log, answers over HTTP, notifications to
systemd, and what the configured actions do. Of what changes Sentinels or nodes the daemon itself sends only the one
``SENTINEL FAILOVER`` of an armed guard, and what a planned failover needs that somebody has ordered.

One object composes everything: `daemon.Daemon`. No other module constructs two parts of the program and connects them,
and the CLI only calls `Daemon.run`.

Threads, each with data of its own:

- The **main loop** listens to Sentinels. Each deployment has one `deployment_watch.DeploymentWatch`: a Watcher, its
  ledger (what the journal should keep), its `link_log` (connections lost and restored, written to the log only),
  its `deployment_guard` (which guards masters where operators want it), its `deployment_pulse` (which measures how long
  nodes take to answer, where operators want it), its `deployment_relay` (which serves the belief to unmodified clients
  where one is configured), its `deployment_proxy` (which runs HAProxy for clients that know no Sentinel, likewise), its
  `deployment_failover` (planned ones), and its `deployment_doctor` (which inspects now and then, in threads, where that
  is configured).
- The **writer thread** of `switchmaster.journal` commits entries in batches. After each commit it calls back with what
  the commit added; `journal_log` turns that into log lines, so the log never reports what a crash could take back.
- The **HTTP thread** (`api`) runs an event loop of its own. It reads `published_belief.PublishedBelief`: immutable
  values that the main loop hands over, a switch at once and everything else within 10 ms.
- In a storm decisions come first: what makes the journal's entries waits while there is more to read (`backlog`), the
  writer and what hands the belief over while the main loop is busy (`loop_load`), each for a bounded time, and metrics
  count when they are read.
- Where several daemons share deployments, `daemon_claims` says which of them this one watches; each look at the claims
  is made in a thread.
- The **reactions thread** of `switchmaster.react`, where actions are configured; `daemon_actions` gives it the belief
  and takes what came of each run.
- A **lease thread** for each deployment with a guard, where the journal is in PostgreSQL (`journal.guard_lease`).

Invariants:

- Nothing that an HTTP client or a database does blocks the main loop. It hands entries to the writer's queue and values
  to `published_belief`, and waits for neither.
- What the journal's routes, the stream and the log report about events, switches and failovers was committed first,
  unless a log line says ``journal=waiting``.
- A reload keeps the connections of every deployment whose `fingerprint` (see `watcher_arguments`) did not change, also
  if its guard changed; an invalid file changes nothing.

The other modules: `watcher_arguments` turns settings into the arguments of a Watcher and reads password files (the CLI
uses it too, so it needs no extra); `log_format` formats log lines for people or as JSON; `systemd` speaks
``Type=notify``; `interpreter` sets Python for a process that is the daemon. The folder `web` holds the
dashboard's files, which `api.dashboard` serves.

Read in this order: `settings`, `deployment_watch`, `backlog`, `published_belief`, `deployment_guard`,
`deployment_pulse`, `deployment_relay`, `deployment_proxy`, `deployment_failover`, `deployment_doctor`,
`daemon_actions`, `daemon_claims`, `daemon`, `journal_log`, `api`.
"""
