"""
The account of an incident: what happened to each master, put together from all sources that exist.

**In** come the logs of Sentinels and data nodes, what `redis-cli psubscribe` printed, or what the journal keeps.
**Out** go one record of each failover, with the remarks of the logs that belong to it, and the only words for it. The
record and the words are the same whether a daemon listened, a transcript was replayed or logs were read.

    logs, transcripts ─> Said ─> replay (the belief itself) ─> Failover ─> records ─> sentences, documents, pictures
                   └─> remarks ─> annotations ──────────────────────────────┘

Read in this order:

- `record`: the records of a failover, its stages, announcements, votes, remarks and switches, as one observer saw them
  and as the journal merges them. `record_lines`: records to JSON and back.
- `times`: in which zone times are shown. `narrate`: the words for a failover and its stages, which the CLI, the
  post-mortem, the chart and the daemon's log share.
- `transcript`: files of published events, read into `Said`; `transcript_lines`: the looks of one line.
- `logs`: the formats of log files, and how several become one story.
- `replay`: events through the belief, as if they came now. `annotations`: which remarks belong to which failover.
- `postmortem` (Markdown), `timeline` (SVG and HTML) and `story` (sentences: what `why` prints): what people read.

Invariants: the belief that decides here is the one that listens live. Nothing raises, whatever a file holds. What can't
be read is counted. Nothing is guessed: a bound is given as a bound. Text from the network stays as it is here, and is
made harmless or escaped where it is shown.

Pure: bytes and values in, values out; `switchmaster.cli` opens files and knows the time.
"""
