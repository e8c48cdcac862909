"""
What follows a switch: scripts, webhooks and whatever else must know where the master is.

What comes in: switches that the journal has committed, and the configured actions. What goes out: requests, processes
and writes to the targets, and receipts of them in the journal.

    switches ─> wishes ─> runs ─> receipts
    (journal)   (pure)    (one thread)

Reactions are **level-triggered**: each action has one wish for each master, the newest, and tries until its target is
right, however many switches came meanwhile. Actions that tell others what happened carry out each switch instead, in
order (``every``).

- `choosing`: which wish a row takes next, when it may be carried out, and what it must wait for. Pure.
- `action_kinds`: what an action is: apply, compare, test, plan; and how it ends.
- `reactor`: the engine: a thread with its own event loop, which takes rows, tries, renews its hold, compares, retries.
- `carrying`: one run: its attempts, their backoff, its hold on the row; `run_counters` counts them for the metrics.
- `script_action`: a program without a shell; `script_guardian` ends it with its daemon.
- `webhook_action`: CloudEvents over HTTP, signed; `destinations` says where a request may go.
- `file_action`: a file from a template (`templates` come along), checked, replaced in one step.
- `haproxy_action`: a server of an existing HAProxy, by its runtime API.
- `dns_action`: a record of a zone, by signed updates.
- `notify_action`: messages to people, by Apprise.
- `consul_action`: a key and a service; `kubernetes_action`: an EndpointSlice, or a label of pods.
- `etcd_action`: a key, whose value `stored_place` makes and compares, over the JSON API of a `http_target`.
- `cut_action`, `stream_action`: commands to Redis or Valkey, over `server_access`.
- `switch_facts`: a wish as variables and arguments for programs.

Invariants:

- A wish is in the journal before it is tried: a daemon that is killed anywhere carries on, or another one does.
- One daemon at a time carries out an action for a master; it stops before its hold ends.
- An older wish never follows a newer one: a run is ended before the next begins, and what it says of an older wish
  changes no row.
- Text from the network reaches a target as data only: an argument, a variable, a JSON string. No shell reads it.
- Nothing here waits in the loop that listens to Sentinels.
"""
