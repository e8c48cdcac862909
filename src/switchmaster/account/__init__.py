"""
The account of an incident: what happened to each master, put together from whatever there is.

**In**: the logs of Sentinels and data nodes (`logs`), what `redis-cli psubscribe` printed (`switchmaster.core` reads
it), what the daemon kept. **Out**: one record of each failover with the remarks that belong to it, whatever it was
read from, and the only words for it.

Read in this order: `logs`, the formats of log files and how several become one story. Pure: bytes and values in,
values out; the shells of `switchmaster.cli` open files and know the time.

Then `zone` (how times are shown), `record` (words for a failover's line) and `postmortem`, which the CLI and the API
share.
"""
