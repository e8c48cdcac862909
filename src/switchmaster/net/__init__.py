"""
The shells: the only package that opens sockets to Sentinels and nodes, and that gives the core its time and chance.

Theory of operation. The pure chapters (`switchmaster.wire`, `link`, `belief`) say what to dial, what to send and what
to believe; this package does it. What comes in: bytes, ends of connections, timers. What goes out: bytes, and for users
decisions, events and the belief, by callbacks and iterators. A turn is the unit of everything: bytes of one peer
arrive, the link turns them into facts, the belief observes them and decides, the decisions are carried out and
reported, and the timer is set to the next deadline, all before the loop does anything else.

Read in this order:

1. What a user may write: `arguments` addresses and grades; `address_map` what is dialled instead of an announced
   address; `dial` TLS, and why a connection failed; `credentials` passwords and their providers; `diallers` what is
   dialled for each Sentinel and node.
2. One conversation: `shell` sockets around any link; `sentinel_connection` around one Sentinel's; `node_connection`
   around one data node's.
3. All of them: `probes` the nodes that are asked for their ROLE; `locate` one question to all Sentinels without waiting
   for links; `agreed_address` the same without a loop, for a program that asks once; `heard`, `feeds` and `readers`
   what users follow; `link_totals` what all links have counted; `patience` how long a start waits; `watcher` the
   asyncio Watcher, which drives all of it.
4. The guard's: `command_connection` questions and answers over one connection; `kept_connection` keeps one open and
   tells how it was lost; `process_witness` a process on this host; `witnesses` all of them asked at once; `guard` the
   shell around `switchmaster.guard`; `inspector` everything that a deployment tells of itself, for the doctor;
   `pulse` how long nodes take to answer.
5. The planned failover's: `surveying` all Sentinels and nodes of one master asked at once; `priorities` changed on the
   nodes and put back; `wish_files` what is to be put back, kept on the disk; `planned_failover` the shell around
   `switchmaster.planned`; `rolling_restart` of all nodes, with a failover in between.
6. The proxies': `haproxy_runtime` commands to a running HAProxy, and its state read back.
7. The same for threads: `green` what gevent and eventlet patch; `threads` real threads, locks and loops under them;
   `loop_result` what a coroutine in another thread's loop returns; `at_exit` the end of the interpreter; `sync` the
   Watcher for threads, a facade that decides and keeps nothing.

Invariants:

- A shell holds at most the streams that its link wants, and one timer. After `close` no task, timer or socket is left.
- A callback that raises is logged and counted, and ends nothing. A slow reader loses the oldest items, is told how
  many, and always gets the newest; it never blocks the Watcher.
- No credentials go to an address that only one Sentinel announced: a majority, or the user, must name it.
- No peer's bytes keep the loop for longer than a turn's worth (`shell.TURN_BYTES`).
- A thread that waits may be interrupted by a signal at any call: no lock stays held, and what was begun is ended or can
  be begun again. A forked child uses none of its parent's sockets, threads or locks.
"""
