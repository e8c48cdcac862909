"""
A planned failover: check, ask, check again, act, follow, verify.

Sentinel carries out ``SENTINEL FAILOVER`` without a vote and without a look at the replicas' data: it takes the best
replica by its own rules, however far behind. So everything that could go wrong is looked at before, twice, and what
came of it is verified on the nodes themselves, because Sentinel's word comes late and an aborted failover may still
promote a replica.

What comes in: a `FailoverRequest` (what an operator wants), a `Survey` (what the Sentinels and the nodes answered at
one moment), and, once the failover is ordered, what the Watcher decides. What goes out: a `Plan` with its checks, the
`PriorityChange` s that make Sentinel choose a certain replica, and a `Conclusion`. Nothing here has I/O, a clock or
chance: time is an argument.

Invariants:

- Nothing is ordered while a check refuses, and each check is made again just before the order.
- What is unknown refuses: a replica whose lag can't be read is not promoted.
- Priorities are put back to what was read before, whatever came of the failover.
- A conclusion is `Ending.DONE` only if the nodes themselves said so.

Read in this order: `request` (what an operator wants), `survey` (what was collected), `preference` (how a replica is
preferred, and put back), `checks` (a table), `plan`, `progress` (from the order to the conclusion), `planned_status`
(what the readers of a daemon get).
"""
