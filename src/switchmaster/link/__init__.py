"""
The link: one conversation with one Sentinel, or with one data node, without I/O.

**In** come bytes and the time, from a shell that owns the connection (`switchmaster.net`). **Out** go bytes to write,
and `Fact` values (`switchmaster.wire.facts`) in the order in which the peer said them. A link knows how to log in,
subscribe, ask and keep the conversation alive. It believes nothing: which address is a master's, and whether a peer is
right, is decided in `switchmaster.belief`.

    shell ── connect, receive_data, receive_eof, tick ──> Link, NodeLink
    shell <── data_to_send, deadline, streams_wanted ────
    belief <── events_received ──────────────────────────

Read in this order:

- `link`: `Link`, the conversation with a Sentinel from the first byte to the backoff after its end. The methods that
  the shell calls, and the order of greeting, subscription and snapshot.
- `request_stream`: one open connection: requests are matched to replies, and each is answered in bounded time.
- `sentinel_stream`: the same for a Sentinel, which also publishes.
- `greeting`: HELLO, AUTH and the ids of the peer; RESP2 where HELLO is refused. Tells a data node from a Sentinel.
- `subscription`: PSUBSCRIBE, and what is tried where an ACL refuses it.
- `snapshot`: the questions after every subscription and at every reconcile, in batches, and the order of their answers.
- `rights`: which ACL rules the user lacks, from what was refused.
- `node_link`: `NodeLink`, the conversation with a data node: ROLE, again and again.
- `location`: one question to one Sentinel, for a client that cannot wait for a live link.
- `majority`: which nodes a majority lists, and may therefore be given a password.
- `backoff`: how long to wait before dialling again.
- `counters`: what a link counts for the metrics.

Invariants:

- **Time and chance are arguments.** The same inputs give the same outputs, in tests, in the simulation and in
  production; `now` is monotonic seconds.
- **Every wait ends.** Whatever a peer sends or omits, the link is live or down, with a reason, in bounded time. Nothing
  raises on what a peer sends; ValueError means that the shell is wrong.
- **Order is the Sentinel's.** Sentinel is one thread: on one connection, an answer includes every event
  published before it.
- **A subscription is followed by a snapshot.** Pub/Sub is not replayed, so whatever was published before it counts as
  missed.
- **No password outlives the login.** Credentials come with `connect` and are dropped when the peer is logged in to.
- **A refusal is data.** A link that goes down says by a `Refusal` whether rights or the password were the cause; the
  text beside it is for people.
"""
