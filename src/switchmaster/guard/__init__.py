"""
Guard: prove that a master is dead before Sentinel's own timeout passes, and ask for the failover at once.

Sentinel waits ``down-after-milliseconds`` because silence proves little. The death of a process is no silence: the
kernel closes its sockets, so that within milliseconds every Sentinel is disconnected, every replica's link is down, and
a connect is refused. These are independent witnesses on hosts of their own. A partition, a hang or an overload shows
them one or the other, never all of them together.

What comes in: reports of the nodes by INFO, the end of a connection to a node, samples of evidence that a shell
collected, and what is believed (`switchmaster.belief`). What goes out (`orders`): orders to collect a sample or to
send one ``SENTINEL FAILOVER``, and notices for people. Nothing here has I/O, a clock or chance: time comes in as a
`Moment`.

Invariants:

- Silence is never evidence. What did not answer in time counts for the master's life.
- An order needs two samples, `Policy.grace` apart, that each prove the death (one, where a restart would come back
  empty), and no objection at either.
- One order for each death: a walk ends with its order, whatever comes of it, and the cool-down begins.
- Each walk that found the master refusing connections ends with a notice that says why it acted or did not.

Read in this order: `policy` (what an operator decides), `node_info` (what INFO says), `evidence` (a sample, and what
it proves), `promotable` (which replica Sentinel would choose), `case` (all that the rules look at), `objections` (why
not to act, as a table), `orders`, `master_guard` (the walk from a lost connection to an order),
`status` (what readers get).
"""
