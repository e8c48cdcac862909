"""
Where a client's commands go: what the belief about a master means for one connection.

Theory of operation. What comes in is a `MasterState` (`switchmaster.belief`): the believed address of one master, and
the failovers under way. What goes out is a decision about one connection: its commands may be sent, must wait, need
another connection first, or fail. Nothing here does I/O, reads a clock or knows a Sentinel; time is an argument, and
the sockets belong to `switchmaster.client`, or to the simulation.

Read in this order:

1. `gate`: the belief becomes two small values, made again with every change and compared by identity. `Phase` is for
   connections to the master: open, held, failing or unknown, and the address. `Replicas` is for readers: the replicas
   that may be read from.
2. `reach`: how a connection gets to where the newest value sends it. `Reach` is a generator that yields effects (dial
   this node, wait for news, find the master, hang up) and returns the value under which the connection is ready.
3. `session`: one connection between two such plans, as a state machine: how far it is connected, what its server holds
   for it, how many answers are to come, and what follows for the next command, error or interrupt.
4. `listen`: how a listener reads on when its connection is lost: plans like those of `reach`, around one read or PING.

Invariants:

- A command is sent only under the newest value of the gate. A connection keeps the value under which it was made
  ready (`Session.seen`); while that is the newest, one comparison is all that following costs.
- Nothing is dialled that the newest value does not name, and no command is sent to a node before it has proved its
  role in this connection's greeting.
- A command that has not been sent waits no longer than `WaitLimits` allow. A command that may have been sent is never
  sent again here: its caller gets an error that says so.
- A connection never moves while its server holds something for it that its holder would miss (a transaction, a
  subscription that nothing restores, a selected database): it ends, with an error that says why. Nor does it move
  while answers are to come.
- Threads, asyncio and the simulation drive the same code, so that what one of them shows holds for all.
"""
