"""
Explain: why a master would or would not fail over, what happens if a host dies, and why a failover did not happen.

What comes in: what every Sentinel answers about a master (`switchmaster.doctor`), and the journal's records of what
happened to it (`switchmaster.account`). What goes out: a forecast for each Sentinel as the possible leader, what
becomes of each master after a loss, and one finding for each suspicion or attempt of a period. The words for them are
in `switchmaster.cli`.

    Inspection ─> viewpoints ─┬─> forecast, milestones
                  records ────┤   └─> losses
                              └─> cooldown, past ─> lines

Read in this order: `viewpoint` (what one Sentinel answered), `forecast` (whether it could lead, and which replica it
would promote), `cooldown` (how long it must wait after an attempt), `milestones` (when each step comes), `losses` (the
forecast again, without the dead), `past` (why a failover did not happen), `pauses` (how long nodes took to answer),
`down_after` (which value of down-after-milliseconds that allows), `lines` (all of it as JSON).

Invariants: each Sentinel is judged by its own view, because the leader decides by its own. What is not known is None,
and never stands for a good answer. Nothing is sent and nothing changes.

Pure: no I/O, no clock; times are arguments.
"""
