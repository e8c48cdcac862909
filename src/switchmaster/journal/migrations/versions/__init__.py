"""
One module for each version of the schema, in order.

- `v0001`: the stream, switches, failovers with their observations and comments, heads, observers.
- `v0002`: indexes for lists in order, so that a page costs as much as its rows.
- `v0003`: what actions are to do, what they did, and which are paused.
- `v0004`: where clients reach the relays of each daemon.
- `v0005`: daemons that share deployments, and which of them watches which.
"""
