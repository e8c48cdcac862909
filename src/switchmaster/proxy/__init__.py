"""
The proxy: one address for clients that know no Sentinel. HAProxy, run and steered by us.

Theory of operation. Clients connect to a port of HAProxy on which they find the master, and to another for its healthy
replicas. HAProxy carries all bytes; we only tell it where to. Two ways lead from each port to the nodes:

- *believed*: one server, whose address we set through the runtime API in the turn in which the belief moves. Its old
  sessions end at that moment. It is used while we are alive, which HAProxy checks.
- *classic*: all nodes, of which HAProxy uses the one that answers ROLE with master. It is used when we are gone.

A failover that holds commands back is *waited out*, and so is a master that refuses connections: the believed server
is in maintenance, and a backup server that has no room, because one connection of ours fills it, makes HAProxy queue
new connections. When the believed server is ready again HAProxy gives it the whole queue at once.

`proxy_settings` says how a proxy is set up. `haproxy_config` writes the configuration, `moves` compares what HAProxy
has with what it should have, and gives the commands in between; both are pure: no I/O, no clock. `haproxy_process`
checks, starts, reloads and watches the program, and `tls_files` keeps the certificates that it reads. `companion` is
our end of the liveness check and of the connection that fills the backup server. `master_lane` keeps one master's
servers where the belief wants them, `master_contact` tells it when the believed master's process is gone, `node_places`
turns announced addresses into those that HAProxy can be given, and `proxy` runs all of it for a Watcher; `proxy_lines`
shows it.

Invariants: no name or address from the network becomes a word of the configuration or of a command before it was
checked to be one; a server of ours has no address that the belief does not hold; what HAProxy has is read back, and
put right.

Nothing is imported here, so that reading a configuration does not load what serves it.
"""
