"""
The relay: a Sentinel that is never late. It answers Sentinel's own protocol from what a Watcher believes.

Theory of operation. Unmodified clients are pointed at a relay instead of at the Sentinels. They ask it for their
master, and subscribe to it; the relay knows of a promotion before any Sentinel announces it, and publishes
``+switch-master`` at that moment.

`served_masters` holds what clients were told of each master, and decides when they must be told of a move.
`event_relay` passes on the events of one Sentinel, and puts the moves in their place among them. `relay_core` runs
both, turn by turn, and `relay` feeds it from a Watcher.

A client's bytes go through `request_reader` (bytes to commands), `protocol` (one conversation: who it is, what it is
subscribed to), `sentinel_commands` and `sentinel_rows` (the answers), and `resp_writer` (values to bytes).
`channel_glob` matches patterns, `accounts` checks passwords, `relay_state` is what all conversations share.
`relay_settings` says how a relay is set up, and `server` has the socket.

Invariants: a client is told no address that the belief does not hold, and never a Sentinel's; each move is told once;
where nothing is believed the answer is that of a Sentinel that does not know the master. Everything but `relay` and
`server` is pure: no I/O, no clock.

Nothing is imported here, so that reading a configuration does not load what serves it.
"""
