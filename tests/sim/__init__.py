"""
Truth under faults: the production Watcher on a virtual clock and network, among simulated Sentinels and data nodes.

A `story` comes from one seed: it builds a `deployment`, lets `faults` act on it, heals it, and ends when everything
must be settled again. `invariants` inspects the Watcher after every step. The same seed gives the same transcript, byte
for byte. ``python -m sim --help`` (`__main__`) runs stories. No production code is copied or patched, except for its
three impure sources: time.time, time.monotonic and random.random.

The world: `clock` (virtual time and an asyncio loop on it), `network` (streams and messages with delay, loss and
partitions), `process` (a process that hangs, dies and restarts), `world` (what all of them share).

Servers, as docs/topics/protocol.md describes them: `node` (a data node), `sentinel` (its timers and commands),
`instance` (what it remembers of others), `failover` (votes and the state machine), `answers` (what its clients get).

`guard_truth` judges the guard's orders, which a share of the stories has.

Ours: `watcher` (the production Watcher as a process of this world), `client` (commands that follow the master).

`mutants` puts known faults into copies of the product, each of which the simulation or the replay must catch; those of
the guard's rules are in `guard_mutants`.
"""
