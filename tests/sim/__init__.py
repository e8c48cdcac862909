"""
Truth under faults: the production Watcher on a virtual clock and network, among simulated Sentinels and data nodes.

`clock` and `network` are the world, `node` and `sentinel` live in it as docs/topics/protocol.md says, `story` does to
them what one seed says, and `invariants` looks at the Watcher after every step. ``python -m sim --help`` runs it.
"""
