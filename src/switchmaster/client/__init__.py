"""
What makes a client library follow the master; `switchmaster.redis` and `switchmaster.valkey` bind it to theirs.

Read in this order: `client_options` what a user may choose; `observable` the newest value of the gate, and who waits
for another; `follower` one master as its connections see it; `shared` one Watcher for a whole process;
`watcher_settings` from a library's arguments to a Watcher's; `route` the connections of one pool;
`tally` what happened, counted and told; `library` the few names in which client libraries differ;
`connection`, then `sync` and `aio`: the classes that are mixed into a library's own.

Decisions are made in `switchmaster.follow`, which knows neither sockets nor threads.
"""
