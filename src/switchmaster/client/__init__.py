"""
The classes that make a client library follow the master; `switchmaster.redis` and `switchmaster.valkey` are made here.

Theory of operation. An application holds a client of redis-py or valkey-py. Its connections, its pool and its Sentinel
are ours, mixed in before the library's own classes. One Watcher for the whole process, in a thread of its own, listens
to all Sentinels. After each turn of it a `Follower` derives the newest values of the gate (`switchmaster.follow.gate`)
from the belief, and each pool's `Route` cuts the connections that must not be where they are. Before it sends a
command, a connection compares the value under which it was made ready with the newest one: while they are the same
object, the command goes out; otherwise the connection first carries out a plan (`switchmaster.follow.reach`).
Decisions are made in `switchmaster.follow`, which knows neither sockets nor threads.

What comes in: a library's arguments, commands, the Watcher's belief. What goes out: commands on connections to the
right node, and errors that are both ours and the library's.

Read in this order:

1. What the user says: `client_options` our own arguments and the hook; `url_arguments` a URL's; `watcher_settings` from
   the library's arguments to a Watcher's; `sameness` which arguments say the same.
2. What is known: `observable` a value that threads and tasks wait for; `follower` one master as its clients see it;
   `shared` one Watcher for the process, and questions to the Sentinels; `tally` what happened, counted, reported to the
   hook and logged; `delivery` how switches reach the user's callback.
3. What moves: `route` the connections of one pool and where they may be; `connection` one connection, without its
   sockets; `pool` and `sentinel` the same for pools and Sentinels; then `sync` and `aio`, which add threads or a loop.
4. Libraries: `library` the few names in which they differ; `packing` commands as bytes, safe from signals; `alerts` why
   a peer of TLS left; `sockets` that remember whether their descriptor was taken; `drop_in` the public classes;
   `installation` puts them in the place of the library's own.

Invariants:

- No command is sent to a node that the newest value does not admit, and none is sent twice by us.
- Every answer goes to the command that asked for it: a connection that owes answers when its user is gone, or was
  interrupted, ends.
- The Watcher's thread never waits for a user's thread or loop, whatever that does; nor for the garbage collector, which
  may run in any thread under any lock.
- After a fork the child starts its own Watcher and connections, and leaves the parent's alone.
- Every error of ours is also one of the library's, so that applications catch what they always caught.
- The import of a drop-in costs little more than that of its library: the Watcher, the belief and what they stand on are
  imported with the first Sentinel or pool (`shared.share`), and named before that only where types are checked.

`sync` and `aio` decide nothing twice. What they have to decide is a plan, written once: in `switchmaster.follow.reach`
and `switchmaster.follow.listen`, in `connection` for an attempt to connect, in `route` for questions. A plan is a
generator that yields effects; each of the two carries them out in its own way, and sends back what came of them. What
is left alike in them is the library's verbs, which are functions in one and coroutines in the other: they are the path
of every command, and sharing a body that awaits would cost each command a generator and its calls. The rest is in
`connection`, `route`, `pool` and `sentinel`, once.
"""
